//! Scans JSON text without keeping it: finds where values begin and end, and whether they are in canonical form.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// Maximum nesting depth of objects and arrays.
const MAX_DEPTH: usize = 8;
/// Maximum bytes in a member's name as written; no format has a longer name.
const MAX_NAME: usize = 64;

/// Offset where the text stops being JSON of the supported types.
type Wrong = usize;

/// A position in a text.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// True if all text scanned so far is in canonical form (RFC 8785).
    canonical: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, canonical: true }
    }

    /// Checks that the text is one value. True if it is in canonical form.
    pub(super) fn whole(mut self) -> Result<bool, Wrong> {
        self.value(0)?;
        match self.peek() {
            None => Ok(self.canonical),
            Some(_) => Err(self.at),
        }
    }

    /// The text value at this position.
    pub(super) fn text(&mut self) -> Option<Cow<'a, str>> {
        self.string().ok().map(unescaped)
    }

    /// A scanner inside the array or object at this position, if it starts with `bracket`.
    pub(super) fn inside(&mut self, bracket: u8) -> Option<Self> {
        let mut inside = self.clone();
        inside.passes(bracket).then_some(inside)
    }

    /// Counts the elements of the array at this position.
    pub(super) fn count(&mut self) -> Option<usize> {
        let mut count = 0;
        let counted = self.items(b']', |scanner| {
            count += 1;
            scanner.value(1)
        });
        counted.ok().map(|()| count)
    }

    /// Skips the next element of an array. Returns the whole text and the element's offset.
    pub(super) fn element(&mut self) -> Option<(&'a str, usize)> {
        self.peek();
        let at = self.at;
        self.value(1).ok()?;
        self.passes(b',');
        Some((self.text, at))
    }

    /// Names and value offsets of the object at this position; `None` if it has more than `most` members.
    pub(super) fn members(&mut self, most: usize) -> Option<Vec<(Cow<'a, str>, usize)>> {
        self.inside(b'{')?;
        let mut members = Vec::new();
        let read = self.items(b'}', |scanner| {
            let name = scanner.name()?;
            scanner.peek();
            if members.len() == most {
                return Err(scanner.at);
            }
            members.push((name, scanner.at));
            scanner.value(1)
        });
        read.ok().map(|()| members)
    }

    pub(super) fn number(&mut self) -> Result<u64, Wrong> {
        self.peek();
        let start = self.at;
        let digits = self.text.as_bytes()[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        let digits = &self.text[start..self.at];
        match digits.parse() {
            Ok(number) if digits == "0" || !digits.starts_with('0') => Ok(number),
            _ => Err(start),
        }
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Wrong> {
        self.peek();
        let rest = &self.text.as_bytes()[self.at..];
        let found = [("true", true), ("false", false)].into_iter().find(|(word, _)| rest.starts_with(word.as_bytes()));
        let (word, truth) = found.ok_or(self.at)?;
        self.at += word.len();
        Ok(truth)
    }

    /// Returns the next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.at += blank;
        self.canonical &= blank == 0;
        rest.get(blank).copied()
    }

    /// Skips the next byte if it is `byte`; returns true if so.
    fn passes(&mut self, byte: u8) -> bool {
        let passes = self.peek() == Some(byte);
        self.at += usize::from(passes);
        passes
    }

    fn expect(&mut self, byte: u8) -> Result<(), Wrong> {
        match self.passes(byte) {
            true => Ok(()),
            false => Err(self.at),
        }
    }

    /// Skips a value.
    fn value(&mut self, depth: usize) -> Result<(), Wrong> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'0'..=b'9') => self.number().map(drop),
            Some(b't' | b'f') => self.boolean().map(drop),
            Some(b'[' | b'{') if depth == MAX_DEPTH => Err(self.at),
            Some(b'[') => self.items(b']', |scanner| scanner.value(depth + 1)),
            Some(b'{') => {
                let mut last = None;
                self.items(b'}', |scanner| {
                    let name = Some(scanner.name()?);
                    scanner.canonical &= last < name;
                    last = name;
                    scanner.value(depth + 1)
                })
            }
            _ => Err(self.at),
        }
    }

    /// Skips the items of an array or object, up to its closing bracket.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<(), Wrong>) -> Result<(), Wrong> {
        self.at += 1;
        if self.passes(end) {
            return Ok(());
        }
        loop {
            item(self)?;
            if !self.passes(b',') {
                return self.expect(end);
            }
        }
    }

    /// Reads a member's name and skips its colon.
    fn name(&mut self) -> Result<Cow<'a, str>, Wrong> {
        self.peek();
        let start = self.at;
        let name = self.string()?;
        if name.len() > MAX_NAME {
            return Err(start);
        }
        self.expect(b':')?;
        Ok(unescaped(name))
    }

    /// Skips a text. Returns what is between its quotes.
    fn string(&mut self) -> Result<&'a str, Wrong> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest.iter().position(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\');
            self.at += plain.unwrap_or(rest.len()) + 1;
            match plain.map(|plain| rest[plain]) {
                Some(b'"') => return Ok(&self.text[start..self.at - 1]),
                Some(b'\\') => {
                    self.escaped()?;
                }
                _ => return Err(self.at - 1),
            }
        }
    }

    /// Returns the character of the escape after this backslash (RFC 8785 §3.2.2.2).
    fn escaped(&mut self) -> Result<char, Wrong> {
        let at = self.at;
        let escape = self.text.as_bytes().get(at);
        self.at += 1;
        Ok(match escape {
            Some(byte @ (b'"' | b'\\')) => char::from(*byte),
            Some(b'/') => {
                self.canonical = false;
                '/'
            }
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let digits = self.text.get(at + 1..at + 5).filter(|digits| !digits.starts_with('+')).ok_or(at)?;
                let code = u32::from_str_radix(digits, 16).map_err(|_| at)?;
                self.at += 4;
                let short = matches!(code, 0x08 | 0x09 | 0x0a | 0x0c | 0x0d);
                let lower = !digits.bytes().any(|digit| digit.is_ascii_uppercase());
                self.canonical &= code < 0x20 && !short && lower;
                // A lone surrogate is not a character, and canonical text has none.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(at),
        })
    }
}

/// Replaces the escapes in the text between quotes. Most texts have none and are borrowed.
fn unescaped(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let (mut scanner, mut text) = (Scanner::new(raw, 0), String::with_capacity(raw.len()));
    while let Some(plain) = raw[scanner.at..].find('\\') {
        text.push_str(&raw[scanner.at..scanner.at + plain]);
        scanner.at += plain + 1;
        // It was scanned before, so it is valid.
        text.extend(scanner.escaped());
    }
    text.push_str(&raw[scanner.at..]);
    Cow::Owned(text)
}
