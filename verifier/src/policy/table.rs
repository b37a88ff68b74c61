//! Takes a parsed table apart key by key, without serde: what browsers load is half as long for it.

use alloc::vec::Vec;
use core::cell::OnceCell;

use super::PolicyError;
use super::toml;
use super::tree::{self, Entries, Node, Value as Tree};

/// A table of a policy file. The first thing that is wrong is remembered, and [`read`] refuses for it: what is taken after that
/// means nothing.
pub(super) struct Table<'a> {
    place: Place<'a>,
    /// None where it is wrong already.
    entries: Option<&'a Entries<'a>>,
    taken: Vec<&'static str>,
}

/// The value of one key.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    place: Place<'a>,
    /// None where it is wrong already.
    value: Option<&'a Tree<'a>>,
}

/// Where something stands, for errors.
#[derive(Clone, Copy)]
struct Place<'a> {
    text: &'a str,
    offset: usize,
    /// The key, or that of the table.
    key: &'static str,
    wrong: &'a OnceCell<PolicyError>,
}

/// Reads `text` as TOML: `take` takes it apart, and nothing may be left.
pub(super) fn read<T>(text: &str, take: impl FnOnce(&mut Table<'_>) -> T) -> Result<T, PolicyError> {
    let tree = Tree::Table(toml::read(text)?);
    let wrong = OnceCell::new();
    let place = Place { text, offset: 0, key: "the policy", wrong: &wrong };
    let taken = Value { place, value: Some(&tree) }.table(take);
    match wrong.into_inner() {
        None => Ok(taken),
        Some(error) => Err(error),
    }
}

impl<'a> Table<'a> {
    /// Takes a key's value, if there is one.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<Value<'a>> {
        let value = self.entries?.get(key)?;
        self.taken.push(key);
        Some(Value::new(self.place, key, value))
    }

    /// Takes a key's value.
    pub(super) fn required(&mut self, key: &'static str) -> Value<'a> {
        self.optional(key).unwrap_or_else(|| {
            self.place.wrong(&["`", self.place.key, "` has no `", key, "`"]);
            Value { place: self.place, value: None }
        })
    }

    /// The values under whatever keys there are.
    pub(super) fn named(&mut self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let place = self.place;
        let entries = self.entries.take().into_iter().flat_map(|entries| entries.iter());
        entries.map(move |(key, value)| (key.name.as_ref(), Value::new(place, place.key, value)))
    }

    /// Remembers what is wrong.
    pub(super) fn refuse(&self, error: PolicyError) {
        self.place.refuse(error);
    }

    /// Refuses keys that were not taken.
    fn finish(self) {
        let mut entries = self.entries.into_iter().flat_map(Entries::iter);
        if let Some((key, _)) = entries.find(|(key, _)| !self.taken.contains(&key.name.as_ref())) {
            let place = Place { offset: key.at, ..self.place };
            place.wrong(&["`", place.key, "` has no key `", &key.name, "`"]);
        }
    }
}

impl<'a> Value<'a> {
    fn new(within: Place<'a>, key: &'static str, value: &'a Node<'a>) -> Self {
        Self { place: Place { offset: value.at, key, ..within }, value: Some(&value.value) }
    }

    /// A number from 0 to `greatest`.
    pub(super) fn number(self, greatest: u64) -> u64 {
        let number = match self.value {
            Some(Tree::Integer(number)) => *number,
            _ => None,
        };
        number.filter(|number| *number <= greatest).unwrap_or_else(|| {
            self.is_not("a number of its width");
            0
        })
    }

    /// A boolean.
    pub(super) fn boolean(self) -> bool {
        match self.value {
            Some(Tree::Boolean(truth)) => *truth,
            _ => {
                self.is_not("true or false");
                false
            }
        }
    }

    /// A text.
    pub(super) fn text(self) -> &'a str {
        match self.value {
            Some(Tree::Text(text)) => text,
            _ => {
                self.is_not("a text");
                ""
            }
        }
    }

    /// An array of texts.
    pub(super) fn texts(self) -> Vec<&'a str> {
        self.array("an array of texts").map(Self::text).collect()
    }

    /// An array of numbers from 0 to `greatest`.
    pub(super) fn numbers(self, greatest: u64) -> impl Iterator<Item = u64> {
        self.array("an array of numbers").map(move |item| item.number(greatest))
    }

    /// A text, or an array of them.
    pub(super) fn word_or_texts(self) -> Result<&'a str, Vec<&'a str>> {
        match self.value {
            Some(Tree::Text(text)) => Ok(text),
            _ => Err(self.texts()),
        }
    }

    /// A table, of which nothing may be left.
    pub(super) fn table<T>(self, take: impl FnOnce(&mut Table<'a>) -> T) -> T {
        let mut table = self.opened();
        let taken = take(&mut table);
        table.finish();
        taken
    }

    fn opened(self) -> Table<'a> {
        let entries = match self.value {
            Some(Tree::Table(entries)) => Some(entries),
            _ => {
                self.is_not("a table");
                None
            }
        };
        Table { place: self.place, entries, taken: Vec::new() }
    }

    /// An array of tables.
    pub(super) fn tables(self) -> impl Iterator<Item = Self> {
        self.array("an array of tables")
    }

    fn array(self, expected: &str) -> impl Iterator<Item = Self> {
        let items = match self.value {
            Some(Tree::Array { items, .. }) => Some(items),
            _ => {
                self.is_not(expected);
                None
            }
        };
        items.into_iter().flat_map(|items| items.iter()).map(move |item| Self::new(self.place, self.place.key, item))
    }

    fn is_not(self, expected: &str) {
        if self.value.is_some() {
            self.place.wrong(&["`", self.place.key, "` is not ", expected]);
        }
    }

    /// Remembers what is wrong.
    pub(super) fn refuse(self, error: PolicyError) {
        self.place.refuse(error);
    }

    /// Bytes that are `text` in hexadecimal.
    pub(super) fn hex<const N: usize>(self, field: &'static str, text: &str) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(field, text, &mut bytes);
        bytes
    }

    fn fill(self, field: &'static str, text: &str, bytes: &mut [u8]) {
        if hex::decode_to_slice(text, bytes).is_err() {
            self.refuse(PolicyError::Hex { field, expected: 2 * bytes.len() });
        }
    }

    /// Bytes that are texts in hexadecimal.
    pub(super) fn hexes<const N: usize, T: FromIterator<[u8; N]>>(self, field: &'static str, texts: &[&str]) -> T {
        texts.iter().map(|text| self.hex(field, text)).collect()
    }
}

impl Place<'_> {
    fn refuse(self, error: PolicyError) {
        // The first one counts.
        let _ = self.wrong.set(error);
    }

    fn wrong(self, what: &[&str]) {
        self.refuse(tree::placed(self.text, self.offset, &what.concat()));
    }
}
