//! The certificate table that a host hands to its guest.

use alloc::vec::Vec;

use super::SnpRefusal;

/// Bytes in an entry: GUID, offset, length.
const ENTRY: usize = 24;
const GUID: usize = 16;
const MAX_ENTRIES: usize = 16;

/// Returns the contents of a certificate table, in its order. In this form a hypervisor gives its guest the endorsements of an
/// extended report (GHCB specification, 56421, SNP extended guest request).
///
/// # Errors
/// [`SnpRefusal::Table`] if an entry is outside the table, empty, or overlaps another; if there are too many; or without an end.
pub fn certificate_table(bytes: &[u8]) -> Result<Vec<&[u8]>, SnpRefusal> {
    let wrong = |problem| Err(SnpRefusal::Table { problem });
    let mut ranges = Vec::new();
    for index in 0.. {
        let Some(entry) = bytes.get(index * ENTRY..(index + 1) * ENTRY) else {
            return wrong("has no end");
        };
        if entry.iter().all(|byte| *byte == 0) {
            break;
        }
        if index == MAX_ENTRIES {
            return wrong("has too many entries");
        }
        let number =
            |at: usize| entry[at..at + 4].iter().rev().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte));
        ranges.push((number(GUID), number(GUID + 4)));
    }
    let head = (ranges.len() + 1) * ENTRY;
    let mut end = head;
    let mut sorted = ranges.clone();
    sorted.sort_unstable();
    for (offset, length) in sorted {
        if offset < end {
            return wrong("has entries that overlap");
        }
        end = offset.saturating_add(length);
        if length == 0 || end > bytes.len() {
            return wrong("has an entry outside of it");
        }
    }
    Ok(ranges.into_iter().filter_map(|(offset, length)| bytes.get(offset..offset + length)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(entries: &[(u32, u32)], end: bool, body: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (offset, length) in entries {
            bytes.extend([7; GUID]);
            bytes.extend(offset.to_le_bytes());
            bytes.extend(length.to_le_bytes());
        }
        bytes.extend(alloc::vec![0; if end { ENTRY } else { 0 }]);
        bytes.extend((0..body).map(|index| (index as u8).wrapping_add(1)));
        bytes
    }

    #[test]
    fn tables_are_read_within_their_bounds() {
        assert_eq!(certificate_table(&table(&[(72, 2), (74, 1)], true, 3)).unwrap(), [&[1, 2][..], &[3]]);
        // Offsets and lengths of several bytes, least significant first.
        let long = table(&[(372, 2), (72, 300)], true, 302);
        assert_eq!(certificate_table(&long).unwrap(), [&long[372..], &long[72..372]]);
        let most = table(&[(1, 1); MAX_ENTRIES], true, 0);
        assert_eq!(certificate_table(&most), Err(SnpRefusal::Table { problem: "has entries that overlap" }));
        assert!(certificate_table(&table(&[], true, 0)).unwrap().is_empty());
        let refused = |entries: &[(u32, u32)], end: bool, body: usize| {
            assert!(certificate_table(&table(entries, end, body)).is_err(), "{entries:?}");
        };
        refused(&[], false, 0);
        refused(&[(48, 1)], false, 0);
        refused(&[(47, 1)], true, 3);
        refused(&[(72, 2), (73, 1)], true, 3);
        refused(&[(48, 4)], true, 3);
        refused(&[(48, 0)], true, 3);
        refused(&[(u32::MAX, u32::MAX)], true, 3);
        let most = table(&[(0, 0); MAX_ENTRIES + 1], true, 0);
        assert_eq!(certificate_table(&most), Err(SnpRefusal::Table { problem: "has too many entries" }));
    }
}
