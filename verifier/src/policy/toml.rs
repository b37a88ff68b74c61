//! Reads policies in TOML, by converting them to canonical JSON.

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

/// Maximum nesting depth of arrays and tables; no policy has as many levels.
pub(super) const MAX_DEPTH: usize = 8;
/// Maximum bytes in a key; no policy has a longer one.
pub(super) const MAX_KEY: usize = 64;

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    converted(text).map(|(policy, _)| policy)
}

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

/// Writes TOML as JSON. It records the first value that a policy's JSON cannot have.
struct Converter<'a> {
    text: &'a str,
    /// Offsets where values begin, in the JSON and in the TOML.
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
                    self.refuse(value.span().start, "the key is too long");
                }
                self.value(key, value, json.key(key), depth + 1);
            }
        });
    }

    /// `key` is the value's own, or that of its array.
    fn value(&mut self, key: &str, value: &Spanned<DeValue<'_>>, json: &mut Writer, depth: usize) {
        let at = value.span().start;
        self.places.push((json.written(), at));
        match value.get_ref() {
            DeValue::String(text) => json.text(text),
            DeValue::Boolean(truth) => json.boolean(*truth),
            DeValue::Integer(number) => match u64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => json.number(number),
                Err(_) => self.refuse(at, &format!("`{key}` is not an integer in its range")),
            },
            DeValue::Array(_) | DeValue::Table(_) if depth == MAX_DEPTH => {
                self.refuse(at, "the values are nested too deeply");
            }
            DeValue::Array(items) => json.array(items.iter(), |json, item| self.value(key, item, json, depth + 1)),
            DeValue::Table(table) => self.table(table, json, depth),
            DeValue::Float(_) | DeValue::Datetime(_) => self.refuse(at, "policies have no values of this type"),
        }
    }

    fn refuse(&mut self, at: usize, what: &str) {
        self.wrong.get_or_insert_with(|| placed(self.text, at, what));
    }
}

/// Makes an error that names the line.
fn placed(text: &str, at: usize, what: &str) -> PolicyError {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    PolicyError::Malformed { message: ["line ", &line.to_string(), ": ", what].concat() }
}
