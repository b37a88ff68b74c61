//! The formats as a whole: strictness, and agreement with `SPEC.md`.
#![allow(clippy::unwrap_used)]

mod constructed;
mod oracle;
mod spec;
mod strict;
mod support;
