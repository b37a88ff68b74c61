//! Strict JSON: what two parsers could read differently is refused.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use quoth_engine::JsonError;
use quoth_engine::json::{Raw, check, parse};
use quoth_engine::limits::MAX_JSON_DEPTH;
use serde_json::Value;

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

    #[test]
    fn what_is_not_built_is_read_as_strictly(text in r#"[\[\]{}",:0-9eE.+\-\\u dtrufalsn]{0,60}"#) {
        prop_assert_eq!(check(text.as_bytes()).ok().map(built), parse(text.as_bytes()).ok());
    }

    #[test]
    fn what_is_not_built_has_the_same_parts(value in value()) {
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(&built(check(text.as_bytes()).unwrap()), &value);
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        ".{0,30}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(".{0,9}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Builds a value of its parts.
fn built(raw: Raw<'_>) -> Value {
    match raw.source().as_bytes()[0] {
        b'"' => Value::from(raw.text().unwrap().into_owned()),
        b'{' => Value::Object(raw.members().map(|(name, value)| (name.into_owned(), built(value))).collect()),
        b'[' => raw.elements().map(built).collect(),
        _ => parse(raw.source().as_bytes()).unwrap(),
    }
}

#[test]
fn faults_are_found_also_where_nothing_is_built() {
    for body in
        [&b"\xEF\xBB\xBF{}"[..], b"\"\xFF\"", b"{} {}", b"1e999", br#"[{"b":{"a":1,"\u0061":2}}]"#, br#""\ud800""#]
    {
        let (checked, parsed) = (check(body).unwrap_err(), error(body));
        assert_eq!(std::mem::discriminant(&checked), std::mem::discriminant(&parsed), "{checked}");
    }
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(check(&nested(MAX_JSON_DEPTH)).is_ok());
    assert_eq!(check(&nested(MAX_JSON_DEPTH + 1)).unwrap_err(), JsonError::Depth { at: MAX_JSON_DEPTH });
}

#[test]
fn strings_of_every_length_end_where_they_end() {
    for length in 0..40 {
        for end in ["", "\\n", "\\u00e4", "\u{e4}"] {
            let text = format!("[\"{}{end}\",0]", "a".repeat(length));
            let expected: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (&parse(text.as_bytes()).unwrap(), built(check(text.as_bytes()).unwrap())),
                (&expected, expected.clone())
            );
        }
        let control = format!("\"{}\u{1f}{}\"", "a".repeat(length), "a".repeat(9));
        assert_eq!(error(control.as_bytes()), JsonError::Syntax { at: length + 1 });
    }
}

#[test]
fn a_members_place_is_that_of_its_value() {
    let place = |body: &str, name: &str| {
        let value = check(body.as_bytes()).ok()?.member(name)?;
        assert_eq!(&body[value.place()], value.source());
        Some(value.source().to_owned())
    };
    assert_eq!(place(r#" { "a" : [ {"model":1} ] , "model" : "x\"y" } "#, "model").unwrap(), r#""x\"y""#);
    assert_eq!(place(r#"{"mod\u0065l":{"b":[]},"z":0}"#, "model").unwrap(), r#"{"b":[]}"#);
    assert_eq!(place(r#"{"z":-1.5e3}"#, "z").unwrap(), "-1.5e3");
    for body in ["{}", "[]", "\"model\"", r#"{"a":{"model":1}}"#, r#"{"model":1"#, r#"{"model":1,"model":2}"#, ""] {
        assert_eq!(place(body, "model"), None, "{body}");
    }
}

#[test]
fn a_value_is_what_it_is() {
    let number = |text: &'static str| check(text.as_bytes()).unwrap().number();
    assert_eq!((number("7"), number(" 18446744073709551615 ")), (Some(7), Some(u64::MAX)));
    for text in ["-7", "1.5", "1e3", "\"7\"", "null", "[7]"] {
        assert_eq!(number(text), None, "{text}");
    }
    for text in ["7", "null", "{\"a\":\"b\"}"] {
        assert_eq!(check(text.as_bytes()).unwrap().text(), None, "{text}");
    }
    assert_eq!(check(b"{\"a\":1}").unwrap().elements().count() + check(b"[1]").unwrap().members().count(), 0);
}
