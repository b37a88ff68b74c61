//! Reads CBOR (RFC 8949) as attestation documents use it: shortest heads, strings of definite length, maps and arrays of
//! either kind. No claimed length causes an allocation, and the caller's grammar bounds the nesting.

use core::str;

use crate::Refusal;

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const NULL: u8 = 0xf6;
const BREAK: u8 = 0xff;

/// Reads items one after another.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Number of items after a head: fixed, or up to a break.
enum Count {
    Definite(u64),
    Indefinite,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn refuse<T>(&self, problem: &'static str) -> Result<T, Refusal> {
        Err(Refusal::NitroCbor { problem, offset: self.at })
    }

    /// Returns an error if bytes are left.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => self.refuse("bytes follow the end"),
        }
    }

    pub(super) fn is_tag(&self) -> bool {
        self.peek().is_some_and(|byte| byte >> 5 == TAG)
    }

    pub(super) fn uint(&mut self) -> Result<u64, Refusal> {
        match self.peek().map(|byte| byte >> 5) {
            Some(NEGATIVE) => self.refuse("a negative integer"),
            _ => self.definite(UINT, "not an unsigned integer"),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Refusal> {
        self.string(BYTES, "not a byte string")
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Refusal> {
        let bytes = self.string(TEXT, "not a text string")?;
        str::from_utf8(bytes).or_else(|_| self.refuse("text that is not UTF-8"))
    }

    /// A byte string or null.
    pub(super) fn optional_bytes(&mut self) -> Result<Option<&'a [u8]>, Refusal> {
        match self.peek() {
            Some(NULL) => {
                self.at += 1;
                Ok(None)
            }
            _ => self.bytes().map(Some),
        }
    }

    /// Reads the head of a definite array of exactly `count` items; the caller reads the items.
    pub(super) fn array_of(&mut self, count: u64) -> Result<(), Refusal> {
        match self.head(ARRAY, "not an array")? {
            Count::Definite(actual) if actual == count => Ok(()),
            _ => self.refuse("an array of a wrong length"),
        }
    }

    /// Calls `item` for each item of an array, at most `limit` times.
    pub(super) fn array(
        &mut self,
        limit: usize,
        item: impl FnMut(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let count = self.head(ARRAY, "not an array")?;
        self.items(count, limit, item)
    }

    /// Calls `entry` for each entry of a map, at most `limit` times; `entry` reads key and value.
    pub(super) fn map(
        &mut self,
        limit: usize,
        entry: impl FnMut(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let count = self.head(MAP, "not a map")?;
        self.items(count, limit, entry)
    }

    /// Reads an empty map of definite length.
    pub(super) fn empty_map(&mut self) -> Result<(), Refusal> {
        match self.head(MAP, "not a map")? {
            Count::Definite(0) => Ok(()),
            _ => self.refuse("not an empty map"),
        }
    }

    fn items(
        &mut self,
        count: Count,
        limit: usize,
        mut item: impl FnMut(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut done = 0;
        loop {
            match count {
                Count::Definite(count) if done as u64 == count => return Ok(()),
                Count::Indefinite if self.peek() == Some(BREAK) => {
                    self.at += 1;
                    return Ok(());
                }
                _ if done == limit => return self.refuse("more items than allowed"),
                _ => item(self)?,
            }
            done += 1;
        }
    }

    fn string(&mut self, major: u8, problem: &'static str) -> Result<&'a [u8], Refusal> {
        let start = self.at;
        let length = self.definite(major, problem)?;
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let Some(string) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            self.at = start;
            return self.refuse("truncated");
        };
        self.at += string.len();
        Ok(string)
    }

    fn definite(&mut self, major: u8, problem: &'static str) -> Result<u64, Refusal> {
        match self.head(major, problem)? {
            Count::Definite(value) => Ok(value),
            Count::Indefinite => self.refuse("indefinite length"),
        }
    }

    /// Reads a head of the given major type, in its shortest form (RFC 8949 §4.1).
    fn head(&mut self, major: u8, problem: &'static str) -> Result<Count, Refusal> {
        let Some(first) = self.peek() else {
            return self.refuse("truncated");
        };
        if first >> 5 != major {
            return self.refuse(problem);
        }
        let width = match first & 0x1f {
            direct @ 0..=23 => {
                self.at += 1;
                return Ok(Count::Definite(direct.into()));
            }
            info @ 24..=27 => 1 << (info - 24),
            31 if matches!(major, BYTES | TEXT | ARRAY | MAP) => {
                self.at += 1;
                return Ok(Count::Indefinite);
            }
            _ => return self.refuse("a reserved head"),
        };
        let Some(argument) = self.bytes.get(self.at + 1..self.at + 1 + width) else {
            return self.refuse("truncated");
        };
        let value = argument.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
        let least = if width == 1 { 24 } else { 1 << (width * 4) };
        if value < least {
            return self.refuse("not the shortest form");
        }
        self.at += 1 + width;
        Ok(Count::Definite(value))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}
