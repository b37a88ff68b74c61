//! Policies as people write them: TOML that becomes the canonical JSON which policies are read from.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::json::Writer;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::accepted::Policy;
use super::build::check_length;
use super::error::PolicyError;
use super::file;

/// Arrays and tables inside each other, at most: no policy has as many.
pub(super) const MAX_DEPTH: usize = 8;
/// A key, bytes, at most: no policy has as long a one.
pub(super) const MAX_KEY: usize = 64;

/// Reads a policy file.
pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    converted(text).map(|(policy, _)| policy)
}

/// The canonical JSON of a policy file.
pub(super) fn compile(text: &str) -> Result<String, PolicyError> {
    converted(text).map(|(_, json)| json)
}

fn converted(text: &str) -> Result<(Policy, String), PolicyError> {
    check_length(text.as_bytes())?;
    let document = DeTable::parse(text)
        .map_err(|error| placed(text, error.span().map_or(0, |span| span.start), error.message()))?;
    let mut converter = Converter { text, places: Vec::from([(0, 0)]), wrong: None };
    let mut json = Writer::new();
    converter.table(document.get_ref(), &mut json, 0);
    if let Some(error) = converter.wrong {
        return Err(error);
    }
    let json = json.finish();
    let placed = |at, message: &str| {
        let from = converter.places.iter().rev().find(|(written, _)| *written <= at).map_or(0, |(_, from)| *from);
        placed(text, from, message)
    };
    match file::parse(json.as_bytes()) {
        Ok(policy) => Ok((policy, json)),
        Err(wrong) => Err(match wrong.error {
            PolicyError::Malformed { message } => placed(wrong.at.unwrap_or_default(), &message),
            error => error,
        }),
    }
}

/// Writes TOML as JSON. The first thing that JSON of a policy cannot say is remembered.
struct Converter<'a> {
    text: &'a str,
    /// Where values begin, in the JSON and in the TOML.
    places: Vec<(usize, usize)>,
    wrong: Option<PolicyError>,
}

impl Converter<'_> {
    fn table(&mut self, table: &DeTable<'_>, json: &mut Writer, depth: usize) {
        let mut entries: Vec<_> = table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        json.object(|json| {
            for (key, value) in entries {
                if key.len() > MAX_KEY {
                    self.refuse(value.span().start, "a key longer than those of policies");
                }
                self.value(key, value, json.key(key), depth + 1);
            }
        });
    }

    /// `key`: the value's own, or that of the array that it stands in.
    fn value(&mut self, key: &str, value: &Spanned<DeValue<'_>>, json: &mut Writer, depth: usize) {
        let at = value.span().start;
        self.places.push((json.written(), at));
        match value.get_ref() {
            DeValue::String(text) => json.text(text),
            DeValue::Boolean(truth) => json.boolean(*truth),
            DeValue::Integer(number) => match u64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => json.number(number),
                Err(_) => self.refuse(at, &format!("`{key}` is not a number of its width")),
            },
            DeValue::Array(_) | DeValue::Table(_) if depth == MAX_DEPTH => {
                self.refuse(at, "values too deep inside each other");
            }
            DeValue::Array(items) => json.array(items.iter(), |json, item| self.value(key, item, json, depth + 1)),
            DeValue::Table(table) => self.table(table, json, depth),
            DeValue::Float(_) | DeValue::Datetime(_) => self.refuse(at, "not a value that a policy has"),
        }
    }

    fn refuse(&mut self, at: usize, what: &str) {
        self.wrong.get_or_insert_with(|| placed(self.text, at, what));
    }
}

/// Says in which line something is wrong.
fn placed(text: &str, at: usize, what: &str) -> PolicyError {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    PolicyError::Malformed { message: ["line ", &line.to_string(), ": ", what].concat() }
}
