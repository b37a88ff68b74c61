//! Reads the table of certificates that a host gives its guest (AMD 56421, GHCB, "SNP Extended Guest Request").

/// Length of an entry, bytes: an identifier, an offset, a length.
const ENTRY: usize = 24;
const GUID: usize = 16;
/// Entries, at most.
const MAX_ENTRIES: usize = 16;

pub(super) const VCEK: u128 = 0x63da758d_e664_4564_adc5_f4b93be8accd;
pub(super) const VLEK: u128 = 0xa8074bc2_a25a_483e_aae6_39c045a0b8a1;
pub(super) const ASK: u128 = 0x4ab7b379_bbac_4fe4_a02f_05aef327c782;
pub(super) const ARK: u128 = 0xc0b406a4_a803_4952_9743_3fb6014cd0ae;
/// From the report's key up to the root.
const CHAIN: [u128; 4] = [VCEK, VLEK, ASK, ARK];

/// Returns the certificates of the chain, in its order; of a malformed table, none.
pub(super) fn chain(table: &[u8]) -> Vec<&[u8]> {
    let mut found: Vec<(usize, &[u8])> =
        table.chunks_exact(ENTRY).take(MAX_ENTRIES).map_while(|entry| read(table, entry)).collect();
    found.retain(|(place, _)| *place < CHAIN.len());
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, der)| der).collect()
}

/// Returns an entry's place in the chain and its bytes. Unknown entries get a place beyond the chain. None at the
/// table's end.
fn read<'a>(table: &'a [u8], entry: &[u8]) -> Option<(usize, &'a [u8])> {
    let (guid, range) = entry.split_first_chunk::<GUID>()?;
    let (offset, range) = range.split_first_chunk()?;
    let (length, _) = range.split_first_chunk()?;
    let number = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
    let (offset, length) = (number(offset)?, number(length)?);
    let der = table.get(offset..offset.checked_add(length)?).filter(|_| *guid != [0; GUID])?;
    // Both ways of writing identifiers are in use.
    let place = CHAIN.iter().position(|known| [known.to_be_bytes(), mixed(*known)].contains(guid));
    Some((place.unwrap_or(CHAIN.len()), der))
}

/// The first three parts of an identifier with their least significant byte first (UEFI, Appendix A).
fn mixed(guid: u128) -> [u8; GUID] {
    let mut bytes = guid.to_be_bytes();
    [0..4, 4..6, 6..8].into_iter().for_each(|part| bytes[part].reverse());
    bytes
}

/// A table, for tests; every other identifier is written the one way.
#[cfg(test)]
pub(super) fn of(entries: &[(u128, &[u8])]) -> Vec<u8> {
    let (mut head, mut body) = (Vec::new(), Vec::new());
    let start = (entries.len() + 1) * ENTRY;
    for (at, (guid, der)) in entries.iter().enumerate() {
        head.extend(if at % 2 == 0 { guid.to_be_bytes() } else { mixed(*guid) });
        head.extend(((start + body.len()) as u32).to_le_bytes());
        head.extend((der.len() as u32).to_le_bytes());
        body.extend_from_slice(der);
    }
    head.extend([0; ENTRY]);
    [head, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_read_in_order_and_strangers_are_passed_over() {
        let table = of(&[(ARK, b"ark"), (7, b"other"), (VLEK, b"vlek"), (ASK, b"ask")]);
        assert_eq!(chain(&table), [&b"vlek"[..], b"ask", b"ark"]);
        assert!(chain(&of(&[])).is_empty() && chain(b"").is_empty());
    }

    #[test]
    fn a_table_that_is_none_is_nothing() {
        let whole = of(&[(VCEK, b"vcek"), (ASK, b"ask")]);
        for end in 0..whole.len() {
            // What is cut off is not found; what is whole is.
            assert!(chain(&whole[..end]).len() < 2, "{end}");
        }
        let mut beyond = whole.clone();
        beyond[GUID..GUID + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(chain(&beyond).is_empty());
    }
}
