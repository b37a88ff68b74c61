use alloc::string::String;
use alloc::vec::Vec;

use super::Value;
use super::write::order;
use crate::{Digest, FormatError};

/// Entries of most maps.
const ROOM: usize = 16;

/// Builds a map whose keys come out in deterministic order.
pub struct Map<'a>(Vec<(Value<'a>, Value<'a>)>);

impl<'a> Map<'a> {
    /// An empty map.
    #[expect(clippy::new_without_default, reason = "one way to make one")]
    pub fn new() -> Self {
        Self(Vec::with_capacity(ROOM))
    }

    /// Adds an entry. Keys must be distinct.
    #[must_use]
    pub fn with(mut self, key: impl Into<Value<'a>>, value: impl Into<Value<'a>>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// Adds an entry when there is a value.
    #[must_use]
    pub fn with_some<T: Into<Value<'a>>>(self, key: impl Into<Value<'a>>, value: Option<T>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The map, its keys in bytewise order of their encodings.
    pub fn build(mut self) -> Value<'a> {
        self.0.sort_unstable_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        Value::Map(self.0)
    }
}

/// Takes a decoded map apart field by field; [`finish`](Fields::finish) refuses what nobody took.
pub struct Fields<'a> {
    within: &'static str,
    entries: &'a [(Value<'a>, Value<'a>)],
    /// How many were taken, each once.
    taken: usize,
}

impl<'a> Fields<'a> {
    /// The entries of `value`, which must be a map; `within` names it in errors.
    pub fn new(value: &'a Value<'a>, within: &'static str) -> Result<Self, FormatError> {
        match value {
            Value::Map(entries) => Ok(Self { within, entries, taken: 0 }),
            _ => Err(FormatError::WrongType { field: within, expected: "a map" }),
        }
    }

    /// Takes the field with this integer key, if present. Each key is asked for once.
    pub fn optional(&mut self, key: i64, field: &'static str) -> Option<Field<'a>> {
        let key = Value::from(key);
        let (_, value) = self.entries.iter().find(|(found, _)| *found == key)?;
        self.taken += 1;
        Some(Field { field, value })
    }

    /// Takes the field with this integer key.
    pub fn required(&mut self, key: i64, field: &'static str) -> Result<Field<'a>, FormatError> {
        self.optional(key, field).ok_or(FormatError::Missing { field })
    }

    /// Refuses fields that were not taken.
    pub fn finish(self) -> Result<(), FormatError> {
        match self.taken == self.entries.len() {
            true => Ok(()),
            false => Err(FormatError::Unknown { within: self.within }),
        }
    }
}

/// One field on its way to a typed value.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    field: &'static str,
    value: &'a Value<'a>,
}

impl<'a> Field<'a> {
    /// Whether it is exactly this value.
    pub fn is(&self, value: &Value<'_>) -> bool {
        self.value == value
    }

    /// A byte string of `length` bytes (inclusive range).
    pub fn bytes(self, length: core::ops::RangeInclusive<usize>) -> Result<Vec<u8>, FormatError> {
        let field = self.field;
        match self.value {
            Value::Bytes(bytes) if length.contains(&bytes.len()) => Ok(bytes.to_vec()),
            Value::Bytes(_) => Err(FormatError::OutOfRange { field, expected: "another length" }),
            _ => Err(FormatError::WrongType { field, expected: "a byte string" }),
        }
    }

    /// A byte string of exactly `N` bytes.
    pub fn array<const N: usize>(self) -> Result<[u8; N], FormatError> {
        let field = self.field;
        match self.value {
            Value::Bytes(bytes) => <[u8; N]>::try_from(&bytes[..])
                .map_err(|_| FormatError::OutOfRange { field, expected: "another length" }),
            _ => Err(FormatError::WrongType { field, expected: "a byte string" }),
        }
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
            Value::Text(text) => Ok(text.as_ref().into()),
            _ => Err(FormatError::WrongType { field, expected: "a text string" }),
        }
    }

    /// An unsigned integer that fits `T`.
    pub fn uint<T: TryFrom<u64>>(self) -> Result<T, FormatError> {
        let field = self.field;
        let wide = FormatError::OutOfRange { field, expected: "an unsigned integer within its width" };
        match self.value {
            Value::Unsigned(number) => T::try_from(*number).map_err(|_| wide),
            Value::Negative(_) => Err(wide),
            _ => Err(FormatError::WrongType { field, expected: "an unsigned integer" }),
        }
    }

    /// A boolean.
    pub fn boolean(self) -> Result<bool, FormatError> {
        let field = self.field;
        match self.value {
            Value::Bool(truth) => Ok(*truth),
            _ => Err(FormatError::WrongType { field, expected: "a boolean" }),
        }
    }

    /// A map.
    pub fn map(self) -> Result<Fields<'a>, FormatError> {
        Fields::new(self.value, self.field)
    }

    /// The entries of a map with keys that are not fixed.
    pub fn entries(self, limit: usize) -> Result<Vec<(Self, Self)>, FormatError> {
        let field = self.field;
        match self.value {
            Value::Map(entries) if entries.len() > limit => {
                Err(FormatError::OutOfRange { field, expected: "fewer entries" })
            }
            Value::Map(entries) => {
                Ok(entries.iter().map(|(key, value)| (Field { field, value: key }, Field { field, value })).collect())
            }
            _ => Err(FormatError::WrongType { field, expected: "a map" }),
        }
    }

    /// The elements of an array of at most `limit`.
    pub fn list(self, limit: usize) -> Result<Vec<Self>, FormatError> {
        let field = self.field;
        match self.value {
            Value::Array(items) if items.len() > limit => {
                Err(FormatError::OutOfRange { field, expected: "fewer elements" })
            }
            Value::Array(items) => Ok(items.iter().map(|value| Field { field, value }).collect()),
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
