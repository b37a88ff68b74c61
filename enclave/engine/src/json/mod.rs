//! Strict JSON (RFC 8259): a body that two parsers could read differently is refused.
//!
//! What is hashed must be what is executed. So a byte order mark, invalid UTF-8, duplicate keys
//! (compared after unescaping), lone surrogates, numbers beyond a double, deep nesting and
//! trailing bytes are errors, each its own [`JsonError`].

mod raw;

use std::borrow::Cow;

use serde_json::map::{Entry, Map};
use serde_json::{Number, Value};

pub use raw::{Raw, check};

use crate::error::JsonError;
use crate::limits::MAX_JSON_DEPTH;

/// Reads one JSON value that is the whole of `body`.
///
/// Integers within `i64` or `u64` stay exact; every other number becomes an `f64`.
/// Objects come out sorted by key.
///
/// # Errors
/// The first fault found, as a [`JsonError`].
pub fn parse(body: &[u8]) -> Result<Value, JsonError> {
    whole(body, |reader| reader.value(0))
}

/// Reads `body` with `read`, which must take one value, the whole of it.
fn whole<'a, T>(body: &'a [u8], read: impl FnOnce(&mut Reader<'a>) -> Result<T, JsonError>) -> Result<T, JsonError> {
    if body.starts_with(&[0xEF, 0xBB, 0xBF]) {
        return Err(JsonError::ByteOrderMark);
    }
    let text = std::str::from_utf8(body).map_err(|e| JsonError::Utf8 { at: e.valid_up_to() })?;
    let mut reader = Reader { text, bytes: body, at: 0 };
    reader.space();
    let value = read(&mut reader)?;
    reader.space();
    match reader.at == reader.bytes.len() {
        true => Ok(value),
        false => Err(JsonError::Trailing { at: reader.at }),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(|text| Value::String(text.into_owned())),
            b't' => self.word("true").map(|()| Value::Bool(true)),
            b'f' => self.word("false").map(|()| Value::Bool(false)),
            b'n' => self.word("null").map(|()| Value::Null),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            _ => Err(self.unexpected()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.open(depth)?;
        let mut map = Map::new();
        if self.take(b'}') {
            return Ok(Value::Object(map));
        }
        loop {
            let key = self.key()?;
            let Entry::Vacant(place) = map.entry(key) else {
                return Err(JsonError::DuplicateKey { at: self.at });
            };
            self.colon()?;
            place.insert(self.value(depth + 1)?);
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(map));
            }
            self.expect(b',')?;
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.open(depth)?;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            self.expect(b',')?;
            self.space();
        }
    }

    /// Steps over the opening bracket, unless the nesting is too deep.
    fn open(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth >= MAX_JSON_DEPTH {
            return Err(JsonError::Depth { at: self.at });
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// The name of a member.
    fn key(&mut self) -> Result<Cow<'a, str>, JsonError> {
        match self.peek()? {
            b'"' => self.string(),
            _ => Err(self.unexpected()),
        }
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    /// Borrowed if nothing in it is escaped.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut text = Cow::Borrowed(self.plain());
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => text.to_mut().push(self.escape()?),
                _ => return Err(self.unexpected()),
            }
            let more = self.plain();
            text.to_mut().push_str(more);
        }
    }

    /// Returns the text before the next quotation mark, backslash or control character.
    fn plain(&mut self) -> &'a str {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = 0x80 * ONES;
        let start = self.at;
        // Eight bytes at a time. The lowest bit that is left belongs to the first of them that is below a bound: those
        // equal to a byte are below 1 once it is taken out.
        let below = |word: u64, bound: u64| word.wrapping_sub(bound * ONES) & !word & TOPS;
        while let Some(eight) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*eight);
            let quote = word ^ (u64::from(b'"') * ONES);
            let backslash = word ^ (u64::from(b'\\') * ONES);
            let special = below(word, 0x20) | below(quote, 1) | below(backslash, 1);
            self.at += special.trailing_zeros() as usize / 8;
            if special != 0 {
                break;
            }
        }
        while !matches!(self.bytes.get(self.at), None | Some(b'"' | b'\\' | 0..=0x1F)) {
            self.at += 1;
        }
        // Both ends stand beside ASCII bytes or the text's end, so the slice is on characters.
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.at += 1;
        let plain = match self.peek()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let lone = JsonError::LoneSurrogate { at: start };
        let first = self.hex4()?;
        let code = match first {
            0xDC00..=0xDFFF => return Err(lone),
            0xD800..=0xDBFF => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(lone);
                }
                self.at += 2;
                match self.hex4()? {
                    second @ 0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => return Err(lone),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or(lone)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()?).to_digit(16).ok_or(self.unexpected())?;
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.at;
        self.take(b'-');
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return Err(self.unexpected()),
        }
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if integer && let Ok(number) = text.parse::<u64>() {
            return Ok(number.into());
        }
        if integer && let Ok(number) = text.parse::<i64>() {
            return Ok(number.into());
        }
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        number.ok_or(JsonError::Number { at: start })
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.unexpected());
        }
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        word.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.bytes.get(self.at).copied().ok_or(JsonError::End { at: self.at })
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        match self.peek()? {
            found if found == byte => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> JsonError {
        JsonError::Syntax { at: self.at }
    }
}
