//! The tree of a TOML document. What the text says is toml_parser's to tell, event by event; here is how events make tables,
//! as the crate `toml` has it, without times and floats, which no policy has: browsers load less than half as much.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::{self, Vec};
use core::iter::Peekable;

use toml_parser::decoder::ScalarKind;
use toml_parser::parser::{Event, EventKind, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{Expected, ParseError, Source, Span};

use super::PolicyError;

/// Keys in one dotted key, and arrays and inline tables inside each other, at most.
const LIMIT: u32 = 80;
/// Keys of one table, at most: no table of a policy has nearly as many, and each is compared with all before it.
const MAX_KEYS: usize = 256;

/// A value, and where it stands.
pub(super) struct Node<'a> {
    pub(super) at: usize,
    pub(super) value: Value<'a>,
}

pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Integer {
        digits: Cow<'a, str>,
        radix: u32,
    },
    Boolean(bool),
    /// A float or a time.
    Other,
    Array {
        items: Vec<Node<'a>>,
        /// Made by headers in double brackets.
        of_tables: bool,
    },
    Table(Entries<'a>),
}

/// The entries of a table, in the order of the text.
#[derive(Default)]
pub(super) struct Entries<'a> {
    entries: Vec<(Key<'a>, Node<'a>)>,
    /// Made by a longer key or header alone: a header of its own may still come.
    implicit: bool,
    /// Made by a dotted key: no header may come.
    dotted: bool,
    /// Complete where it stands.
    inline: bool,
}

/// A key, and where it stands.
pub(super) struct Key<'a> {
    pub(super) at: usize,
    pub(super) name: Cow<'a, str>,
}

impl<'a> Entries<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Key<'a>, Node<'a>)> {
        self.entries.iter()
    }

    fn index(&self, key: &Key<'_>) -> Option<usize> {
        self.entries.iter().position(|(known, _)| known.name == key.name)
    }

    /// Adds an entry that is new; says where.
    fn push(&mut self, key: Key<'a>, node: Node<'a>) -> Result<usize, ParseError> {
        let index = self.entries.len();
        if index == MAX_KEYS {
            return refuse("more keys than a table of a policy has", key.at);
        }
        self.entries.push((key, node));
        Ok(index)
    }

    fn insert(&mut self, key: Key<'a>, node: Node<'a>) -> Result<(), ParseError> {
        match self.index(&key) {
            None => self.push(key, node).map(|_| ()),
            Some(_) => duplicate(&key),
        }
    }

    /// The table at the end of `path`, made where there is none. `inline`: within an inline table.
    fn descend(&mut self, path: Vec<Key<'a>>, dotted: bool, inline: bool) -> Result<&mut Self, ParseError> {
        let mut table = self;
        for key in path {
            let (at, index) = (key.at, table.index(&key));
            let index = match index {
                Some(index) => index,
                None => {
                    let made = Entries { implicit: true, dotted, inline, ..Entries::default() };
                    table.push(key, Node { at, value: Value::Table(made) })?
                }
            };
            let (key, node) = &mut table.entries[index];
            table = match &mut node.value {
                Value::Array { items, of_tables: true } => match items.last_mut().map(|last| &mut last.value) {
                    Some(Value::Table(last)) => last,
                    _ => return extended(key),
                },
                Value::Table(found) if found.inline && !inline => return extended(key),
                Value::Table(found) if dotted && !found.implicit => return duplicate(key),
                Value::Table(found) => {
                    found.dotted |= dotted;
                    found
                }
                _ => return extended(key),
            };
        }
        Ok(table)
    }

    /// The table that a header opens.
    fn open(&mut self, key: Key<'a>, in_array: bool) -> Result<&mut Self, ParseError> {
        let index = match self.index(&key) {
            Some(index) => index,
            None => {
                let value = match in_array {
                    true => Value::Array { items: Vec::new(), of_tables: true },
                    false => Value::Table(Entries { implicit: true, ..Entries::default() }),
                };
                self.push(Key { at: key.at, name: key.name.clone() }, Node { at: key.at, value })?
            }
        };
        match &mut self.entries[index].1.value {
            Value::Table(table) if !in_array && table.implicit && !table.dotted => {
                table.implicit = false;
                Ok(table)
            }
            Value::Array { items, of_tables: true } if in_array => {
                items.push(Node { at: key.at, value: Value::Table(Entries::default()) });
                match items.last_mut().map(|last| &mut last.value) {
                    Some(Value::Table(table)) => Ok(table),
                    _ => duplicate(&key),
                }
            }
            _ => duplicate(&key),
        }
    }
}

fn duplicate<T>(key: &Key<'_>) -> Result<T, ParseError> {
    refuse("duplicate key", key.at)
}

fn extended<T>(key: &Key<'_>) -> Result<T, ParseError> {
    refuse("cannot extend a value of another type with a dotted key", key.at)
}

fn refuse<T>(what: &'static str, at: usize) -> Result<T, ParseError> {
    Err(ParseError::new(what).with_unexpected(Span::new_unchecked(at, at)))
}

/// Reads a whole document.
pub(super) fn read(text: &str) -> Result<Entries<'_>, PolicyError> {
    events(text).and_then(|events| document(text, events)).map_err(|error| explained(text, &error))
}

/// What the text says, one after the other, without the space between. It is whole: what opens also closes.
fn events(text: &str) -> Result<Vec<Event>, ParseError> {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let (mut events, mut error) = (Vec::with_capacity(tokens.len()), None);
    let mut keep = |event: Event| match event.kind() {
        EventKind::Whitespace | EventKind::Comment | EventKind::Newline => {}
        _ => events.push(event),
    };
    let mut spaced = ValidateWhitespace::new(&mut keep, source);
    parse_document(&tokens, &mut RecursionGuard::new(&mut spaced, LIMIT), &mut error);
    match error {
        None => Ok(events),
        Some(error) => Err(error),
    }
}

fn document(text: &str, events: Vec<Event>) -> Result<Entries<'_>, ParseError> {
    let mut builder = Builder { source: Source::new(text), events: events.into_iter().peekable(), error: None };
    let mut root = Entries::default();
    let mut table = &mut root;
    while let Some(kind) = builder.events.peek().map(Event::kind) {
        match kind {
            EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                builder.events.next();
                let (path, key) = builder.key()?;
                // What closes it.
                builder.events.next();
                table = root.descend(path, false, false)?.open(key, kind == EventKind::ArrayTableOpen)?;
            }
            _ => builder.entry(table, false)?,
        }
    }
    match builder.error {
        None => Ok(root),
        Some(error) => Err(error),
    }
}

struct Builder<'a> {
    source: Source<'a>,
    events: Peekable<vec::IntoIter<Event>>,
    /// The first thing that is wrong inside a key or a value.
    error: Option<ParseError>,
}

impl<'a> Builder<'a> {
    /// Whether the next event is of this kind, which is passed.
    fn passes(&mut self, kind: EventKind) -> bool {
        self.events.next_if(|event| event.kind() == kind).is_some()
    }

    /// A key, and its value.
    fn entry(&mut self, table: &mut Entries<'a>, inline: bool) -> Result<(), ParseError> {
        let (path, key) = self.key()?;
        self.passes(EventKind::KeyValSep);
        let value = self.value()?;
        let dotted = !path.is_empty();
        let table = table.descend(path, dotted, inline)?;
        match dotted && !table.implicit {
            true => duplicate(&key),
            false => table.insert(key, value),
        }
    }

    /// A dotted key: what comes before the last dot, and what comes after it.
    fn key(&mut self) -> Result<(Vec<Key<'a>>, Key<'a>), ParseError> {
        let mut path = Vec::new();
        let mut last = Key { at: 0, name: Cow::Borrowed("") };
        while let Some(event) = self.events.next_if(|event| event.kind() == EventKind::SimpleKey) {
            last = Key { at: event.span().start(), name: Cow::Borrowed("") };
            if let Some(raw) = self.source.get(event) {
                raw.decode_key(&mut last.name, &mut self.error);
            }
            if !self.passes(EventKind::KeySep) {
                break;
            }
            path.push(core::mem::replace(&mut last, Key { at: 0, name: Cow::Borrowed("") }));
        }
        match path.len() < LIMIT as usize {
            true => Ok((path, last)),
            false => refuse("recursion limit", last.at),
        }
    }

    fn value(&mut self) -> Result<Node<'a>, ParseError> {
        let Some(event) = self.events.next() else { return refuse("a value is missing", self.source.input().len()) };
        let value = match event.kind() {
            EventKind::ArrayOpen => {
                let mut items = Vec::new();
                while !self.passes(EventKind::ArrayClose) {
                    items.push(self.value()?);
                    self.passes(EventKind::ValueSep);
                }
                Value::Array { items, of_tables: false }
            }
            EventKind::InlineTableOpen => {
                let mut table = Entries { inline: true, ..Entries::default() };
                while !self.passes(EventKind::InlineTableClose) {
                    self.entry(&mut table, true)?;
                    self.passes(EventKind::ValueSep);
                }
                Value::Table(table)
            }
            _ => self.scalar(event),
        };
        Ok(Node { at: event.span().start(), value })
    }

    fn scalar(&mut self, event: Event) -> Value<'a> {
        let mut decoded = Cow::Borrowed("");
        match self.source.get(event).map(|raw| raw.decode_scalar(&mut decoded, &mut self.error)) {
            Some(ScalarKind::String) => Value::Text(decoded),
            Some(ScalarKind::Boolean(truth)) => Value::Boolean(truth),
            Some(ScalarKind::Integer(radix)) => Value::Integer { digits: decoded, radix: radix.value() },
            _ => Value::Other,
        }
    }
}

fn explained(text: &str, error: &ParseError) -> PolicyError {
    let at = error.unexpected().or(error.context()).map_or(0, |span| span.start());
    let mut message = String::from(error.description());
    for (index, expected) in error.expected().unwrap_or_default().iter().enumerate() {
        message += if index == 0 { ", expected " } else { ", " };
        match expected {
            Expected::Literal("\n") => message += "newline",
            Expected::Literal(literal) => message += &["`", literal, "`"].concat(),
            Expected::Description(description) => message += description,
            _ => {}
        }
    }
    placed(text, at, &message)
}

/// Says in which line something is wrong.
pub(super) fn placed(text: &str, at: usize, what: &str) -> PolicyError {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    PolicyError::Toml { message: ["line ", &line.to_string(), ": ", what].concat() }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use proptest::prelude::*;
    use toml::de::{DeTable, DeValue};

    use super::*;

    /// A tree in one form, whoever made it: tables by their keys.
    fn ours(value: &Value<'_>) -> String {
        match value {
            Value::Text(text) => format!("{text:?}"),
            Value::Integer { digits, radix } => format!("{digits}/{radix}"),
            Value::Boolean(truth) => format!("{truth}"),
            Value::Other => "other".into(),
            Value::Array { items, .. } => list(items.iter().map(|item| ours(&item.value))),
            Value::Table(table) => sorted(table.iter().map(|(key, node)| (key.name.as_ref(), ours(&node.value)))),
        }
    }

    fn theirs(value: &DeValue<'_>) -> String {
        match value {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => format!("{}/{}", number.as_str(), number.radix()),
            DeValue::Boolean(truth) => format!("{truth}"),
            DeValue::Float(_) | DeValue::Datetime(_) => "other".into(),
            DeValue::Array(items) => list(items.iter().map(|item| theirs(item.get_ref()))),
            DeValue::Table(table) => {
                sorted(table.iter().map(|(key, value)| (key.get_ref().as_ref(), theirs(value.get_ref()))))
            }
        }
    }

    fn list(items: impl Iterator<Item = String>) -> String {
        format!("[{}]", items.collect::<Vec<_>>().join(", "))
    }

    fn sorted<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> String {
        let mut entries: Vec<_> = entries.map(|(key, value)| format!("{key:?} = {value}")).collect();
        entries.sort();
        format!("{{{}}}", entries.join(", "))
    }

    fn same(text: &str) -> Result<(), TestCaseError> {
        let own = read(text).ok().map(|table| ours(&Value::Table(table)));
        let known = DeTable::parse(text).ok().map(|table| theirs(&DeValue::Table(table.into_inner())));
        prop_assert_eq!(own, known, "{}", text);
        Ok(())
    }

    const KEYS: [&str; 8] = ["a", "b", "a.b", "b.a", "a.b.a", r#""a""#, "'b' . a", r#"a."\u0062""#];
    const VALUES: [&str; 20] = [
        "1",
        "0x1f",
        "-7",
        "1.5",
        "true",
        "1979-05-27",
        r#""x\n""#,
        "'y'",
        "\"\"\"\nlong\\\n  text\"\"\"",
        "'''raw'''",
        "[]",
        "[1, [2, 'z'],]",
        "[\n 1, # one\n 2\n]",
        "{}",
        "{ a = 1 }",
        "{ a.b = 1, a.a = 2 }",
        "{ a = 1, a.b = 2 }",
        "{ a = { b = 1 }, b = [{ a = 1 }] }",
        r#""\x""#,
        "",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// The library `toml` makes the same tables of the same text, or refuses it too.
        #[test]
        fn documents_mean_what_toml_says(
            lines in prop::collection::vec((0..4usize, 0..KEYS.len(), 0..VALUES.len()), 0..7),
        ) {
            let line = |(kind, key, value): (usize, usize, usize)| match kind {
                0 => format!("[{}]\n", KEYS[key]),
                1 => format!("[[{}]] # {value}\n", KEYS[key]),
                _ => format!("{} = {}\n", KEYS[key], VALUES[value]),
            };
            same(&lines.into_iter().map(line).collect::<String>())?;
        }

        #[test]
        fn pieces_of_toml_mean_what_toml_says(text in "[ab.=\\[\\]{}\"',#\n 01]{0,24}") {
            same(&text)?;
        }
    }

    #[test]
    fn tables_have_bounds() {
        let keys = |count: usize| (0..count).map(|number| format!("k{number} = 1\n")).collect::<String>();
        assert!(read(&keys(MAX_KEYS)).is_ok() && read(&keys(MAX_KEYS + 1)).is_err());
        let deep = |depth: usize| format!("{}a = 1", "a.".repeat(depth));
        assert!(read(&deep(LIMIT as usize - 1)).is_ok() && read(&deep(LIMIT as usize)).is_err());
    }
}
