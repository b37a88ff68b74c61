//! The text of a policy file: TOML (1.0) without what no policy has, which is floats, times and strings of several lines. Small,
//! since browsers load it; whatever it reads, the crate `toml` reads in the same way, as tests say.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::PolicyError;
use super::tree::{Entries, Key, Node, Value};

/// Keys in one dotted key, and arrays and inline tables inside each other, at most.
const LIMIT: usize = 80;

/// What is wrong, and where.
pub(super) struct Wrong {
    pub(super) what: &'static str,
    pub(super) at: usize,
}

/// Reads a whole document.
pub(super) fn read(text: &str) -> Result<Entries<'_>, PolicyError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.document().map_err(|Wrong { what, at }| super::tree::placed(text, at, what))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Arrays and inline tables that are open.
    depth: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Entries<'a>, Wrong> {
        let mut root = Entries::default();
        let mut table = &mut root;
        loop {
            self.blank()?;
            match self.peek() {
                None => return Ok(root),
                Some(b'[') => {
                    self.at += 1;
                    let in_array = self.passes(b'[');
                    let (path, key) = self.key()?;
                    self.expect(b']', "a header ends with a bracket")?;
                    if in_array {
                        self.expect(b']', "a header of an array ends with two brackets")?;
                    }
                    table = root.descend(path, false, false)?.open(key, in_array)?;
                }
                Some(_) => self.entry(table, false)?,
            }
            self.line_end()?;
        }
    }

    /// A key, and its value.
    fn entry(&mut self, table: &mut Entries<'a>, inline: bool) -> Result<(), Wrong> {
        let (path, key) = self.key()?;
        self.expect(b'=', "a key has a value behind an equals sign")?;
        self.spaces();
        let value = self.value()?;
        table.put(path, key, value, inline)
    }

    /// A dotted key: what comes before the last dot, and what comes after it. Space around each part is passed.
    fn key(&mut self) -> Result<(Vec<Key<'a>>, Key<'a>), Wrong> {
        let mut path = Vec::new();
        loop {
            self.spaces();
            let at = self.at;
            let name = match self.peek() {
                Some(b'"' | b'\'') => self.string()?,
                _ => Cow::Borrowed(self.word(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))),
            };
            if self.at == at {
                return self.wrong("a key is missing");
            }
            let key = Key { at, name };
            self.spaces();
            if !self.passes(b'.') {
                return Ok((path, key));
            }
            path.push(key);
            if path.len() == LIMIT {
                return self.wrong("a key of too many parts");
            }
        }
    }

    fn value(&mut self) -> Result<Node<'a>, Wrong> {
        let at = self.at;
        let value = match self.peek() {
            Some(b'"' | b'\'') => Value::Text(self.string()?),
            Some(b'[') => {
                let mut items = Vec::new();
                self.list(b']', &mut |reader| {
                    items.push(reader.value()?);
                    Ok(())
                })?;
                Value::Array { items, of_tables: false }
            }
            Some(b'{') => {
                let mut table = Entries::inline();
                self.list(b'}', &mut |reader| reader.entry(&mut table, true))?;
                Value::Table(table)
            }
            _ => match self
                .word(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.' | b':'))
            {
                "true" => Value::Boolean(true),
                "false" => Value::Boolean(false),
                word => match integer(word) {
                    Some(number) => Value::Integer(number),
                    None => return Err(Wrong { what: "not a value that a policy has", at }),
                },
            },
        };
        Ok(Node { at, value })
    }

    /// What stands between an opening bracket, which is here, and `close`: items behind commas, over several lines perhaps.
    fn list(&mut self, close: u8, item: &mut dyn FnMut(&mut Self) -> Result<(), Wrong>) -> Result<(), Wrong> {
        self.at += 1;
        self.depth += 1;
        if self.depth > LIMIT {
            return self.wrong("values too deep inside each other");
        }
        self.blank()?;
        while !self.passes(close) {
            item(self)?;
            self.blank()?;
            if self.passes(b',') {
                self.blank()?;
            } else if self.peek() != Some(close) {
                return self.wrong("a comma or a closing bracket is missing");
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// A string on one line, in whichever quotes are here.
    fn string(&mut self) -> Result<Cow<'a, str>, Wrong> {
        let quote = self.peek();
        self.at += 1;
        let (mut decoded, mut start) = (String::new(), self.at);
        loop {
            match self.peek() {
                Some(b'\\') if quote == Some(b'"') => {
                    decoded += self.since(start);
                    self.at += 1;
                    decoded.push(self.escaped()?);
                    start = self.at;
                }
                Some(byte) if is_text(byte) => {
                    let rest = self.since(start);
                    self.at += 1;
                    if quote == Some(byte) {
                        return Ok(if decoded.is_empty() { Cow::Borrowed(rest) } else { Cow::Owned(decoded + rest) });
                    }
                }
                _ => return self.wrong("a string does not end on its line"),
            }
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char, Wrong> {
        let escape = self.peek();
        self.at += 1;
        let digits = match escape {
            Some(b'b') => return Ok('\x08'),
            Some(b't') => return Ok('\t'),
            Some(b'n') => return Ok('\n'),
            Some(b'f') => return Ok('\x0c'),
            Some(b'r') => return Ok('\r'),
            Some(b'"') => return Ok('"'),
            Some(b'\\') => return Ok('\\'),
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let start = self.at;
        self.at += digits;
        let digits = self.since(start);
        let number = if digits.starts_with('+') { None } else { u32::from_str_radix(digits, 16).ok() };
        number.and_then(char::from_u32).map_or_else(|| self.wrong("no such escape in a string"), Ok)
    }

    /// What there is of such bytes.
    fn word(&mut self, is_part: fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(is_part) {
            self.at += 1;
        }
        self.since(start)
    }

    /// Space, comments and line breaks.
    fn blank(&mut self) -> Result<(), Wrong> {
        loop {
            self.spaces();
            match self.peek() {
                Some(b'#' | b'\r' | b'\n') => self.line_end()?,
                _ => return Ok(()),
            }
        }
    }

    /// The rest of a line, on which nothing more may stand but a comment.
    fn line_end(&mut self) -> Result<(), Wrong> {
        self.spaces();
        if self.peek() == Some(b'#') {
            self.word(is_text);
        }
        match self.passes(b'\r') || self.peek().is_some() {
            true => self.expect(b'\n', "more on a line than belongs there"),
            false => Ok(()),
        }
    }

    fn spaces(&mut self) {
        self.word(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The text from there to here; none of it where either is within a character.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Whether this byte is here, which is passed.
    fn passes(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        self.at += usize::from(is_here);
        is_here
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Wrong> {
        match self.passes(byte) {
            true => Ok(()),
            false => self.wrong(what),
        }
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T, Wrong> {
        Err(Wrong { what, at: self.at })
    }
}

/// What strings and comments are made of: no control character but the tab.
fn is_text(byte: u8) -> bool {
    !byte.is_ascii_control() || byte == b'\t'
}

/// An integer, as far as it is a number of 64 bits; none for every other word.
fn integer(word: &str) -> Option<Option<u64>> {
    let (radix, digits) = match word.split_at_checked(2) {
        Some(("0x", digits)) => (16, digits),
        Some(("0o", digits)) => (8, digits),
        Some(("0b", digits)) => (2, digits),
        _ => (10, word.strip_prefix(['+', '-']).unwrap_or(word)),
    };
    let is_number =
        digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|digit| char::from(digit).is_digit(radix)));
    if !is_number || radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    let number = digits
        .chars()
        .filter_map(|digit| digit.to_digit(radix))
        .try_fold(0_u64, |number, digit| number.checked_mul(radix.into())?.checked_add(digit.into()));
    Some(number.filter(|_| !word.starts_with('-')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use ::toml::de::{DeTable, DeValue};
    use proptest::prelude::*;

    use super::super::tree::MAX_KEYS;
    use super::*;

    /// A tree in one form, whoever made it: tables by their keys.
    fn ours(value: &Value<'_>) -> String {
        match value {
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(number) => format!("{number:?}"),
            Value::Boolean(truth) => format!("{truth}"),
            Value::Array { items, .. } => list(items.iter().map(|item| ours(&item.value))),
            Value::Table(table) => sorted(table.iter().map(|(key, node)| (key.name.as_ref(), ours(&node.value)))),
        }
    }

    fn theirs(value: &DeValue<'_>) -> String {
        match value {
            DeValue::String(text) => format!("{text:?}"),
            // The library looks at digits only when it is asked for the number.
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(_) => format!("{:?}", u64::from_str_radix(number.as_str(), number.radix()).ok()),
                Err(_) => OTHER.into(),
            },
            DeValue::Boolean(truth) => format!("{truth}"),
            DeValue::Float(_) | DeValue::Datetime(_) => OTHER.into(),
            DeValue::Array(items) => list(items.iter().map(|item| theirs(item.get_ref()))),
            DeValue::Table(table) => {
                sorted(table.iter().map(|(key, value)| (key.get_ref().as_ref(), theirs(value.get_ref()))))
            }
        }
    }

    fn list(items: impl Iterator<Item = String>) -> String {
        format!("[{}]", items.collect::<Vec<_>>().join(", "))
    }

    fn sorted<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> String {
        let mut entries: Vec<_> = entries.map(|(key, value)| format!("{key:?} = {value}")).collect();
        entries.sort();
        format!("{{{}}}", entries.join(", "))
    }

    /// What no policy has.
    const OTHER: &str = "a float or a time";
    const LONG: [&str; 2] = ["\"\"\"", "'''"];

    fn same(text: &str) -> Result<(), TestCaseError> {
        let own = read(text).ok().map(|table| ours(&Value::Table(table)));
        let known = DeTable::parse(text).ok().map(|table| theirs(&DeValue::Table(table.into_inner())));
        match known {
            Some(known) if known.contains(OTHER) => prop_assert_eq!(own, None, "{}", text),
            Some(known) if LONG.iter().any(|quotes| text.contains(quotes)) => {
                prop_assert!(own.is_none_or(|own| own == known), "{}", text);
            }
            known => prop_assert_eq!(own, known, "{}", text),
        }
        Ok(())
    }

    const KEYS: [&str; 8] = ["a", "b", "a.b", "b.a", "a.b.a", r#""a""#, "'b' . a", r#"a."\u0062""#];
    const VALUES: [&str; 20] = [
        "1",
        "0x1f",
        "-7",
        "1.5",
        "true",
        "1979-05-27",
        r#""x\n""#,
        "'y'",
        "\"\"\"\nlong\\\n  text\"\"\"",
        "'''raw'''",
        "[]",
        "[1, [2, 'z'],]",
        "[\n 1, # one\n 2\n]",
        "{}",
        "{ a = 1 }",
        "{ a.b = 1, a.a = 2 }",
        "{ a = 1, a.b = 2 }",
        "{ a = { b = 1 }, b = [{ a = 1 }] }",
        r#""\x""#,
        "",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// The library `toml` makes the same tables of the same text, or refuses it too.
        #[test]
        fn documents_mean_what_toml_says(
            lines in prop::collection::vec((0..4usize, 0..KEYS.len(), 0..VALUES.len()), 0..7),
        ) {
            let line = |(kind, key, value): (usize, usize, usize)| match kind {
                0 => format!("[{}]\n", KEYS[key]),
                1 => format!("[[{}]] # {value}\n", KEYS[key]),
                _ => format!("{} = {}\n", KEYS[key], VALUES[value]),
            };
            same(&lines.into_iter().map(line).collect::<String>())?;
        }

        /// Words, numbers and strings, their escapes but those that are new in TOML 1.1.
        #[test]
        fn values_mean_what_toml_says(
            text in "[0-9a-fA-F_xob+.-]{1,5}|0[xob][0-9a-f_]{1,4}|\"([ab\t\r\u{7f}é'#]|\\\\[btnfr\"\\\\a]|\\\\u[0-9a-d+]{4}|\\\\U000[01][0-9a-f]{4}){0,4}\"|'[a\\\\\" \t\u{1}]{0,3}'",
            end in "[ \t]{0,2}(#[a\t\u{7}é]{0,3})?(\r|\r\n|\n)?a?",
        ) {
            same(&format!("a = {text}{end}"))?;
        }

        #[test]
        fn pieces_of_toml_mean_what_toml_says(text in "[ab.=\\[\\]{}\"',#\n 01]{0,24}") {
            same(&text)?;
        }
    }

    #[test]
    fn integers_are_what_they_stand_for() {
        let numbers = [("0", 0), ("7", 7), ("+10", 10), ("1_000", 1000), ("0x1F", 31), ("0o17", 15), ("0b101", 5)];
        for (word, number) in numbers.into_iter().chain([("18446744073709551615", u64::MAX), ("0b0", 0), ("0x01", 1)]) {
            assert_eq!(integer(word), Some(Some(number)), "{word}");
        }
        for word in ["-1", "-0", "18446744073709551616"] {
            assert_eq!(integer(word), Some(None), "{word}");
        }
        for word in ["", "+", "00", "01", "+01", "_1", "1_", "1__0", "0x", "0b2", "0o8", "0xg", "+0x1", "1.0"] {
            assert_eq!(integer(word), None, "{word}");
        }
    }

    #[test]
    fn tables_have_bounds() {
        let keys = |count: usize| (0..count).map(|number| format!("k{number} = 1\n")).collect::<String>();
        assert!(read(&keys(MAX_KEYS)).is_ok() && read(&keys(MAX_KEYS + 1)).is_err());
        let deep = |depth: usize| format!("{}a = 1", "a.".repeat(depth));
        assert!(read(&deep(LIMIT - 1)).is_ok() && read(&deep(LIMIT)).is_err());
        let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(LIMIT)).is_ok() && read(&nested(LIMIT + 1)).is_err());
        // What has been closed is no longer open.
        assert!(read(&format!("a = [{}]", "[], ".repeat(2 * LIMIT))).is_ok());
    }

    #[test]
    fn escapes_are_what_they_stand_for() {
        let table = read(r#"a = "\b\t\n\f\r\"\\\u00e9\U0001f600.""#).ok().unwrap();
        assert_eq!(ours(&table.get("a").unwrap().value), format!("{:?}", "\u{8}\t\n\u{c}\r\"\\\u{e9}\u{1f600}."));
    }
}
