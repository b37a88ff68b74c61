//! Reads JSON as strictly as [`parse`](super::parse), but builds no tree: values stay where they stand in the body.

use std::borrow::Cow;
use std::ops::Range;

use super::{Reader, whole};
use crate::error::JsonError;

/// A value in a body that was checked.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The body up to the value's end.
    text: &'a str,
    start: usize,
}

/// Reads one JSON value that is the whole of `body`, as [`parse`](super::parse) does.
///
/// # Errors
/// A fault, as a [`JsonError`], wherever [`parse`](super::parse) finds one.
pub fn check(body: &[u8]) -> Result<Raw<'_>, JsonError> {
    whole(body, |reader| {
        let start = reader.at;
        reader.skip(0, &mut Vec::new())?;
        Ok(reader.since(start))
    })
}

impl<'a> Raw<'a> {
    /// Its bytes in the body.
    pub fn place(self) -> Range<usize> {
        self.start..self.text.len()
    }

    /// Those bytes.
    pub fn source(self) -> &'a str {
        self.text.get(self.start..).unwrap_or_default()
    }

    /// The value as unescaped text, if it is a string.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let mut reader = self.reader();
        (reader.peek() == Ok(b'"')).then(|| reader.string().ok()).flatten()
    }

    /// The value as an integer, if it is one.
    pub fn number(self) -> Option<u64> {
        self.source().parse().ok()
    }

    /// Its members, if it is an object.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Self)> {
        self.parts(b'{', |reader| {
            let name = reader.key().ok()?;
            reader.colon().ok()?;
            Some((name, reader.over()?))
        })
    }

    /// Its elements, if it is an array.
    pub fn elements(self) -> impl Iterator<Item = Self> {
        self.parts(b'[', Reader::over)
    }

    /// The member of that name, if it is an object.
    pub fn member(self, name: &str) -> Option<Self> {
        self.members().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    fn parts<T>(self, opening: u8, mut part: impl FnMut(&mut Reader<'a>) -> Option<T>) -> impl Iterator<Item = T> {
        let mut reader = Some(self.reader()).filter(|reader| reader.peek() == Ok(opening));
        std::iter::from_fn(move || {
            let reader = reader.as_mut()?;
            // The opening bracket, or a comma.
            reader.at += 1;
            reader.space();
            let part = part(reader);
            reader.space();
            part
        })
    }

    fn reader(self) -> Reader<'a> {
        Reader { text: self.text, bytes: self.text.as_bytes(), at: self.start }
    }
}

impl<'a> Reader<'a> {
    /// Reads a value and builds nothing. `names` has the names of the objects around it.
    fn skip(&mut self, depth: usize, names: &mut Vec<Cow<'a, str>>) -> Result<(), JsonError> {
        match self.peek()? {
            b'{' => self.skip_object(depth, names),
            b'[' => self.skip_array(depth, names),
            b'"' => self.string().map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => Err(self.unexpected()),
        }
    }

    fn skip_object(&mut self, depth: usize, names: &mut Vec<Cow<'a, str>>) -> Result<(), JsonError> {
        self.open(depth)?;
        if self.take(b'}') {
            return Ok(());
        }
        let first = names.len();
        loop {
            names.push(self.key()?);
            self.colon()?;
            self.skip(depth + 1, names)?;
            self.space();
            if self.take(b'}') {
                break;
            }
            self.expect(b',')?;
            self.space();
        }
        let own = &mut names[first..];
        own.sort_unstable();
        if own.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(JsonError::DuplicateKey { at: self.at });
        }
        names.truncate(first);
        Ok(())
    }

    fn skip_array(&mut self, depth: usize, names: &mut Vec<Cow<'a, str>>) -> Result<(), JsonError> {
        self.open(depth)?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.skip(depth + 1, names)?;
            self.space();
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',')?;
            self.space();
        }
    }

    /// Steps over a value of a body that was checked; none if there is no further value.
    fn over(&mut self) -> Option<Raw<'a>> {
        let (start, mut depth) = (self.at, 0_usize);
        loop {
            match self.peek().ok()? {
                b'"' => drop(self.string().ok()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    // That of what it would have been in.
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => self.scalar(),
            }
            if depth == 0 {
                return Some(self.since(start));
            }
        }
    }

    /// Steps over a number or a word.
    fn scalar(&mut self) {
        let goes_on = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        self.at += self.bytes.get(self.at..).unwrap_or_default().iter().take_while(goes_on).count();
    }

    fn since(&self, start: usize) -> Raw<'a> {
        Raw { text: self.text.get(..self.at).unwrap_or_default(), start }
    }
}
