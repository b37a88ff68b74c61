//! Takes a parsed table apart key by key, without serde: what browsers load is half as long for it.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::PolicyError;

/// A table of a policy file. [`finish`](Self::finish) refuses what nobody took.
pub(super) struct Table<'a> {
    place: Place<'a>,
    entries: &'a DeTable<'a>,
    taken: Vec<&'static str>,
}

/// The value of one key.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    place: Place<'a>,
    value: &'a DeValue<'a>,
}

/// Where something stands, for errors.
#[derive(Clone, Copy)]
struct Place<'a> {
    text: &'a str,
    offset: usize,
    /// The key, or that of the table.
    key: &'static str,
}

/// Reads `text` as TOML.
pub(super) fn tree(text: &str) -> Result<DeTable<'_>, PolicyError> {
    let tree = DeTable::parse(text).map_err(|error| PolicyError::Toml { message: error.to_string() })?;
    Ok(tree.into_inner())
}

impl<'a> Table<'a> {
    /// The whole file: its text and the tree of it.
    pub(super) fn new(text: &'a str, tree: &'a DeTable<'a>) -> Self {
        Self::at(Place { text, offset: 0, key: "the policy" }, tree)
    }

    fn at(place: Place<'a>, entries: &'a DeTable<'a>) -> Self {
        Self { place, entries, taken: Vec::new() }
    }

    /// Takes a key's value, if there is one.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<Value<'a>> {
        let value = self.entries.get(key)?;
        self.taken.push(key);
        Some(Value::new(self.place, key, value))
    }

    /// Takes a key's value.
    pub(super) fn required(&mut self, key: &'static str) -> Result<Value<'a>, PolicyError> {
        self.optional(key).ok_or_else(|| self.place.error(&format!("`{}` has no `{key}`", self.place.key)))
    }

    /// The tables under whatever keys there are.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'a str, Result<Self, PolicyError>)> {
        let place = self.place;
        let entries = self.entries.iter();
        entries.map(move |(name, value)| (name.get_ref().as_ref(), Value::new(place, place.key, value).table()))
    }

    /// Refuses keys that were not taken.
    pub(super) fn finish(self) -> Result<(), PolicyError> {
        match self.entries.keys().find(|key| !self.taken.contains(&key.get_ref().as_ref())) {
            None => Ok(()),
            Some(key) => {
                let place = Place { offset: key.span().start, ..self.place };
                Err(place.error(&format!("`{}` has no key `{}`", place.key, key.get_ref())))
            }
        }
    }
}

impl<'a> Value<'a> {
    fn new(within: Place<'a>, key: &'static str, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { place: Place { offset: value.span().start, key, ..within }, value: value.get_ref() }
    }

    /// A number that fits `T`.
    pub(super) fn number<T: TryFrom<u64>>(self) -> Result<T, PolicyError> {
        let number = match self.value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| self.not("a number of its width"))
    }

    /// A boolean.
    pub(super) fn boolean(self) -> Result<bool, PolicyError> {
        match self.value {
            DeValue::Boolean(truth) => Ok(*truth),
            _ => Err(self.not("true or false")),
        }
    }

    /// A text.
    pub(super) fn text(self) -> Result<&'a str, PolicyError> {
        match self.value {
            DeValue::String(text) => Ok(text),
            _ => Err(self.not("a text")),
        }
    }

    /// An array of texts.
    pub(super) fn texts(self) -> Result<Vec<&'a str>, PolicyError> {
        self.array("an array of texts")?.map(Self::text).collect()
    }

    /// A text, or an array of them.
    pub(super) fn word_or_texts(self) -> Result<Result<&'a str, Vec<&'a str>>, PolicyError> {
        match self.value {
            DeValue::String(text) => Ok(Ok(text)),
            _ => self.texts().map(Err),
        }
    }

    /// A table.
    pub(super) fn table(self) -> Result<Table<'a>, PolicyError> {
        match self.value {
            DeValue::Table(entries) => Ok(Table::at(self.place, entries)),
            _ => Err(self.not("a table")),
        }
    }

    /// An array of tables.
    pub(super) fn tables(self) -> Result<Vec<Table<'a>>, PolicyError> {
        self.array("an array of tables")?.map(Self::table).collect()
    }

    fn array(self, expected: &str) -> Result<impl Iterator<Item = Self>, PolicyError> {
        match self.value {
            DeValue::Array(items) => Ok(items.iter().map(move |item| Self::new(self.place, self.place.key, item))),
            _ => Err(self.not(expected)),
        }
    }

    fn not(&self, expected: &str) -> PolicyError {
        self.place.error(&format!("`{}` is not {expected}", self.place.key))
    }
}

impl Place<'_> {
    fn error(&self, what: &str) -> PolicyError {
        let before = self.text.as_bytes().get(..self.offset).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        PolicyError::Toml { message: format!("line {line}: {what}") }
    }
}
