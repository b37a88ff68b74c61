//! Counts by name, and lists of times.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts that many tasks add to.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    /// Adds one.
    pub(crate) fn add(&self, name: impl Into<String>) {
        *self.lock().entry(name.into()).or_default() += 1;
    }

    /// Returns the count of one name.
    pub(crate) fn of(&self, name: &str) -> u64 {
        self.lock().get(name).copied().unwrap_or_default()
    }

    /// Returns the sum of all counts.
    pub(crate) fn total(&self) -> u64 {
        self.lock().values().sum()
    }

    /// Returns `name: count` for each name, largest first, separated by commas.
    pub(crate) fn listed(&self) -> String {
        let mut counts: Vec<_> = self.lock().clone().into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let listed: Vec<_> = counts.into_iter().map(|(name, count)| format!("{name}: {count}")).collect();
        if listed.is_empty() { "none".into() } else { listed.join(", ") }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Durations that many tasks add to, milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Times(Mutex<Vec<f64>>);

impl Times {
    /// Adds one.
    pub(crate) fn add(&self, time: std::time::Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(time.as_secs_f64() * 1000.0);
    }

    /// Returns the value at a percentile, given as a share. 0 if there are no values.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        values.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_listed_largest_first() {
        let tally = Tally::default();
        assert_eq!(tally.listed(), "none");
        ["b", "a", "b"].into_iter().for_each(|name| tally.add(name));
        assert_eq!((tally.listed().as_str(), tally.total(), tally.of("c")), ("b: 2, a: 1", 3, 0));
    }

    #[test]
    fn percentiles_are_of_sorted_values() {
        let times = Times::default();
        assert_eq!(times.percentile(0.99), 0.0);
        (0..=100).rev().for_each(|ms| times.add(std::time::Duration::from_millis(ms)));
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| times.percentile(share).round()), [0.0, 50.0, 99.0, 100.0]);
    }
}
