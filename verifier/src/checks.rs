//! The list of checks that passed.

use alloc::string::String;
use alloc::vec::Vec;

/// One check that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The code that a refusal by this check has.
    pub code: &'static str,
    /// What was checked, in words.
    pub what: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// The accepted values.
    pub expected: String,
    /// The value found.
    pub found: String,
}

/// The checks that passed so far, in order.
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
        self.add(Check { code, what, source, expected: expected.into(), found: found.into() });
    }

    // Once for all kinds of texts: browsers load this.
    #[inline(never)]
    fn add(&mut self, check: Check) {
        self.0.push(check);
    }

    pub(crate) fn into_list(self) -> Vec<Check> {
        self.0
    }
}
