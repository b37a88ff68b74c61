//! Values of a checked JSON text, read in place.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::scan::Scanner;
use crate::FormatError;

/// A value in a checked text. Reading it as another type gives `None`.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    text: &'a str,
    at: usize,
}

/// Checks that `text` has at most `limit` bytes and is one value in canonical form.
///
/// # Errors
/// [`FormatError::TooLong`], [`FormatError::Json`], [`FormatError::NotCanonical`].
pub fn parse(text: &[u8], limit: usize) -> Result<Value<'_>, FormatError> {
    match checked(text, limit)? {
        (value, true) => Ok(value),
        (_, false) => Err(FormatError::NotCanonical),
    }
}

/// Checks that `text` is one value. The boolean is true if it is in canonical form.
pub(super) fn checked(text: &[u8], limit: usize) -> Result<(Value<'_>, bool), FormatError> {
    if text.len() > limit {
        return Err(FormatError::TooLong { limit, actual: text.len() });
    }
    let whole = core::str::from_utf8(text).map_err(|error| place(text, error.valid_up_to()))?;
    let canonical = Scanner::new(whole, 0).whole().map_err(|at| place(text, at))?;
    Ok((Value { text: whole, at: 0 }, canonical))
}

/// Converts an offset into an error with line and column.
pub(super) fn place(text: &[u8], at: usize) -> FormatError {
    let before = &text[..at.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    FormatError::Json { line, column: 1 + before.len() - line_start }
}

impl<'a> Value<'a> {
    /// Offset where it begins, in bytes from the start of the text.
    pub fn at(self) -> usize {
        self.at
    }

    fn scanner(self) -> Scanner<'a> {
        Scanner::new(self.text, self.at)
    }

    /// A text.
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.scanner().text()
    }

    /// An integer.
    pub fn number(self) -> Option<u64> {
        self.scanner().number().ok()
    }

    /// A boolean.
    pub fn boolean(self) -> Option<bool> {
        self.scanner().boolean().ok()
    }

    /// The elements of an array.
    pub fn array(self) -> Option<impl Iterator<Item = Self>> {
        let (count, mut scanner) = self.elements()?;
        Some((0..count).filter_map(move |_| Self::next(&mut scanner)))
    }

    /// The next element at the scanner's position.
    pub(super) fn next(scanner: &mut Scanner<'a>) -> Option<Self> {
        scanner.element().map(|(text, at)| Self { text, at })
    }

    /// The number of elements of an array, and a scanner before the first.
    pub(super) fn elements(self) -> Option<(usize, Scanner<'a>)> {
        let mut scanner = self.scanner();
        let inside = scanner.inside(b'[')?;
        Some((scanner.count()?, inside))
    }

    /// The members of an object, in the order of their names; `None` if there are more than `most`.
    pub fn object(self, most: usize) -> Option<Vec<(Cow<'a, str>, Self)>> {
        let members = self.scanner().members(most)?;
        Some(members.into_iter().map(|(name, at)| (name, Self { at, ..self })).collect())
    }
}
