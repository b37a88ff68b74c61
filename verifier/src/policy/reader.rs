//! Reads a policy's JSON key by key. It records the first error and continues with empty values; [`read`] then returns that
//! error, and drops the values.

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::OnceCell;

use quoth_attestation::json;

use super::error::PolicyError;
use super::values::MAX_FILE;

/// Why and where a text is not a policy.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Offset in the text, in bytes; `None` if the text is not canonical JSON.
    #[cfg_attr(not(feature = "toml"), expect(dead_code, reason = "only TOML errors name a line"))]
    pub(super) at: Option<usize>,
    pub(super) error: PolicyError,
}

/// An object of the policy.
pub(super) struct Table<'a> {
    place: Place<'a>,
    members: Vec<(Cow<'a, str>, json::Value<'a>)>,
    taken: Vec<&'static str>,
}

/// The value of one key.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    place: Place<'a>,
    /// `None` if an error is recorded already.
    value: Option<json::Value<'a>>,
}

/// A position in the text, for errors.
#[derive(Clone, Copy)]
struct Place<'a> {
    at: usize,
    /// The key of the value, or of its table.
    key: &'static str,
    wrong: &'a OnceCell<Wrong>,
}

/// Reads `text` as canonical JSON: `take` reads its keys, and a key that it leaves is an error.
pub(super) fn read<T>(text: &[u8], take: impl FnOnce(&mut Table<'_>) -> T) -> Result<T, Wrong> {
    let value = json::parse(text, MAX_FILE)
        .map_err(|error| Wrong { at: None, error: PolicyError::Malformed { message: error.to_string() } })?;
    let wrong = OnceCell::new();
    let place = Place { at: 0, key: "the policy", wrong: &wrong };
    let taken = Value { place, value: Some(value) }.table(take);
    match wrong.into_inner() {
        None => Ok(taken),
        Some(wrong) => Err(wrong),
    }
}

impl<'a> Table<'a> {
    #[inline(never)]
    pub(super) fn optional(&mut self, key: &'static str) -> Option<Value<'a>> {
        let (_, value) = self.members.iter().find(|(name, _)| name == key)?;
        self.taken.push(key);
        Some(Value::new(self.place, key, *value))
    }

    /// Takes a key's value, or records that it is missing.
    #[inline(never)]
    pub(super) fn required(&mut self, key: &'static str) -> Value<'a> {
        self.optional(key).unwrap_or_else(|| {
            self.place.wrong(&["`", self.place.key, "` has no `", key, "`"]);
            Value { place: self.place, value: None }
        })
    }

    /// Takes a boolean, or `default` if the key is absent.
    #[inline(never)]
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.optional(key).map_or(default, Value::boolean)
    }

    /// Takes the values pinned under a key, if present.
    pub(super) fn pins<const N: usize>(&mut self, key: &'static str, field: &'static str) -> Option<Vec<[u8; N]>> {
        let value = self.optional(key)?;
        Some(value.hexes(field, &value.texts()))
    }

    pub(super) fn named(&mut self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        let place = self.place;
        let members = core::mem::take(&mut self.members);
        members.into_iter().map(move |(name, value)| (name, Value::new(place, place.key, value)))
    }

    /// Records the first error.
    pub(super) fn refuse(&self, error: PolicyError) {
        self.place.refuse(error);
    }

    /// Records an error for a key that was not taken.
    #[inline(never)]
    fn finish(self) {
        let mut members = self.members.iter();
        if let Some((name, value)) = members.find(|(name, _)| !self.taken.iter().any(|taken| taken == name)) {
            let place = Place { at: value.at(), ..self.place };
            place.wrong(&["`", place.key, "` has no key `", name, "`"]);
        }
    }
}

impl<'a> Value<'a> {
    fn new(within: Place<'a>, key: &'static str, value: json::Value<'a>) -> Self {
        Self { place: Place { at: value.at(), key, ..within }, value: Some(value) }
    }

    /// Reads the value, or records that its type is not `expected`.
    fn read<T: Default>(self, expected: &str, read: impl FnOnce(json::Value<'a>) -> Option<T>) -> T {
        self.value.and_then(read).unwrap_or_else(|| {
            if self.value.is_some() {
                self.place.wrong(&["`", self.place.key, "` is not ", expected]);
            }
            T::default()
        })
    }

    pub(super) fn number(self, greatest: u64) -> u64 {
        self.read("an integer in its range", |value| value.number().filter(|number| *number <= greatest))
    }

    pub(super) fn boolean(self) -> bool {
        self.read("true or false", json::Value::boolean)
    }

    pub(super) fn text(self) -> Cow<'a, str> {
        self.read("a text", json::Value::text)
    }

    #[inline(never)]
    pub(super) fn texts(self) -> Vec<Cow<'a, str>> {
        let mut texts = Vec::new();
        for item in self.array("an array of texts") {
            texts.push(item.text());
        }
        texts
    }

    pub(super) fn numbers(self, greatest: u64) -> impl Iterator<Item = u64> {
        self.array("an array of numbers").into_iter().map(move |item| item.number(greatest))
    }

    pub(super) fn word_or_texts(self) -> Result<Cow<'a, str>, Vec<Cow<'a, str>>> {
        self.value.and_then(json::Value::text).ok_or_else(|| self.texts())
    }

    /// A table; a key that `take` leaves is an error.
    pub(super) fn table<T>(self, take: impl FnOnce(&mut Table<'a>) -> T) -> T {
        let mut table = self.opened();
        let taken = take(&mut table);
        table.finish();
        taken
    }

    // Once for all kinds of tables: browsers load this.
    #[inline(never)]
    fn opened(self) -> Table<'a> {
        let members = self.read("a table", |value| value.object(usize::MAX));
        Table { place: self.place, members, taken: Vec::new() }
    }

    pub(super) fn tables(self) -> Vec<Self> {
        self.array("an array of tables")
    }

    #[inline(never)]
    fn array(self, expected: &str) -> Vec<Self> {
        let mut items = Vec::new();
        for value in self.read(expected, |value| value.array().map(Some)).into_iter().flatten() {
            items.push(Self::new(self.place, self.place.key, value));
        }
        items
    }

    /// Records the first error.
    pub(super) fn refuse(self, error: PolicyError) {
        self.place.refuse(error);
    }

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

    pub(super) fn hexes<const N: usize, T: FromIterator<[u8; N]>>(
        self,
        field: &'static str,
        texts: &[Cow<'_, str>],
    ) -> T {
        texts.iter().map(|text| self.hex(field, text)).collect()
    }
}

impl Place<'_> {
    fn refuse(self, error: PolicyError) {
        // `set` keeps the first error.
        let _ = self.wrong.set(Wrong { at: Some(self.at), error });
    }

    fn wrong(self, what: &[&str]) {
        self.refuse(PolicyError::Malformed { message: what.concat() });
    }
}
