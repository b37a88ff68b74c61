//! Which texts are read as canonical JSON, and which are refused.
#![allow(clippy::unwrap_used)]

use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use super::*;
use crate::FormatError;

#[test]
fn values_are_read_by_their_type() {
    let text = br#"{"a":[true,false,"x\n",18446744073709551615,[],{}],"b":0}"#;
    let members = parse(text, 64).unwrap().object(2).unwrap();
    assert_eq!(members.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(members[1].1.number(), Some(0));
    let items: Vec<_> = members[0].1.array().unwrap().collect();
    assert_eq!([items[0], items[1]].map(Value::boolean), [Some(true), Some(false)]);
    assert_eq!(items[2].text().unwrap(), "x\n");
    assert_eq!(items[3].number(), Some(u64::MAX));
    assert_eq!(items[4].array().unwrap().count(), 0);
    assert_eq!(items[5].object(0).unwrap().len(), 0);
    assert_eq!(text[items[2].at()], b'"');
    // Reading a value as another type gives nothing.
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item.boolean().is_some(), index < 2, "{index}");
        assert_eq!(item.text().is_some(), index == 2, "{index}");
        assert_eq!(item.number().is_some(), index == 3, "{index}");
        assert_eq!(item.array().is_some(), index == 4, "{index}");
        assert_eq!(item.object(9).is_some(), index == 5, "{index}");
    }
    assert!(parse(text, 64).unwrap().object(1).is_none(), "more members than asked for");
}

#[test]
fn only_canonical_text_is_read() {
    let code = |text: &str| parse(text.as_bytes(), 64).err().map(|error| error.code());
    for canonical in ["true", "false", "0", "10", "\"\"", "[true,1]", "{\"a\":1,\"b\":false}"] {
        assert_eq!(code(canonical), None, "{canonical}");
    }
    for other in [" true", "true ", "[1, 2]", "{\"b\":1,\"a\":2}", "{\"a\":1,\"a\":2}", "\"\\u0041\"", "\"\\/\""] {
        assert_eq!(code(other), Some("format.not_canonical"), "{other}");
    }
    for wrong in ["", "tru", "True", "truefalse", "t", "null", "01", "-1", "1.0", "1e1", "[1,]", "[", "{\"a\"}", "'a'"]
    {
        assert_eq!(code(wrong), Some("format.json"), "{wrong}");
    }
}

#[test]
fn text_has_bounds() {
    assert!(parse(b"[1]", 3).is_ok());
    assert_eq!(parse(b"[1]", 2).err(), Some(FormatError::TooLong { limit: 2, actual: 3 }));
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(8).as_bytes(), 64).is_ok() && parse(nested(9).as_bytes(), 64).is_err());
    let named = |length: usize| format!("{{\"{}\":1}}", "n".repeat(length)).to_string();
    assert!(parse(named(64).as_bytes(), 99).is_ok() && parse(named(65).as_bytes(), 99).is_err());
}
