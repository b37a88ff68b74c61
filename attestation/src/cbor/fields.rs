//! Builds maps, and reads decoded maps field by field.

use alloc::vec::Vec;
use core::cell::OnceCell;

use super::Value;
use super::write::order;
use crate::bounded::{self, Blob, Bounded, List, Text};
use crate::{Digest, FormatError};

/// Maximum bytes in a profile's name.
const MAX_PROFILE: usize = 256;
/// Initial capacity, in entries.
const ROOM: usize = 16;

/// Builds a map whose keys come out in deterministic order.
pub struct Map<'a>(Vec<(Value<'a>, Value<'a>)>);

impl<'a> Map<'a> {
    /// An empty map.
    #[expect(clippy::new_without_default, reason = "there is one way to make a map")]
    pub fn new() -> Self {
        Self(Vec::with_capacity(ROOM))
    }

    /// Adds an entry. Keys must be distinct.
    #[must_use]
    pub fn with(mut self, key: impl Into<Value<'a>>, value: impl Into<Value<'a>>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// Adds an entry if there is a value.
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

/// Reads bytes that are one map: `take` reads its fields, and a field that it leaves is an error.
pub(crate) fn read<T>(
    bytes: &[u8],
    limit: usize,
    within: &'static str,
    take: impl FnOnce(&mut Fields<'_>) -> T,
) -> Result<T, FormatError> {
    let value = super::decode(bytes, limit)?;
    let wrong = OnceCell::new();
    let taken = Field { field: within, value: Some(&value), wrong: &wrong }.map(take);
    match wrong.into_inner() {
        None => Ok(taken),
        Some(error) => Err(error),
    }
}

/// Reads a decoded map field by field. It records the first error and continues with empty values; [`read`] then returns that
/// error, and drops the values.
pub(crate) struct Fields<'a> {
    entries: &'a [(Value<'a>, Value<'a>)],
    /// Number of fields taken so far; each is taken once.
    taken: usize,
    wrong: &'a OnceCell<FormatError>,
}

/// One field on its way to a typed value.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    field: &'static str,
    /// `None` if an error is recorded already.
    value: Option<&'a Value<'a>>,
    wrong: &'a OnceCell<FormatError>,
}

impl<'a> Fields<'a> {
    /// Takes the field with this integer key, if present. Callers ask for each key once.
    pub(crate) fn optional(&mut self, key: i64, field: &'static str) -> Option<Field<'a>> {
        let key = Value::from(key);
        let (_, value) = self.entries.iter().find(|(found, _)| *found == key)?;
        self.taken += 1;
        Some(Field { field, value: Some(value), wrong: self.wrong })
    }

    /// Takes the field with this integer key.
    pub(crate) fn required(&mut self, key: i64, field: &'static str) -> Field<'a> {
        self.optional(key, field).unwrap_or_else(|| {
            let absent = Field { field, value: None, wrong: self.wrong };
            absent.missing(field);
            absent
        })
    }
}

impl<'a> Field<'a> {
    /// Records the first error.
    pub(crate) fn refuse(self, error: FormatError) {
        // `set` keeps the first error.
        let _ = self.wrong.set(error);
    }

    fn is_not(self, expected: &'static str) {
        if self.value.is_some() {
            self.refuse(FormatError::WrongType { field: self.field, expected });
        }
    }

    fn out_of_range(self, expected: &'static str) {
        self.refuse(FormatError::OutOfRange { field: self.field, expected });
    }

    pub(crate) fn missing(self, field: &'static str) {
        self.refuse(FormatError::Missing { field });
    }

    /// Records an error unless `holds`.
    pub(crate) fn check(self, holds: bool, field: &'static str, expected: &'static str) {
        if !holds {
            self.refuse(FormatError::OutOfRange { field, expected });
        }
    }

    fn content(self) -> Option<&'a [u8]> {
        match self.value {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => {
                self.is_not("a byte string");
                None
            }
        }
    }

    fn within(self, least: usize, most: usize) -> &'a [u8] {
        let bytes = self.content().unwrap_or_default();
        if bytes.len() < least || bytes.len() > most {
            self.out_of_range(bounded::LENGTH);
        }
        bytes
    }

    pub(crate) fn blob<const MIN: usize, const MAX: usize>(self) -> Blob<MIN, MAX> {
        Blob::unchecked(self.within(MIN, MAX))
    }

    pub(crate) fn array<const N: usize>(self) -> [u8; N] {
        let mut array = [0; N];
        self.fill(&mut array);
        array
    }

    fn fill(self, array: &mut [u8]) {
        match self.content() {
            Some(bytes) if bytes.len() == array.len() => array.copy_from_slice(bytes),
            Some(_) => self.out_of_range(bounded::LENGTH),
            None => {}
        }
    }

    pub(crate) fn digest(self) -> Digest {
        Digest(self.array())
    }

    fn name(self, limit: usize) -> &'a str {
        match self.value {
            Some(Value::Text(text)) => {
                if text.is_empty() || text.len() > limit {
                    self.out_of_range(bounded::TEXT);
                }
                text
            }
            _ => {
                self.is_not("a text string");
                ""
            }
        }
    }

    pub(crate) fn text<const MAX: usize>(self) -> Text<MAX> {
        Text::unchecked(self.name(MAX))
    }

    fn number(self, greatest: u64) -> u64 {
        match self.value {
            Some(Value::Unsigned(number)) if *number <= greatest => return *number,
            Some(Value::Unsigned(_) | Value::Negative(_)) => self.out_of_range("an unsigned integer within its width"),
            _ => self.is_not("an unsigned integer"),
        }
        0
    }

    /// An unsigned integer of 64 bits.
    pub(crate) fn uint(self) -> u64 {
        self.number(u64::MAX)
    }

    /// An unsigned integer of 16 bits.
    pub(crate) fn short(self) -> u16 {
        self.number(u16::MAX.into()) as u16
    }

    /// An unsigned integer of 32 bits.
    pub(crate) fn word(self) -> u32 {
        self.number(u32::MAX.into()) as u32
    }

    /// A binary32, written as its bits in an unsigned integer. Negative zero would be a second encoding of zero.
    pub(crate) fn float(self, is_allowed: impl FnOnce(f32) -> bool) -> f32 {
        let value = f32::from_bits(self.word());
        let is_negative_zero = value == 0.0 && value.is_sign_negative();
        self.check(is_allowed(value) && !is_negative_zero, self.field, "a number within its range");
        value
    }

    /// An unsigned integer within its bounds, which `expected` states.
    pub(crate) fn bounded<const MIN: u16, const MAX: u16>(self, expected: &'static str) -> Bounded<MIN, MAX> {
        let number = self.short();
        self.check((MIN..=MAX).contains(&number), self.field, expected);
        Bounded::unchecked(number)
    }

    pub(crate) fn boolean(self) -> bool {
        match self.value {
            Some(Value::Bool(truth)) => *truth,
            _ => {
                self.is_not("a boolean");
                false
            }
        }
    }

    /// A map; a field that `take` leaves is an error.
    pub(crate) fn map<T>(self, take: impl FnOnce(&mut Fields<'a>) -> T) -> T {
        let mut fields = Fields { entries: self.pairs(), taken: 0, wrong: self.wrong };
        let taken = take(&mut fields);
        if fields.taken != fields.entries.len() {
            self.refuse(FormatError::Unknown { within: self.field });
        }
        taken
    }

    fn pairs(self) -> &'a [(Value<'a>, Value<'a>)] {
        match self.value {
            Some(Value::Map(entries)) => entries,
            _ => {
                self.is_not("a map");
                &[]
            }
        }
    }

    /// The entries of a map whose keys are not fixed, at most `limit`.
    pub(crate) fn entries(self, limit: usize) -> impl Iterator<Item = (Self, Self)> {
        let mut entries = self.pairs();
        if entries.len() > limit {
            self.out_of_range("fewer entries");
            entries = &[];
        }
        entries.iter().map(move |(key, value)| (Self { value: Some(key), ..self }, Self { value: Some(value), ..self }))
    }

    /// The elements of an array, at most `MAX`.
    pub(crate) fn list<T, const MAX: usize>(self, of: impl FnMut(Self) -> T) -> List<T, MAX> {
        let elements = self.elements(MAX).iter();
        List::unchecked(elements.map(|value| Self { value: Some(value), ..self }).map(of).collect())
    }

    fn elements(self, limit: usize) -> &'a [Value<'a>] {
        match self.value {
            Some(Value::Array(items)) if items.len() <= limit => items,
            Some(Value::Array(_)) => {
                self.out_of_range(bounded::ELEMENTS);
                &[]
            }
            _ => {
                self.is_not("an array");
                &[]
            }
        }
    }

    /// A text that must be one of a fixed set of names.
    pub(crate) fn one_of<T: Copy>(self, names: &[(&str, T)]) -> T {
        let text = self.name(64);
        match names.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => *value,
            None => {
                self.out_of_range("one of the defined names");
                names[0].1
            }
        }
    }

    pub(crate) fn profile(self, expected: &'static str) {
        let actual = self.name(MAX_PROFILE);
        if actual != expected {
            self.refuse(FormatError::Profile { expected, actual: actual.into() });
        }
    }
}
