//! Pieces of GBNF, llama.cpp's grammar notation.

use std::fmt::Write as _;

/// Rules for JSON values of any shape (RFC 8259); `\u` escapes never make a lone surrogate.
/// White space is bounded, so that a model cannot produce it forever.
pub(super) const JSON: &[(&str, &str)] = &[
    ("ws", r"([ \t\n] [ \t]{0,20})?"),
    ("value", "object | array | string | number | boolean | null"),
    ("object", r#""{" ws (member ("," ws member)*)? "}""#),
    ("member", r#"string ws ":" ws value ws"#),
    ("array", r#""[" ws (value ws ("," ws value ws)*)? "]""#),
    ("string", r#""\"" char* "\"""#),
    ("char", r#"[^"\\\x7F\x00-\x1F] | "\\" escape"#),
    ("escape", r#"["\\/bfnrt] | "u" ([0-9a-ce-fA-CE-F] hex hex hex | [dD] [0-7] hex hex)"#),
    ("hex", "[0-9a-fA-F]"),
    ("number", r#"integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?"#),
    ("integer", r#""-"? ("0" | [1-9] [0-9]{0,15})"#),
    ("boolean", r#""true" | "false""#),
    ("null", r#""null""#),
    ("date", r#""\"" day "\"""#),
    ("time", r#""\"" clock "\"""#),
    ("date-time", r#""\"" day "T" clock "\"""#),
    ("day", r#"[0-9] [0-9] [0-9] [0-9] "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])"#),
    ("clock", r#"hhmm ":" [0-5] [0-9] ("." [0-9]{1,9})? ("Z" | [-+] hhmm)"#),
    ("hhmm", r#"([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]"#),
    ("uuid", r#""\"" hex4 hex4 "-" hex4 "-" hex4 "-" hex4 "-" hex4 hex4 hex4 "\"""#),
    ("hex4", "hex hex hex hex"),
];

/// A literal that matches exactly `text`.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            // Writing to a String cannot fail.
            c => drop(write!(out, "\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// An expression that matches the decimal integers from `min` to `max`, both included.
pub(super) fn integers(min: i64, max: i64) -> String {
    let mut alternatives = Vec::new();
    if min < 0 {
        let (low, high) = (if max < 0 { max.unsigned_abs() } else { 1 }, min.unsigned_abs());
        alternatives.push(format!("\"-\" ({})", naturals(low, high)));
    }
    if max >= 0 {
        alternatives.push(naturals(min.max(0).unsigned_abs(), max.unsigned_abs()));
    }
    alternatives.join(" | ")
}

/// The decimal naturals from `min` to `max`, split where the number of digits changes.
fn naturals(min: u64, max: u64) -> String {
    let mut alternatives = Vec::new();
    let mut low = min;
    loop {
        let digits = low.to_string().len();
        let top = 10u64.checked_pow(digits as u32).map_or(max, |power| max.min(power - 1));
        alternatives.push(same_length(&low.to_string(), &top.to_string()));
        if top >= max {
            return alternatives.join(" | ");
        }
        low = top + 1;
    }
}

/// The digit strings from `low` to `high`, which are equally long.
fn same_length(low: &str, high: &str) -> String {
    let (Some(a), Some(b)) = (low.chars().next(), high.chars().next()) else { return String::new() };
    let (low_rest, high_rest) = (&low[1..], &high[1..]);
    if low_rest.is_empty() {
        return class(a, b);
    }
    if a == b {
        return format!("{} ({})", class(a, a), same_length(low_rest, high_rest));
    }
    let (zeros, nines) = ("0".repeat(low_rest.len()), "9".repeat(low_rest.len()));
    let mut alternatives = Vec::new();
    let mut first = a;
    if low_rest != zeros {
        alternatives.push(format!("{} ({})", class(a, a), same_length(low_rest, &nines)));
        first = next(a);
    }
    let last = if high_rest == nines { b } else { previous(b) };
    if first <= last {
        alternatives.push(format!("{}{}", class(first, last), " [0-9]".repeat(low_rest.len())));
    }
    if high_rest != nines {
        alternatives.push(format!("{} ({})", class(b, b), same_length(&zeros, high_rest)));
    }
    alternatives.join(" | ")
}

fn class(from: char, to: char) -> String {
    if from == to { format!("[{from}]") } else { format!("[{from}-{to}]") }
}

fn next(digit: char) -> char {
    char::from(digit as u8 + 1)
}

fn previous(digit: char) -> char {
    char::from(digit as u8 - 1)
}
