use alloc::string::String;
use alloc::vec::Vec;

use ciborium::Value;

use super::write::order;
use crate::{Digest, FormatError};

/// Entries of most maps.
const ROOM: usize = 16;

/// Builds a map whose keys come out in deterministic order.
pub struct Map(Vec<(Value, Value)>);

impl Map {
    /// An empty map.
    #[expect(clippy::new_without_default, reason = "one way to make one")]
    pub fn new() -> Self {
        Self(Vec::with_capacity(ROOM))
    }

    /// Adds an entry. Keys must be distinct.
    #[must_use]
    pub fn with(mut self, key: impl Into<Value>, value: impl Into<Value>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// Adds an entry when there is a value.
    #[must_use]
    pub fn with_some<T: Into<Value>>(self, key: impl Into<Value>, value: Option<T>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The map, its keys in bytewise order of their encodings.
    pub fn build(mut self) -> Value {
        self.0.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        Value::Map(self.0)
    }
}

/// Takes a decoded map apart field by field; [`finish`](Fields::finish) refuses what nobody took.
pub struct Fields {
    within: &'static str,
    entries: Vec<(Value, Value)>,
}

impl Fields {
    /// The entries of `value`, which must be a map; `within` names it in errors.
    pub fn new(value: Value, within: &'static str) -> Result<Self, FormatError> {
        match value {
            Value::Map(entries) => Ok(Self { within, entries }),
            _ => Err(FormatError::WrongType { field: within, expected: "a map" }),
        }
    }

    /// Takes the field with this integer key, if present.
    pub fn optional(&mut self, key: i64, field: &'static str) -> Option<Field> {
        let key = Value::from(key);
        let index = self.entries.iter().position(|(found, _)| *found == key)?;
        Some(Field { field, value: self.entries.remove(index).1 })
    }

    /// Takes the field with this integer key.
    pub fn required(&mut self, key: i64, field: &'static str) -> Result<Field, FormatError> {
        self.optional(key, field).ok_or(FormatError::Missing { field })
    }

    /// Refuses fields that were not taken.
    pub fn finish(self) -> Result<(), FormatError> {
        match self.entries.is_empty() {
            true => Ok(()),
            false => Err(FormatError::Unknown { within: self.within }),
        }
    }
}

/// One field on its way to a typed value.
pub struct Field {
    field: &'static str,
    value: Value,
}

impl Field {
    /// Whether it is exactly this value.
    pub fn is(&self, value: &Value) -> bool {
        self.value == *value
    }

    /// A byte string of `length` bytes (inclusive range).
    pub fn bytes(self, length: core::ops::RangeInclusive<usize>) -> Result<Vec<u8>, FormatError> {
        let field = self.field;
        match self.value {
            Value::Bytes(bytes) if length.contains(&bytes.len()) => Ok(bytes),
            Value::Bytes(_) => Err(FormatError::OutOfRange { field, expected: "another length" }),
            _ => Err(FormatError::WrongType { field, expected: "a byte string" }),
        }
    }

    /// A byte string of exactly `N` bytes.
    pub fn array<const N: usize>(self) -> Result<[u8; N], FormatError> {
        let field = self.field;
        let bytes = self.bytes(N..=N)?;
        <[u8; N]>::try_from(bytes).map_err(|_| FormatError::OutOfRange { field, expected: "another length" })
    }

    /// A SHA-256 digest.
    pub fn digest(self) -> Result<Digest, FormatError> {
        self.array().map(Digest)
    }

    /// A non-empty text of at most `limit` bytes.
    pub fn text(self, limit: usize) -> Result<String, FormatError> {
        let field = self.field;
        match self.value {
            Value::Text(text) if text.is_empty() || text.len() > limit => {
                Err(FormatError::OutOfRange { field, expected: "a non-empty text within its limit" })
            }
            Value::Text(text) => Ok(text),
            _ => Err(FormatError::WrongType { field, expected: "a text string" }),
        }
    }

    /// An unsigned integer that fits `T`.
    pub fn uint<T: TryFrom<u64>>(self) -> Result<T, FormatError> {
        let field = self.field;
        let Value::Integer(integer) = self.value else {
            return Err(FormatError::WrongType { field, expected: "an unsigned integer" });
        };
        u64::try_from(integer)
            .ok()
            .and_then(|value| T::try_from(value).ok())
            .ok_or(FormatError::OutOfRange { field, expected: "an unsigned integer within its width" })
    }

    /// A boolean.
    pub fn boolean(self) -> Result<bool, FormatError> {
        let field = self.field;
        self.value.as_bool().ok_or(FormatError::WrongType { field, expected: "a boolean" })
    }

    /// A map.
    pub fn map(self) -> Result<Fields, FormatError> {
        Fields::new(self.value, self.field)
    }

    /// The entries of a map with keys that are not fixed.
    pub fn entries(self, limit: usize) -> Result<Vec<(Field, Field)>, FormatError> {
        let field = self.field;
        match self.value {
            Value::Map(entries) if entries.len() > limit => {
                Err(FormatError::OutOfRange { field, expected: "fewer entries" })
            }
            Value::Map(entries) => Ok(entries
                .into_iter()
                .map(|(key, value)| (Field { field, value: key }, Field { field, value }))
                .collect()),
            _ => Err(FormatError::WrongType { field, expected: "a map" }),
        }
    }

    /// The elements of an array of at most `limit`.
    pub fn list(self, limit: usize) -> Result<Vec<Field>, FormatError> {
        let field = self.field;
        match self.value {
            Value::Array(items) if items.len() > limit => {
                Err(FormatError::OutOfRange { field, expected: "fewer elements" })
            }
            Value::Array(items) => Ok(items.into_iter().map(|value| Field { field, value }).collect()),
            _ => Err(FormatError::WrongType { field, expected: "an array" }),
        }
    }

    /// A text that names one of a fixed set.
    pub fn one_of<T: Copy>(self, names: &[(&str, T)]) -> Result<T, FormatError> {
        let field = self.field;
        let text = self.text(64)?;
        names
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value)
            .ok_or(FormatError::OutOfRange { field, expected: "one of the defined names" })
    }
}

impl From<Digest> for Value {
    fn from(digest: Digest) -> Self {
        Value::Bytes(digest.0.to_vec())
    }
}
