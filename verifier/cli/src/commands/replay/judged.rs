//! The results of a replay.

use std::path::PathBuf;
use std::time::Duration;

use super::prepare::Facts;
use super::verdict::Verdict;

/// The results for all exchanges.
pub(crate) struct Replayed {
    pub(super) judged: Vec<Judged>,
    /// The model file, and its SHA-256.
    pub(super) model: (PathBuf, String),
    /// Tokens computed, and how long loading and computing took; `None` if there was nothing to compute.
    pub(super) pass: Option<Pass>,
}

pub(super) struct Judged {
    pub(super) file: PathBuf,
    /// Facts from its receipt; `None` if it was refused.
    pub(super) facts: Option<Facts>,
    pub(super) verdict: Verdict,
}

/// The one pass over all outputs.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) tokens: usize,
    pub(super) load: Duration,
    pub(super) compute: Duration,
}
