//! Tests of grammars that schemas become.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::Format;
use super::gbnf;
use crate::limits::*;
use crate::request::{Code, RequestError};

fn format(schema: Value) -> Result<Format, RequestError> {
    Format::from_json(&json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema } }))
}

fn refused(schema: Value) -> String {
    let error = format(schema).unwrap_err();
    assert_eq!((error.code, error.param.as_deref()), (Code::InvalidJsonSchema, Some("response_format")));
    assert!(!error.message.contains("CANARY"), "{error}");
    error.message
}

#[test]
fn what_a_grammar_cannot_enforce_is_refused() {
    for schema in [
        json!({ "type": "string", "pattern": "CANARY" }),
        json!({ "type": "string", "CANARY": 1 }),
        json!({ "type": "string", "format": "email" }),
        json!({ "type": "string", "minItems": 1 }),
        json!({ "type": "number", "minimum": 1 }),
        json!({ "type": "integer", "multipleOf": 2 }),
        json!({ "type": "integer", "minimum": 1.5 }),
        json!({ "type": "integer", "minimum": 3, "maximum": 2 }),
        json!({ "type": "integer", "minimum": -10_000_000_000_000_000i64 }),
        json!({ "type": "array", "uniqueItems": true }),
        json!({ "type": "array", "prefixItems": [] }),
        json!({ "type": "array", "minItems": 3, "maxItems": 2 }),
        json!({ "type": "object", "minProperties": 1 }),
        json!({ "type": "object", "patternProperties": {} }),
        json!({ "type": "object", "properties": { "a": {} }, "required": ["CANARY"] }),
        json!({ "type": "object", "properties": { "a": {} }, "required": ["a", "a"] }),
        json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": 1 }),
        json!({ "oneOf": [{ "type": "string" }] }),
        json!({ "allOf": [{}, {}] }),
        json!({ "anyOf": [] }),
        json!({ "enum": [] }),
        json!({ "enum": ["a"], "type": "integer" }),
        json!({ "not": {} }),
        json!({ "type": "CANARY" }),
        json!({ "type": 1 }),
        json!({ "$ref": "https://example.com/CANARY" }),
        json!({ "$ref": "#/$defs/CANARY" }),
        json!(false),
        json!("CANARY"),
    ] {
        refused(schema);
    }
    let wrong = |value: Value| Format::from_json(&value).unwrap_err();
    wrong(json!({ "type": "xml" }));
    wrong(json!({ "type": "text", "json_schema": {} }));
    wrong(json!({ "type": "json_schema" }));
    wrong(json!({ "type": "json_schema", "json_schema": { "name": "x" } }));
    wrong(json!({ "type": "json_schema", "json_schema": { "schema": {}, "CANARY": 1 } }));
    wrong(json!([]));
}

#[test]
fn sizes_have_limits() {
    let properties = |count: usize| {
        let properties: serde_json::Map<_, _> =
            (0..count).map(|index| (format!("p{index}"), json!({ "type": "null" }))).collect();
        json!({ "type": "object", "properties": properties })
    };
    assert!(format(properties(MAX_SCHEMA_PROPERTIES)).is_ok());
    refused(properties(MAX_SCHEMA_PROPERTIES + 1));

    let values = |count: usize| json!({ "enum": (0..count).collect::<Vec<_>>() });
    assert!(format(values(MAX_SCHEMA_ALTERNATIVES)).is_ok());
    refused(values(MAX_SCHEMA_ALTERNATIVES + 1));

    let items = |count: u64| json!({ "type": "array", "maxItems": count });
    assert!(format(items(MAX_SCHEMA_REPEAT)).is_ok());
    refused(items(MAX_SCHEMA_REPEAT + 1));

    let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({ "type": "array", "items": inner }));
    assert!(format(nested(MAX_SCHEMA_DEPTH)).is_ok());
    refused(nested(MAX_SCHEMA_DEPTH + 1));

    let titled = |bytes: usize| json!({ "title": "t".repeat(bytes - r#"{"title":""}"#.len()) });
    assert!(format(titled(MAX_SCHEMA_BYTES)).is_ok());
    refused(titled(MAX_SCHEMA_BYTES + 1));

    let many = json!({ "type": "object", "properties": (0..20)
        .map(|index| (format!("p{index}"), json!({ "type": "string", "maxLength": 512 })))
        .collect::<serde_json::Map<_, _>>() });
    assert!(refused(many).contains("rules"));
}

#[test]
fn alternatives_that_begin_alike_are_bounded() {
    let object = |index: usize| json!({ "type": "object", "properties": { "a": { "const": index } } });
    let alike = |count: usize| json!({ "anyOf": (0..count).map(object).collect::<Vec<_>>() });
    assert!(format(alike(MAX_GRAMMAR_AMBIGUITY as usize)).is_ok());
    refused(alike(MAX_GRAMMAR_AMBIGUITY as usize + 1));
    // Doubling at each level, by nesting or by reference.
    let nested = (0..8).fold(json!({ "type": "null" }), |inner, index| {
        let side = |name: &str| json!({ "type": "object", "properties": { name: inner, "x": { "const": index } } });
        json!({ "anyOf": [side("a"), side("b")] })
    });
    refused(nested);
    let mut definitions = serde_json::Map::new();
    definitions.insert("d0".into(), json!({ "type": "object", "properties": { "a": { "type": "null" } } }));
    for index in 1..20 {
        let inner = format!("#/$defs/d{}", index - 1);
        let side = |name: &str| json!({ "type": "object", "properties": { name: { "$ref": inner } } });
        definitions.insert(format!("d{index}"), json!({ "anyOf": [side("a"), side("b")] }));
    }
    refused(json!({ "$ref": "#/$defs/d19", "$defs": definitions }));
}

#[test]
fn recursion_is_possible_where_it_is_safe() {
    let list = json!({
        "$ref": "#/$defs/node",
        "$defs": { "node": { "type": "object", "required": ["next"], "properties": {
            "next": { "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/node" }] } } } },
    });
    assert!(format(list).is_ok());
    refused(json!({ "$ref": "#" }));
    refused(json!({ "anyOf": [{ "type": "null" }, { "$ref": "#" }], "$defs": {} }));
    refused(json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }));
    let side = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
    refused(json!({ "anyOf": [side, { "type": "object", "properties": { "x": {} } }] }));
}

#[test]
fn literals_are_escaped() {
    assert_eq!(gbnf::literal("a\"\\\n\0é€"), r#""a\"\\\U0000000A\U00000000\U000000E9\U000020AC""#);
}

/// Checks integer ranges against a regular expression of the same meaning, by brute force.
#[test]
fn integer_ranges_are_exact() {
    for (min, max) in [(0, 0), (0, 9), (7, 123), (10, 10), (5, 1000), (-3, 3), (-120, -7), (-1, 0), (99, 101), (0, 999)]
    {
        let expression = gbnf::integers(min, max);
        for number in -1500..1500 {
            assert_eq!(
                matches(&expression, &number.to_string()),
                (min..=max).contains(&number),
                "{number} in {expression}"
            );
        }
    }
}

/// A tiny matcher for the notation that `integers` writes.
fn matches(expression: &str, text: &str) -> bool {
    ends(expression.trim(), text).contains(&text.len())
}

/// Every length of `text` that `expression` can take.
fn ends(expression: &str, text: &str) -> Vec<usize> {
    split(expression, " | ").into_iter().flat_map(|alternative| sequence(alternative, text)).collect()
}

fn sequence(alternative: &str, text: &str) -> Vec<usize> {
    let mut reached = vec![0];
    for part in split(alternative, " ").into_iter().filter(|part| !part.is_empty()) {
        reached = reached
            .into_iter()
            .flat_map(|at| {
                let rest = &text[at..];
                let taken = match part.as_bytes()[0] {
                    b'(' => ends(&part[1..part.len() - 1], rest),
                    b'"' => rest.starts_with('-').then_some(1).into_iter().collect(),
                    _ => {
                        let class: Vec<char> = part[1..part.len() - 1].chars().collect();
                        let (low, high) = (class[0], class[class.len() - 1]);
                        rest.chars().next().filter(|c| (low..=high).contains(c)).map(|_| 1).into_iter().collect()
                    }
                };
                taken.into_iter().map(move |length| at + length).collect::<Vec<_>>()
            })
            .collect();
    }
    reached
}

/// Splits at `separator` outside parentheses.
fn split<'a>(expression: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start, mut at) = (Vec::new(), 0, 0, 0);
    while at < expression.len() {
        match expression.as_bytes()[at] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && expression[at..].starts_with(separator) {
            parts.push(&expression[start..at]);
            start = at + separator.len();
            at = start;
        } else {
            at += 1;
        }
    }
    parts.push(&expression[start..]);
    parts
}
