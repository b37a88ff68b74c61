//! Measurements of Quoth and of a peer, and their ratio as a row.

use crate::row::{Goal, Row};
use crate::statistics::Series;

/// Alternating measurements of Quoth and of a peer.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    ours: Series,
    peer: Series,
}

impl Pair {
    pub(crate) fn push(&mut self, ours: f64, peer: f64) {
        self.ours.push(ours);
        self.peer.push(peer);
    }

    /// Returns the ratio as a row.
    pub(crate) fn row(&self, what: &str, peer: &str, unit: &str, goal: Goal) -> Row {
        Row {
            what: what.into(),
            ours: format!("{:.1} {unit}", self.ours.median()),
            peer: format!("{peer}: {:.1} {unit}", self.peer.median()),
            value: self.ours.over(&self.peer),
            goal,
        }
    }
}
