//! Writes CBOR.

use alloc::vec::Vec;

use super::Value;

/// Simple values (RFC 8949 §3.3).
pub(super) const FALSE: u64 = 20;
pub(super) const TRUE: u64 = 21;
const NULL: u64 = 22;
/// Initial capacity, in bytes.
const ROOM: usize = 1024;

/// Writes each item in its only encoding: shortest heads, definite lengths (RFC 8949 §4.2.1).
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(ROOM))
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.string(2, bytes);
        self
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.string(3, text.as_bytes());
        self
    }

    /// The head of an array; its items follow.
    pub(crate) fn array(mut self, items: u64) -> Self {
        self.head(4, items);
        self
    }

    /// The head of a map; its keys and values follow, in order.
    pub(crate) fn map(mut self, entries: u64) -> Self {
        self.head(5, entries);
        self
    }

    pub(crate) fn tag(mut self, tag: u64) -> Self {
        self.head(6, tag);
        self
    }

    pub(crate) fn value(mut self, value: &Value<'_>) -> Self {
        self.put(value);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn put(&mut self, value: &Value<'_>) {
        match value {
            Value::Bytes(bytes) => self.string(2, bytes),
            Value::Text(text) => self.string(3, text.as_bytes()),
            Value::Array(items) => {
                self.head(4, items.len() as u64);
                items.iter().for_each(|item| self.put(item));
            }
            Value::Map(entries) => {
                self.head(5, entries.len() as u64);
                entries.iter().for_each(|(key, value)| {
                    self.put(key);
                    self.put(value);
                });
            }
            Value::Unsigned(number) => self.head(0, *number),
            Value::Negative(number) => self.head(1, *number),
            Value::Bool(truth) => self.head(7, FALSE + u64::from(*truth)),
            Value::Null => self.head(7, NULL),
        }
    }

    fn string(&mut self, major: u8, bytes: &[u8]) {
        self.head(major, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn head(&mut self, major: u8, argument: u64) {
        let bytes = argument.to_be_bytes();
        let (short, skip) = match argument {
            0..24 => return self.0.push(major << 5 | bytes[7]),
            24..0x100 => (24, 7),
            0x100..0x1_0000 => (25, 6),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 0),
        };
        self.0.push(major << 5 | short);
        self.0.extend_from_slice(&bytes[skip..]);
    }
}

/// A sort key that orders map keys by their encodings: major type, argument, and the bytes of a string.
pub(super) fn order<'a>(key: &'a Value<'_>) -> (u8, u64, &'a [u8]) {
    match key {
        Value::Unsigned(number) => (0, *number, &[]),
        Value::Negative(number) => (1, *number, &[]),
        Value::Bytes(bytes) => (2, bytes.len() as u64, bytes),
        Value::Text(text) => (3, text.len() as u64, text.as_bytes()),
        Value::Array(_) | Value::Map(_) | Value::Bool(_) | Value::Null => (u8::MAX, 0, &[]),
    }
}
