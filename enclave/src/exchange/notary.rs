//! What the exchanges of a node are proven with.

use std::sync::Arc;

use super::details::DetailsStore;
use super::ledger::Ledger;
use crate::identity::Identity;
use crate::metrics::Metrics;

/// What every exchange of a node uses: who signs, the receipt chain, kept details, counters.
pub struct Notary {
    /// Who signs.
    pub identity: Arc<Identity>,
    /// The receipt chain.
    pub ledger: Ledger,
    /// Details that callers asked to be kept.
    pub details: DetailsStore,
    /// Counters.
    pub metrics: Arc<Metrics>,
}
