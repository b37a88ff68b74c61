//! The tree of a TOML document, and what tables its keys and headers make: the same as the crate `toml` makes of them.

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::PolicyError;
use super::toml::Wrong;

/// Keys of one table, at most: no table of a policy has nearly as many, and each is compared with all before it.
pub(super) const MAX_KEYS: usize = 256;

/// A value, and where it stands.
pub(super) struct Node<'a> {
    pub(super) at: usize,
    pub(super) value: Value<'a>,
}

pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    /// None below zero, and beyond 64 bits.
    Integer(Option<u64>),
    Boolean(bool),
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

    /// An inline table, empty so far.
    pub(super) fn inline() -> Self {
        Self { inline: true, ..Self::default() }
    }

    fn index(&self, key: &Key<'_>) -> Option<usize> {
        self.entries.iter().position(|(known, _)| known.name == key.name)
    }

    /// Adds an entry that is new; says where.
    fn push(&mut self, key: Key<'a>, node: Node<'a>) -> Result<usize, Wrong> {
        let index = self.entries.len();
        if index == MAX_KEYS {
            return refuse("more keys than a table of a policy has", key.at);
        }
        self.entries.push((key, node));
        Ok(index)
    }

    /// Adds what a dotted key says. `inline`: within an inline table.
    pub(super) fn put(&mut self, path: Vec<Key<'a>>, key: Key<'a>, node: Node<'a>, inline: bool) -> Result<(), Wrong> {
        let dotted = !path.is_empty();
        let table = self.descend(path, dotted, inline)?;
        match dotted && !table.implicit || table.index(&key).is_some() {
            true => duplicate(&key),
            false => table.push(key, node).map(|_| ()),
        }
    }

    /// The table at the end of `path`, made where there is none. `inline`: within an inline table.
    pub(super) fn descend(&mut self, path: Vec<Key<'a>>, dotted: bool, inline: bool) -> Result<&mut Self, Wrong> {
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
    pub(super) fn open(&mut self, key: Key<'a>, in_array: bool) -> Result<&mut Self, Wrong> {
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

fn duplicate<T>(key: &Key<'_>) -> Result<T, Wrong> {
    refuse("duplicate key", key.at)
}

fn extended<T>(key: &Key<'_>) -> Result<T, Wrong> {
    refuse("cannot extend a value of another type with a dotted key", key.at)
}

fn refuse<T>(what: &'static str, at: usize) -> Result<T, Wrong> {
    Err(Wrong { what, at })
}

/// Says in which line something is wrong.
pub(super) fn placed(text: &str, at: usize, what: &str) -> PolicyError {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    PolicyError::Toml { message: ["line ", &line.to_string(), ": ", what].concat() }
}
