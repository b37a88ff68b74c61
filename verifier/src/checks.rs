//! The list of what was checked and held.

use alloc::string::String;
use alloc::vec::Vec;

/// One thing that was checked and held.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The code that its refusal would have had.
    pub code: &'static str,
    /// What was checked, in words.
    pub what: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// What would have been accepted.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// What has held so far, in order.
#[derive(Default)]
pub(crate) struct Checks(Vec<Check>);

impl Checks {
    pub(crate) fn held(
        &mut self,
        code: &'static str,
        what: &'static str,
        source: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.0.push(Check { code, what, source, expected: expected.into(), found: found.into() });
    }

    pub(crate) fn into_list(self) -> Vec<Check> {
        self.0
    }
}
