//! Strict JSON: what two parsers could read differently is refused.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use quoth_engine::JsonError;
use quoth_engine::json::{member, parse};
use quoth_engine::limits::MAX_JSON_DEPTH;

fn error(body: &[u8]) -> JsonError {
    parse(body).unwrap_err()
}

#[test]
fn each_fault_has_its_own_error() {
    assert_eq!(error(b"\xEF\xBB\xBF{}"), JsonError::ByteOrderMark);
    assert_eq!(error(b"\"\xFF\""), JsonError::Utf8 { at: 1 });
    // A surrogate in UTF-8 (CESU-8) and an overlong slash.
    assert!(matches!(error(b"\"\xED\xA0\x80\""), JsonError::Utf8 { .. }));
    assert!(matches!(error(b"\"\xC0\xAF\""), JsonError::Utf8 { .. }));
    assert_eq!(error(b""), JsonError::End { at: 0 });
    assert_eq!(error(b"[1"), JsonError::End { at: 2 });
    assert_eq!(error(b"[1,]"), JsonError::Syntax { at: 3 });
    assert_eq!(error(b"{\"a\":1,}"), JsonError::Syntax { at: 7 });
    assert_eq!(error(b"\"\n\""), JsonError::Syntax { at: 1 });
    assert_eq!(error(b"01"), JsonError::Trailing { at: 1 });
    assert_eq!(error(b"{} {}"), JsonError::Trailing { at: 3 });
    assert_eq!(error(b"{}\0"), JsonError::Trailing { at: 2 });
    assert!(matches!(error(br#"{"a":1,"a":2}"#), JsonError::DuplicateKey { .. }));
    assert!(matches!(error(br#"[{"b":{"a":1,"\u0061":2}}]"#), JsonError::DuplicateKey { .. }));
    for lone in [&br#""\ud800""#[..], br#""\ud800x""#, br#""\ud800\u0041""#, br#""\udc00""#, br#""\ud800\ud800""#] {
        assert_eq!(error(lone), JsonError::LoneSurrogate { at: 1 });
    }
    assert_eq!(error(b"1e999"), JsonError::Number { at: 0 });
    assert_eq!(error(b"[-1e999]"), JsonError::Number { at: 1 });
    for text in ["NaN", "Infinity", "+1", ".5", "1.", "1e", "-", "'a'", "tru", "nulL", "\"\\x\"", "\"\\u12G4\"", "//"] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(parse(&nested(MAX_JSON_DEPTH)).is_ok());
    assert_eq!(error(&nested(MAX_JSON_DEPTH + 1)), JsonError::Depth { at: MAX_JSON_DEPTH });
    assert!(parse(&vec![b'['; 1 << 20]).is_err());
}

#[test]
fn values_are_exact() {
    let value =
        parse(br#" {"a": [18446744073709551615, -9223372036854775808, 1.5, "\ud83d\ude00\n"], "b": null} "#).unwrap();
    assert_eq!(value["a"][0].as_u64(), Some(u64::MAX));
    assert_eq!(value["a"][1].as_i64(), Some(i64::MIN));
    assert_eq!(value["a"][3], "😀\n");
    assert_eq!(parse(b"-0").unwrap().as_f64(), Some(0.0));
}

proptest! {
    #[test]
    fn agrees_with_serde_json_where_it_accepts(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = parse(&bytes) {
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), value);
        }
    }

    #[test]
    fn never_panics_near_json(text in r#"[\[\]{}",:0-9eE.+\-\\u dtrufalsn]{0,60}"#) {
        if let Ok(value) = parse(text.as_bytes()) {
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }
}

#[test]
fn a_members_place_is_that_of_its_value() {
    let place = |body: &str, name: &str| member(body.as_bytes(), name).map(|place| body[place].to_owned());
    assert_eq!(place(r#" { "a" : [ {"model":1} ] , "model" : "x\"y" } "#, "model").unwrap(), r#""x\"y""#);
    assert_eq!(place(r#"{"mod\u0065l":{"b":[]},"z":0}"#, "model").unwrap(), r#"{"b":[]}"#);
    assert_eq!(place(r#"{"z":-1.5e3}"#, "z").unwrap(), "-1.5e3");
    for body in ["{}", "[]", "\"model\"", r#"{"a":{"model":1}}"#, r#"{"model":1"#, r#"{"model":1,"model":2}"#, ""] {
        assert_eq!(place(body, "model"), None, "{body}");
    }
}
