//! Reads DER items (X.690) in place: tag, length, content, and the few types that certificates and revocation lists use.

mod time;

/// Why bytes cannot be read, in words.
pub(crate) struct Problem(pub(crate) &'static str);

/// Tags.
pub(crate) const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// The class and form bits of constructed context-specific tags.
pub(crate) const CONTEXT: u8 = 0xa0;

/// Maximum length of an OBJECT IDENTIFIER, in octets.
const LONGEST_IDENTIFIER: usize = 39;

const NOT_DER: Problem = Problem("not DER, or an unexpected structure");

/// A sequence of items.
pub(crate) struct Items<'a>(&'a [u8]);

/// One item.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    /// All octets of the item.
    pub(crate) der: &'a [u8],
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
}

impl<'a> Items<'a> {
    /// Reads `bytes` as one SEQUENCE, and returns its items.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, Problem> {
        Item::of(bytes)?.sequence()
    }

    /// The items in `content`.
    pub(crate) fn within(content: &'a [u8]) -> Self {
        Self(content)
    }

    pub(crate) fn next(&mut self) -> Result<Item<'a>, Problem> {
        let (tag, start, length) = head(self.0).ok_or(NOT_DER)?;
        let end = start.checked_add(length).ok_or(NOT_DER)?;
        let (der, rest) = self.0.split_at_checked(end).ok_or(NOT_DER)?;
        self.0 = rest;
        Ok(Item { der, tag, content: &der[start..] })
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns an error if items are left.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.is_finished() {
            true => Ok(()),
            false => Err(NOT_DER),
        }
    }

    /// True if the next item has this tag.
    pub(crate) fn begins_with(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }
}

/// Reads a head: tag, content offset, content length. Tags have one octet; lengths have the fewest possible octets, at most five.
fn head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let known = match tag {
        0x30 | 0x31 => true,
        0x01..=0x06 | 0x09 | 0x0a | 0x0c | 0x0d | 0x12..=0x18 | 0x1a | 0x1b | 0x1e => true,
        // The other universal tags have no such encoding, or do not occur in certificates.
        0x00..0x40 => false,
        _ => tag & 0x1f != 0x1f,
    };
    if !known {
        return None;
    }
    if first < 0x80 {
        return Some((tag, 2, first.into()));
    }
    let octets = rest.get(..usize::from(first & 0x7f)).filter(|octets| octets.len() <= 4)?;
    let length = octets.iter().fold(0, |length, octet| length << 8 | u32::from(*octet));
    // The shortest form: the first octet is not zero, and the short form could not hold the length.
    let is_least = *octets.first()? != 0 && length >= 0x80;
    is_least.then_some((tag, 2 + octets.len(), length as usize))
}

impl<'a> Item<'a> {
    /// The one item that `bytes` are.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut items = Items(bytes);
        let item = items.next()?;
        items.finish().map(|()| item)
    }

    pub(crate) fn tagged(&self, tag: u8) -> Result<&'a [u8], Problem> {
        match self.tag == tag {
            true => Ok(self.content),
            false => Err(NOT_DER),
        }
    }

    pub(crate) fn sequence(&self) -> Result<Items<'a>, Problem> {
        self.tagged(SEQUENCE).map(Items)
    }

    pub(crate) fn boolean(&self) -> Result<bool, Problem> {
        match self.tagged(BOOLEAN)? {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(NOT_DER),
        }
    }

    /// An unsigned INTEGER, without the leading zero octet of its sign.
    pub(crate) fn uint(&self) -> Result<&'a [u8], Problem> {
        match self.tagged(INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|octet| *octet >= 0x80) => Ok(rest),
            number @ ([0] | [1..0x80, ..]) => Ok(number),
            _ => Err(NOT_DER),
        }
    }

    /// A SEQUENCE of two unsigned INTEGERs: an RSA key, or a signature of ECDSA.
    pub(crate) fn two_uints(&self) -> Result<[&'a [u8]; 2], Problem> {
        let mut items = self.sequence()?;
        let numbers = [items.next()?.uint()?, items.next()?.uint()?];
        items.finish().map(|()| numbers)
    }

    /// An OBJECT IDENTIFIER, encoded.
    pub(crate) fn identifier(&self) -> Result<&'a [u8], Problem> {
        let id = self.tagged(OBJECT_IDENTIFIER)?;
        // True if an arc may end here, and true if no arc starts with a zero digit.
        let (mut is_whole, mut is_least) = (true, true);
        for octet in id {
            is_least &= !is_whole || *octet != 0x80;
            is_whole = *octet < 0x80;
        }
        match id {
            // The octet of the first two arcs, in all uses.
            [0..120, ..] if is_whole && is_least && id.len() <= LONGEST_IDENTIFIER => Ok(id),
            _ => Err(NOT_DER),
        }
    }

    /// The number of unused bits in the last octet, and the octets. Unused bits must be zero (X.690 §11.2.1).
    pub(crate) fn bits(&self) -> Result<(u8, &'a [u8]), Problem> {
        let [unused @ 0..8, octets @ ..] = self.tagged(BIT_STRING)? else { return Err(NOT_DER) };
        match octets.last().map_or(*unused, |last| last & ((1 << unused) - 1)) {
            0 => Ok((*unused, octets)),
            _ => Err(NOT_DER),
        }
    }

    /// A bit string of whole octets.
    pub(crate) fn octets(&self) -> Result<&'a [u8], Problem> {
        match self.bits()? {
            (0, octets) => Ok(octets),
            _ => Err(Problem("a bit string that ends within an octet")),
        }
    }

    /// An IA5String.
    pub(crate) fn ia5(&self) -> Option<&'a str> {
        let text = self.tagged(IA5_STRING).ok()?;
        core::str::from_utf8(text).ok().filter(|text| text.is_ascii())
    }

    /// Time (RFC 5280 §4.1.2.5), Unix seconds.
    pub(crate) fn time(&self) -> Result<u64, Problem> {
        match self.tag {
            UTC_TIME => time::utc(self.content),
            GENERALIZED_TIME => time::generalized(self.content),
            _ => None,
        }
        .ok_or(NOT_DER)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    use der::asn1::{BitStringRef, GeneralizedTime, Ia5StringRef, ObjectIdentifier, UintRef, UtcTime};
    use der::{AnyRef, Decode, Reader as _, SliceReader};
    use proptest::prelude::*;

    use super::*;

    /// An item and its content, as the library reads them.
    fn known(bytes: &[u8]) -> Option<(&[u8], AnyRef<'_>)> {
        let mut reader = SliceReader::new(bytes).ok()?;
        let item = AnyRef::decode(&mut reader).ok()?;
        Some((&bytes[..usize::try_from(reader.position()).unwrap()], item))
    }

    fn same(bytes: &[u8]) -> Result<(), TestCaseError> {
        let own = Items(bytes).next().ok();
        let Some((der, any)) = known(bytes) else {
            prop_assert!(own.is_none());
            return Ok(());
        };
        if bytes[0] >= 0x40 && bytes[0] & 0x1f == 0x1f {
            prop_assert!(own.is_none(), "a tag of several octets");
            return Ok(());
        }
        let own = own.unwrap();
        prop_assert_eq!((own.der, own.content), (der, any.value()));
        prop_assert_eq!(own.boolean().ok(), any.decode_as().ok());
        prop_assert_eq!(own.uint().ok(), any.decode_as::<UintRef<'_>>().ok().map(|number| number.as_bytes()));
        let bits = any.decode_as::<BitStringRef<'_>>().ok().map(|bits| (bits.unused_bits(), bits.raw_bytes()));
        // The library ignores the values of unused bits.
        let is_zero =
            |(unused, octets): &(u8, &[u8])| octets.last().is_none_or(|last| last.trailing_zeros() >= (*unused).into());
        prop_assert_eq!(own.bits().ok(), bits.filter(is_zero));
        prop_assert_eq!(own.ia5(), any.decode_as::<Ia5StringRef<'_>>().ok().map(|text| text.as_str()));
        let time = match own.tag {
            UTC_TIME => any.decode_as::<UtcTime>().ok().map(|time| time.to_unix_duration()),
            _ => any.decode_as::<GeneralizedTime>().ok().map(|time| time.to_unix_duration()),
        };
        prop_assert_eq!(own.time().ok(), time.map(|time| time.as_secs()));
        // The library accepts arcs with a leading zero digit, and refuses arcs above 32 bits.
        if let Ok(id) = own.identifier()
            && id.len() <= 5
        {
            prop_assert!(ObjectIdentifier::from_bytes(id).is_ok());
        }
        Ok(())
    }

    /// Contents close to the limits of each type.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let near = prop_oneof![Just(0), Just(1), Just(7), Just(8), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
        let time = (0..10_500_u32, 0..15_u32, 0..34_u32, 0..26_u32, 0..62_u32, 0..62_u32);
        prop_oneof![
            prop::collection::vec(near, 0..6),
            time.clone()
                .prop_map(|(y, m, d, h, min, s)| alloc::format!("{y:04}{m:02}{d:02}{h:02}{min:02}{s:02}Z").into()),
            time.prop_map(|(y, m, d, h, min, s)| {
                alloc::format!("{:02}{m:02}{d:02}{h:02}{min:02}{s:02}Z", y % 100).into()
            }),
            "[0-9:+/ ]{12,15}[Zz0]".prop_map(String::into_bytes),
            Just(vec![b'1'; 200]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8192))]

        #[test]
        fn items_are_what_the_library_reads(
            tag in prop_oneof![0..0x40_u8, any::<u8>(), Just(UTC_TIME), Just(GENERALIZED_TIME), Just(INTEGER)],
            content in content(),
            more in 0..3_usize,
        ) {
            let mut bytes = vec![tag];
            match content.len() {
                short @ 0..0x80 => bytes.push(short as u8),
                long => bytes.extend([0x81, long as u8]),
            }
            bytes.extend(&content);
            bytes.extend(vec![0; more]);
            same(&bytes)?;
        }

        #[test]
        fn lengths_are_what_the_library_reads(
            length in prop::collection::vec(prop_oneof![0..4_u8, 0x7f..0x87_u8, any::<u8>()], 0..7),
            room in prop_oneof![0..5_usize, 120..140_usize, Just(300), Just(70_000)],
        ) {
            let mut bytes = vec![OCTET_STRING];
            bytes.extend(length);
            bytes.extend(vec![0; room]);
            same(&bytes)?;
        }
    }

    #[test]
    fn identifiers_have_one_encoding() {
        let read = |id: &[u8]| {
            let bytes = [&[OBJECT_IDENTIFIER, id.len() as u8], id].concat();
            Item::of(&bytes).ok().is_some_and(|item| item.identifier().is_ok())
        };
        assert!(read(&[0x55, 4, 3]) && read(&[0x2a, 0x86, 0x48]) && read(&[1; 39]));
        assert!(!read(&[]) && !read(&[0x55, 0x80, 3]) && !read(&[0x80, 1]) && !read(&[0x55, 0x84]) && !read(&[1; 40]));
        // A zero digit inside an arc, and an arc without an end.
        assert!(read(&[0x55, 0x81, 0x80, 0x80, 1]) && !read(&[0x55, 0x81, 0x80]));
    }

    #[test]
    fn items_have_one_encoding() {
        let item = |bytes: &'static [u8]| Item::of(bytes).ok().unwrap();
        assert_eq!(item(&[BOOLEAN, 1, 0]).boolean().ok(), Some(false));
        assert_eq!(item(&[BOOLEAN, 1, 0xff]).boolean().ok(), Some(true));
        assert!(item(&[BOOLEAN, 1, 1]).boolean().is_err() && item(&[BOOLEAN, 0]).boolean().is_err());
        assert_eq!(item(&[INTEGER, 2, 0, 0x80]).uint().ok(), Some(&[0x80][..]));
        assert!(item(&[INTEGER, 2, 0, 0x7f]).uint().is_err() && item(&[INTEGER, 1, 0x80]).uint().is_err());
        assert_eq!(item(&[BIT_STRING, 2, 7, 0x80]).bits().ok(), Some((7, &[0x80][..])));
        assert_eq!(item(&[BIT_STRING, 1, 0]).bits().ok(), Some((0, &[][..])));
        assert!(item(&[BIT_STRING, 1, 7]).bits().is_err() && item(&[BIT_STRING, 2, 8, 0]).bits().is_err());
        assert!(item(&[BIT_STRING, 2, 7, 0xc0]).bits().is_err() && item(&[BIT_STRING, 2, 1, 1]).bits().is_err());
        assert_eq!(item(&[BIT_STRING, 3, 0, 5, 6]).octets().ok(), Some(&[5, 6][..]));
        assert!(item(&[BIT_STRING, 2, 7, 0x80]).octets().is_err());
        assert_eq!(item(&[SEQUENCE, 6, INTEGER, 1, 5, INTEGER, 1, 6]).two_uints().ok(), Some([&[5][..], &[6]]));
        assert!(item(&[SEQUENCE, 9, INTEGER, 1, 5, INTEGER, 1, 6, INTEGER, 1, 7]).two_uints().is_err());
        assert!(Items(&[BOOLEAN]).begins_with(BOOLEAN) && !Items(&[BOOLEAN]).begins_with(INTEGER));
        // A tag of several octets.
        assert!(Item::of(&[0x9f, 1, 0]).is_err() && Item::of(&[0x9e, 1, 0]).is_ok());
    }
}
