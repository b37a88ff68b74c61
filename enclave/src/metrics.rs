//! Counters: names and numbers, in Prometheus text (text exposition format 0.0.4).

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use quoth_attestation::receipt::Outcome;

/// What happened since boot.
#[derive(Default)]
pub struct Metrics {
    /// Client connections open now.
    pub connections: Gauge,
    /// Prompt tokens read.
    pub prompt_tokens: AtomicU64,
    /// Tokens produced.
    pub completion_tokens: AtomicU64,
    /// Requests turned away before they became exchanges.
    pub shed: AtomicU64,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

impl Metrics {
    /// Counts an outcome.
    pub fn count(&self, outcome: Outcome) {
        for (known, counter) in Outcome::ALL.iter().zip(&self.outcomes) {
            counter.fetch_add(u64::from(*known == outcome), Relaxed);
        }
    }

    /// Exchanges that have ended.
    pub fn ended(&self) -> u64 {
        self.outcomes.iter().map(|counter| counter.load(Relaxed)).sum()
    }

    /// The counters as text. `gauges`: names and values that are counted elsewhere.
    pub fn text(&self, gauges: &[(&str, u64)]) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, samples: &[(String, u64)]| {
            // safe to ignore: writing into a String cannot fail
            let _ = writeln!(text, "# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let plain = |value: u64| [(String::new(), value)];
        let outcomes: Vec<_> = (Outcome::ALL.iter().zip(&self.outcomes))
            .map(|(outcome, counter)| (format!("{{outcome=\"{}\"}}", outcome.name()), counter.load(Relaxed)))
            .collect();
        family("quoth_exchanges_total", "counter", &outcomes);
        family("quoth_shed_total", "counter", &plain(self.shed.load(Relaxed)));
        family("quoth_prompt_tokens_total", "counter", &plain(self.prompt_tokens.load(Relaxed)));
        family("quoth_completion_tokens_total", "counter", &plain(self.completion_tokens.load(Relaxed)));
        family("quoth_connections", "gauge", &plain(self.connections.value()));
        gauges.iter().for_each(|(name, value)| family(name, "gauge", &plain(*value)));
        text
    }
}

/// Counts things that exist now, by their guards.
#[derive(Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// A guard for one thing that exists.
pub struct Counted(Arc<AtomicU64>);

impl Gauge {
    /// Counts one more until the guard is dropped; none if there are `limit` already.
    pub fn enter_below(&self, limit: u64) -> Option<Counted> {
        let guard = Counted(Arc::clone(&self.0));
        let before = self.0.fetch_add(1, Relaxed);
        (before < limit).then_some(guard)
    }

    /// How many there are.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_gauge_stops_at_its_limit_and_counts_down() {
        let gauge = Gauge::default();
        let one = gauge.enter_below(1).unwrap();
        assert!(gauge.enter_below(1).is_none());
        assert_eq!(gauge.value(), 1);
        drop(one);
        assert_eq!(gauge.value(), 0);
    }

    #[test]
    fn the_text_has_every_outcome() {
        let metrics = Metrics::default();
        metrics.count(Outcome::Refused);
        let text = metrics.text(&[("quoth_receipts_unacknowledged", 3)]);
        assert!(text.contains("quoth_exchanges_total{outcome=\"refused\"} 1\n"));
        assert!(text.contains("quoth_exchanges_total{outcome=\"complete\"} 0\n"));
        assert!(text.contains("quoth_receipts_unacknowledged 3\n"));
        assert_eq!(metrics.ended(), 1);
    }
}
