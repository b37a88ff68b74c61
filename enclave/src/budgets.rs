//! What callers share: memory, exchange slots, each provider's slots, and heads.

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
    /// Heads that callers asked for within the last second.
    pub heads: Arc<Shares>,
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
            heads: Shares::new(limits::HEADS),
            details,
        }
    }

    /// Returns whether `party` may have a head now. It is counted for a second.
    pub fn take_head(&self, party: Party) -> bool {
        let Some(head) = self.heads.take(party, 1) else { return false };
        tokio::spawn(async move {
            tokio::time::sleep(limits::HEADS_TIME).await;
            drop(head);
        });
        true
    }

    /// The memory budget as `party` may use it.
    pub fn account(&self, party: Party) -> Account {
        Account { memory: Arc::clone(&self.memory), party }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Config;

    #[tokio::test(start_paused = true)]
    async fn heads_are_counted_for_a_second() {
        let file = "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n[[upstream]]\nname = \"p\"\n\
                    host = \"p.example\"\napi = \"openai\"\nmodels = [\"*\"]\n";
        let budgets = Budgets::new(&Config::parse(file.into()).unwrap().settings);
        let (greedy, other) = (Party::Connection(1), Party::Connection(2));
        let taken = (0..limits::HEADS).filter(|_| budgets.take_head(greedy)).count() as u64;
        assert!(taken > 1 && taken < limits::HEADS, "one party has a part: {taken}");
        assert!(!budgets.take_head(greedy) && budgets.take_head(other), "others have theirs");
        tokio::time::sleep(limits::HEADS_TIME * 2).await;
        assert_eq!(budgets.heads.held(), 0);
        assert!(budgets.take_head(greedy));
    }
}
