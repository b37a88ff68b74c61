//! The log: trees, tiles, notes and heads, beside RFC 6962's own words and programs that others wrote.
#![allow(clippy::unwrap_used)]

mod heads;
mod notes;
mod reference;
mod tiles;
mod trees;
