//! Names that are safe to print: boot steps and error codes.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A fixed name, such as a boot step or an error code: 1 to [`Name::MAX`] characters of `a-z 0-9 _ . -`. Other text, for
/// example from prompts, does not have this form, so it cannot reach an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Cow<'static, str>);

impl Name {
    /// Maximum number of characters.
    pub const MAX: usize = 64;

    /// Takes a literal as a name. In a constant, an invalid name fails to compile.
    ///
    /// # Panics
    /// If the literal is not a valid name.
    pub const fn of(name: &'static str) -> Self {
        assert!(is_name(name.as_bytes()), "not a name");
        Self(Cow::Borrowed(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_name(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if !matches!(bytes[at], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-') {
            return false;
        }
        at += 1;
    }
    !bytes.is_empty() && bytes.len() <= Name::MAX
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match is_name(text.as_bytes()) {
            true => Ok(Self(Cow::Owned(text))),
            false => Err("not a name"),
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into_owned()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
