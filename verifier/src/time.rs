//! The time at which evidence is judged.

/// Maximum difference between two clocks, in seconds.
pub const CLOCK_SKEW: u64 = 300;

/// The time at which evidence is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Now, by the relying party's own clock. Certificates, the age of the evidence and the statement's validity are checked
    /// against it, with a tolerance of [`CLOCK_SKEW`].
    Live {
        /// Unix seconds.
        now: u64,
    },
    /// A moment in the past: that of a receipt. Certificates are checked against the time that the platform signed into its
    /// document, the statement's validity against `at`.
    Archived {
        /// Unix seconds: the receipt's `iat`.
        at: u64,
    },
}

/// The time at which a transcript is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeChoice {
    /// [`Time::Archived`], at the `iat` of the transcript's receipt.
    Archived,
    /// [`Time::Live`]: the evidence must also be fresh.
    Live {
        /// Unix seconds.
        now: u64,
    },
}
