//! Texts, byte strings, lists and integers with bounds in their types, so a value out of bounds cannot be made.

use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::FormatError;

/// What [`FormatError::OutOfRange`] expects of a text.
pub(crate) const TEXT: &str = "a non-empty text within its limit";
/// What it expects of a byte string.
pub(crate) const LENGTH: &str = "a length within its limits";
/// What it expects of a list.
pub(crate) const ELEMENTS: &str = "fewer elements";

/// A text of 1 to `MAX` bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Returns an error for an empty text and for one of more than `MAX` bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, FormatError> {
        let text = text.into();
        match Self::fits(&text) {
            true => Ok(Self(text)),
            false => Err(FormatError::OutOfRange { field: "text", expected: TEXT }),
        }
    }

    /// Returns true if a text has 1 to `MAX` bytes.
    pub fn fits(text: &str) -> bool {
        (1..=MAX).contains(&text.len())
    }

    /// For decoders only, which refuse a text out of bounds before they return it.
    pub(crate) fn unchecked(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> AsRef<str> for Text<MAX> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Borrow<str> for Text<MAX> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> TryFrom<&str> for Text<MAX> {
    type Error = FormatError;

    fn try_from(text: &str) -> Result<Self, FormatError> {
        Self::new(text)
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Self, FormatError> {
        Self::new(text)
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> PartialEq<str> for Text<MAX> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl<const MAX: usize> PartialEq<&str> for Text<MAX> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<const MAX: usize> PartialEq<String> for Text<MAX> {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

/// A byte string of `MIN` to `MAX` bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Blob<const MIN: usize, const MAX: usize>(Vec<u8>);

impl<const MIN: usize, const MAX: usize> Blob<MIN, MAX> {
    /// Returns an error unless the length is `MIN` to `MAX`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, FormatError> {
        let bytes = bytes.into();
        match (MIN..=MAX).contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(FormatError::OutOfRange { field: "bytes", expected: LENGTH }),
        }
    }

    /// For decoders only, which refuse bytes out of bounds before they return them.
    pub(crate) fn unchecked(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl<const MIN: usize, const MAX: usize> Deref for Blob<MIN, MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> AsRef<[u8]> for Blob<MIN, MAX> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> TryFrom<Vec<u8>> for Blob<MIN, MAX> {
    type Error = FormatError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, FormatError> {
        Self::new(bytes)
    }
}

impl<const MIN: usize, const MAX: usize> From<Blob<MIN, MAX>> for Vec<u8> {
    fn from(bytes: Blob<MIN, MAX>) -> Self {
        bytes.0
    }
}

/// A list of at most `MAX` elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Returns an error for more than `MAX` elements.
    pub fn new(elements: impl Into<Vec<T>>) -> Result<Self, FormatError> {
        let elements = elements.into();
        match elements.len() <= MAX {
            true => Ok(Self(elements)),
            false => Err(FormatError::OutOfRange { field: "list", expected: ELEMENTS }),
        }
    }

    /// For decoders only, which have checked the count.
    pub(crate) fn unchecked(elements: Vec<T>) -> Self {
        Self(elements)
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> DerefMut for List<T, MAX> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = FormatError;

    fn try_from(elements: Vec<T>) -> Result<Self, FormatError> {
        Self::new(elements)
    }
}

impl<T, const MAX: usize> From<List<T, MAX>> for Vec<T> {
    fn from(list: List<T, MAX>) -> Self {
        list.0
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a List<T, MAX> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// An integer from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounded<const MIN: u16, const MAX: u16>(u16);

impl<const MIN: u16, const MAX: u16> Bounded<MIN, MAX> {
    /// The smallest value, `MIN`.
    pub const LEAST: Self = Self(MIN);

    /// Returns an error unless `number` is `MIN` to `MAX`.
    pub fn new(number: u16) -> Result<Self, FormatError> {
        match (MIN..=MAX).contains(&number) {
            true => Ok(Self(number)),
            false => Err(FormatError::OutOfRange { field: "number", expected: "an integer within its bounds" }),
        }
    }

    /// For decoders only, which refuse an integer out of bounds before they return it.
    pub(crate) fn unchecked(number: u16) -> Self {
        Self(number)
    }

    /// The integer.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The next greater integer; `MAX` stays `MAX`.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1).min(MAX))
    }
}

impl<const MIN: u16, const MAX: u16> fmt::Display for Bounded<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<const MIN: u16, const MAX: u16> TryFrom<u16> for Bounded<MIN, MAX> {
    type Error = FormatError;

    fn try_from(number: u16) -> Result<Self, FormatError> {
        Self::new(number)
    }
}

impl<const MIN: u16, const MAX: u16> From<Bounded<MIN, MAX>> for u16 {
    fn from(number: Bounded<MIN, MAX>) -> Self {
        number.0
    }
}

impl<const MIN: u16, const MAX: u16> PartialEq<u16> for Bounded<MIN, MAX> {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloc::vec;

    use super::*;

    #[test]
    fn bounds_hold_at_the_limit_and_one_past_it() {
        for (length, fits) in [(0, false), (1, true), (16, true), (17, false)] {
            assert_eq!(Text::<16>::new("a".repeat(length)).is_ok(), fits, "{length}");
        }
        assert!(Text::<3>::new("é1").is_ok() && Text::<3>::new("éé").is_err(), "bytes count, not characters");
        for (length, fits) in [(1, false), (2, true), (4, true), (5, false)] {
            assert_eq!(Blob::<2, 4>::new(vec![0; length]).is_ok(), fits, "{length}");
        }
        for (count, fits) in [(0, true), (2, true), (3, false)] {
            assert_eq!(List::<_, 2>::new(vec![(); count]).is_ok(), fits, "{count}");
        }
        for (number, fits) in [(99, false), (100, true), (999, true), (1000, false)] {
            assert_eq!(Bounded::<100, 999>::new(number).is_ok(), fits, "{number}");
        }
        assert_eq!(Bounded::<0, 1>::LEAST.next().next().get(), 1);
    }
}
