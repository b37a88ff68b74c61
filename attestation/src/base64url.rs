//! Base64url without padding (RFC 4648 §5). Written by hand to keep the decoder small in browsers.

use alloc::string::String;
use alloc::vec::Vec;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 4).div_ceil(3));
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (24 - 8 * group.len());
        text.extend((0..=group.len()).map(|index| char::from(ALPHABET[bits >> (18 - 6 * index) & 63])));
    }
    text
}

/// Each value has one text: returns `None` for other characters and for non-zero unused bits.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let bits = group.iter().try_fold(0, |bits, digit| Some(bits << 6 | value(*digit)?))?;
        let [_, decoded @ ..] = (bits << (24 - 6 * group.len())).to_be_bytes();
        let (whole, rest) = decoded.split_at(group.len() * 3 / 4);
        if whole.is_empty() || rest.iter().any(|bits| *bits != 0) {
            return None;
        }
        bytes.extend_from_slice(whole);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD as KNOWN, Engine as _};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn bytes_become_the_text_that_base64_makes(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let text = encode(&bytes);
            prop_assert_eq!(&text, &KNOWN.encode(&bytes));
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn texts_are_read_or_refused_as_base64_does(text in "[AQgwx0_/+=é-]{0,7}|[A-Za-z0-9_-]{0,40}") {
            prop_assert_eq!(decode(&text), KNOWN.decode(&text).ok());
        }
    }
}
