//! Base64 with padding (RFC 4648 §4), as notes carry it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::base64url;

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Each value has one text, as in [`base64url::decode`].
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) || text.contains(['-', '_']) {
        return None;
    }
    let digits = text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(text);
    base64url::decode(&digits.replace('+', "-").replace('/', "_"))
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD as KNOWN, Engine as _};
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
        fn texts_are_read_or_refused_as_base64_does(text in "[AQgwx0_/+=é-]{0,8}|[A-Za-z0-9+/]{0,40}={0,3}") {
            prop_assert_eq!(decode(&text), KNOWN.decode(&text).ok());
        }
    }
}
