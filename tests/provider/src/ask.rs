//! A request that an API understands.

use serde_json::Value;

/// A request's body, and what its answer depends on.
pub(crate) struct Ask {
    pub(crate) body: Value,
    /// The answer's number. Its identifiers are made of it.
    pub(crate) number: u64,
    /// [`Options::deltas`](crate::Options::deltas).
    pub(crate) deltas: Option<usize>,
}

impl Ask {
    /// The model that answers: the requested one with a date, as providers name it.
    pub(crate) fn model(&self) -> String {
        format!("{}-2026-01-01", self.body["model"].as_str().unwrap_or_default())
    }

    pub(crate) fn streams(&self) -> bool {
        self.body["stream"] == true
    }
}
