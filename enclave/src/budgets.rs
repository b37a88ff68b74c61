//! What callers share: memory, exchange slots, and each provider's slots.

use std::sync::Arc;

use crate::config::{self, Settings};
use crate::limits;
use crate::shares::{Account, Party, Shares};

/// The node's budgets.
pub struct Budgets {
    /// Memory for admitted requests, bytes.
    pub memory: Arc<Shares>,
    /// Memory for requests that are not admitted, bytes.
    pub unadmitted: Arc<Shares>,
    /// Exchanges in progress, by caller.
    pub slots: Arc<Shares>,
    /// Exchanges in progress with each provider, in configuration order, by caller.
    pub upstream_slots: Vec<Arc<Shares>>,
    /// Memory for kept details, bytes.
    pub details: usize,
}

impl Budgets {
    /// Divides what the configuration allows.
    pub fn new(settings: &Settings) -> Self {
        let limits = settings.limits;
        let details = limits.memory_bytes / limits::DETAILS_PART;
        let unadmitted = limits.memory_bytes / limits::UNADMITTED_PART;
        // If one provider does not answer, slots remain for everything else.
        let is_alone = settings.upstreams.len() + settings.models.len() == 1;
        let others = if is_alone { 0 } else { limits.exchanges / limits::UPSTREAM_PART };
        let of_upstream = |_: &config::Upstream| Shares::new((limits.exchanges - others) as u64);
        Self {
            memory: Shares::new((limits.memory_bytes - details - unadmitted) as u64),
            unadmitted: Shares::new(unadmitted as u64),
            slots: Shares::new(limits.exchanges as u64),
            upstream_slots: settings.upstreams.iter().map(of_upstream).collect(),
            details,
        }
    }

    /// The memory budget as `party` may use it.
    pub fn account(&self, party: Party) -> Account {
        Account { memory: Arc::clone(&self.memory), party }
    }
}
