//! Which bytes are read as deterministic CBOR, and which are refused.
#![allow(clippy::unwrap_used)]

use alloc::vec;
use alloc::vec::Vec;

use super::{MAX_DEPTH, Map, Value, decode, encode};
use crate::FormatError;

fn refused(bytes: &[u8]) -> &'static str {
    decode(bytes, 1024).unwrap_err().code()
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let nested = |depth: usize| {
        let mut bytes = vec![0x81; depth];
        bytes.push(0x00);
        bytes
    };
    assert!(decode(&nested(MAX_DEPTH), 1024).is_ok());
    assert_eq!(refused(&nested(MAX_DEPTH + 1)), "format.too_deep");

    let exact = encode(&Value::Bytes(vec![7; 100].into()));
    assert!(decode(&exact, exact.len()).is_ok());
    assert_eq!(
        decode(&exact, exact.len() - 1),
        Err(FormatError::TooLong { limit: exact.len() - 1, actual: exact.len() })
    );
}

#[test]
fn a_claimed_length_is_never_believed() {
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        let mut bytes = vec![head];
        bytes.extend([0xff; 8]);
        assert_eq!(refused(&bytes), "format.truncated");
    }
}

#[test]
fn a_depth_bomb_is_refused_without_recursing() {
    assert_eq!(decode(&[0x81; 60_000], 100_000).unwrap_err().code(), "format.too_deep");
}

#[test]
fn built_maps_are_in_bytewise_key_order() {
    let map = Map::new().with(-1, 0).with("a", 0).with(24, 0).with(10, 0).build();
    let bytes = encode(&map);
    assert_eq!(bytes, [0xa4, 0x0a, 0, 0x18, 24, 0, 0x20, 0, 0x61, b'a', 0]);
    assert!(decode(&bytes, 64).is_ok());
}

proptest::proptest! {
    #[test]
    fn accepted_bytes_have_one_encoding(bytes: Vec<u8>) {
        if let Ok(value) = decode(&bytes, 1024) {
            proptest::prop_assert_eq!(encode(&value), bytes);
        }
    }

    #[test]
    fn a_changed_byte_gives_another_value_or_an_error(at in 0usize..64, by in 1u8..) {
        let value = Map::new().with(1, "text").with(2, &[1, 2, 3]).with(3, 1_000_000u64).build();
        let mut bytes = encode(&value);
        let at = at % bytes.len();
        bytes[at] ^= by;
        if let Ok(changed) = decode(&bytes, 1024) {
            proptest::prop_assert_ne!(changed, value);
        }
    }
}
