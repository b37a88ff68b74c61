//! The time that evidence is judged at.

/// How far two clocks may be apart, seconds.
pub const CLOCK_SKEW: u64 = 300;

/// The time that evidence is judged at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Now, by the relying party's own clock: certificates, age of the evidence and the statement's window are held
    /// against it, with [`CLOCK_SKEW`] of grace.
    Live {
        /// Unix seconds.
        now: u64,
    },
    /// A moment in the past: that of a receipt. Certificates are held against the time that the platform signed into its
    /// document, the statement's window against `at`.
    Archived {
        /// Unix seconds: the receipt's `iat`.
        at: u64,
    },
}

/// The time that a transcript is judged at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeChoice {
    /// [`Time::Archived`], at the `iat` of the transcript's own receipt.
    Archived,
    /// [`Time::Live`]: the evidence must be fresh, too.
    Live {
        /// Unix seconds.
        now: u64,
    },
}
