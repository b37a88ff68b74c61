//! How TOML is converted to JSON.

use super::super::toml::{MAX_DEPTH, MAX_KEY};
use super::*;

/// The error of a policy whose `version` is written as `value`.
fn version(value: &str) -> PolicyError {
    error(&format!("version = {value}"))
}

fn wrong(message: &str) -> PolicyError {
    PolicyError::Malformed { message: message.into() }
}

#[test]
fn integers_are_what_they_stand_for() {
    let numbers = [("0", 0), ("7", 7), ("+10", 10), ("1_000", 1000), ("0x1F", 31), ("0o17", 15), ("0b101", 5)];
    for (word, actual) in numbers.into_iter().chain([("18446744073709551615", u64::MAX), ("0b0", 0), ("0x01", 1)]) {
        let text = format!("{}\n", simulated()).replace("version = 1", &format!("version = {word}"));
        let found = Policy::from_toml(&text).map(drop);
        let expected = if actual == 1 { Ok(()) } else { Err(PolicyError::Version { expected: 1, actual }) };
        assert_eq!(found, expected, "{word}");
    }
    for word in ["-1", "18446744073709551616"] {
        assert_eq!(version(word), wrong("line 1: `version` is not an integer in its range"), "{word}");
    }
    for word in ["", "+", "00", "01", "+01", "_1", "1_", "1__0", "0x", "0b2", "0o8", "0xg", "+0x1"] {
        assert!(matches!(version(word), PolicyError::Malformed { .. }), "{word}");
    }
}

#[test]
fn policies_refuse_floats_and_times() {
    for word in ["1.0", "1e3", "inf", "nan", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z"] {
        assert_eq!(version(word), wrong("line 1: policies have no values of this type"), "{word}");
    }
    // A value that JSON would read as a text or a number is still refused.
    assert_eq!(changed("\"demo\"", "1979-05-27"), wrong("line 6: policies have no values of this type"));
    assert_eq!(changed("\"demo\"", "[1.5]"), wrong("line 6: policies have no values of this type"));
}

#[test]
fn keys_mean_what_toml_says() {
    let dotted = simulated()
        .replace("[models]\naccept", "[models]\n\"accept\"")
        .replace("[simulated]\nroots", "[simulated]\n'roots'");
    assert_eq!(Policy::from_toml(&dotted), Policy::from_toml(&simulated()));
    for (from, to) in [
        ("version = 1", "version = 1\nversion = 1"),
        ("version = 1", "version = 1\nsimulated = 1"),
        ("version = 1", "version = 1\nsimulated.roots = []"),
        ("[simulated]", "[simulated]\n[simulated]"),
        ("name = \"demo\"", "name = \"demo\"\nname = \"demo\""),
    ] {
        assert!(matches!(changed(from, to), PolicyError::Malformed { .. }), "{to}");
    }
}

#[test]
fn tables_have_bounds() {
    let deep = |depth: usize| format!("{}a = 1", "a.".repeat(depth));
    assert_eq!(error(&deep(MAX_DEPTH - 1)), wrong("line 1: `the policy` has no `version`"));
    assert_eq!(error(&deep(MAX_DEPTH)), wrong("line 1: the values are nested too deeply"));
    let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(error(&nested(MAX_DEPTH - 1)), wrong("line 1: `the policy` has no `version`"));
    assert_eq!(error(&nested(MAX_DEPTH)), wrong("line 1: the values are nested too deeply"));
    assert!(matches!(error(&nested(1000)), PolicyError::Malformed { .. }));
    let key = |length: usize| format!("{} = 1", "k".repeat(length));
    assert_eq!(error(&key(MAX_KEY)), wrong("line 1: `the policy` has no `version`"));
    assert_eq!(error(&key(MAX_KEY + 1)), wrong("line 1: the key is too long"));
}

#[test]
fn escapes_are_what_they_stand_for() {
    let name = r#""\b\t\n\f\r\"\\\u00e9\U0001f600.""#;
    let policy = Policy::from_toml(&simulated().replace("\"demo\"", name)).unwrap();
    assert_eq!(policy.image(&[[0x22; 48]; 3]), Some("\u{8}\t\n\u{c}\r\"\\\u{e9}\u{1f600}."));
}
