//! The values of CBOR.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::Digest;
use crate::bounded::{Blob, Bounded, Text};

/// One item of the types that Quoth's formats use. Strings borrow where possible: from the bytes read, or from the value
/// to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An unsigned integer.
    Unsigned(u64),
    /// The integer -1 - n, for this n.
    Negative(u64),
    /// A byte string.
    Bytes(Cow<'a, [u8]>),
    /// A text string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// A map: keys and values in the order written.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// A boolean.
    Bool(bool),
    /// Null: only AWS's formats use it, and the reader refuses it.
    Null,
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Unsigned(number)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        match u64::try_from(number) {
            Ok(number) => Self::Unsigned(number),
            Err(_) => Self::Negative(!number as u64),
        }
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        i64::from(number).into()
    }
}

impl From<u16> for Value<'_> {
    fn from(number: u16) -> Self {
        Self::Unsigned(number.into())
    }
}

impl From<u8> for Value<'_> {
    fn from(number: u8) -> Self {
        Self::Unsigned(number.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        bytes[..].into()
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        bytes[..].into()
    }
}

impl<'a> From<&'a Digest> for Value<'a> {
    fn from(digest: &'a Digest) -> Self {
        (&digest.0).into()
    }
}

impl<'a, const MAX: usize> From<&'a Text<MAX>> for Value<'a> {
    fn from(text: &'a Text<MAX>) -> Self {
        text.as_str().into()
    }
}

impl<'a, const MIN: usize, const MAX: usize> From<&'a Blob<MIN, MAX>> for Value<'a> {
    fn from(bytes: &'a Blob<MIN, MAX>) -> Self {
        bytes[..].into()
    }
}

impl<const MIN: u16, const MAX: u16> From<Bounded<MIN, MAX>> for Value<'_> {
    fn from(number: Bounded<MIN, MAX>) -> Self {
        number.get().into()
    }
}
