//! Measures the progress of a transfer: waits for a slow peer that moves bytes, but not for a silent one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// A deadline that moves with the bytes.
///
/// Waiting uses up an allowance of [`limits::STALL`]; each byte gives back its time at [`limits::LEAST_RATE`].
#[derive(Debug)]
pub struct Pace {
    left: Duration,
    /// Since when the node waits for the peer.
    since: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { left: limits::STALL, since: Instant::now() }
    }
}

impl Pace {
    /// When the node has waited too long for the peer.
    pub fn deadline(&self) -> Instant {
        self.since + self.left
    }

    /// Notes that the peer moved `bytes`. The wait for the next ones begins now.
    pub fn moved(&mut self, bytes: usize) {
        let now = Instant::now();
        let earned = Duration::from_secs_f64(bytes as f64 / limits::LEAST_RATE as f64);
        let used = now.duration_since(self.since);
        self.left = (self.left.saturating_sub(used) + earned).min(limits::STALL);
        self.since = now;
    }
}

/// The pace at which a client takes its answer. The clock runs only while the node waits for the client.
#[derive(Debug, Default)]
pub struct Taking(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pace: Pace,
    /// Number and length of the piece that the client has not taken.
    waits: Option<(u64, usize)>,
    pieces: u64,
}

impl Taking {
    /// Notes that a piece of `bytes` waits for the client. Returns its number.
    pub fn offer(&self, bytes: usize) -> u64 {
        let mut state = self.lock();
        state.pieces += 1;
        state.waits = Some((state.pieces, bytes));
        state.pace.since = Instant::now();
        state.pieces
    }

    /// Notes that the client has taken the piece with this number.
    pub fn took(&self, piece: u64) {
        let mut state = self.lock();
        if let Some((number, bytes)) = state.waits
            && number == piece
        {
            state.pace.moved(bytes);
            state.waits = None;
        }
    }

    /// Notes that the client has taken everything that was offered.
    pub fn took_all(&self) {
        let pieces = self.lock().pieces;
        self.took(pieces);
    }

    /// Whether a piece waits for the client.
    pub fn is_waiting(&self) -> bool {
        self.lock().waits.is_some()
    }

    /// Whether a piece has waited for too long.
    pub fn has_stalled(&self) -> bool {
        let state = self.lock();
        state.waits.is_some() && state.pace.deadline() <= Instant::now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn silence_ends_and_a_slow_peer_does_not() {
        let mut pace = Pace::default();
        assert_eq!(pace.deadline(), Instant::now() + limits::STALL);
        // 4 MiB at 30 kB a second.
        for _ in 0..140 {
            advance(SECOND).await;
            assert!(Instant::now() < pace.deadline());
            pace.moved(30_000);
        }
        advance(limits::STALL).await;
        assert!(Instant::now() >= pace.deadline());
    }

    #[tokio::test(start_paused = true)]
    async fn the_least_rate_is_enough_and_a_tenth_less_is_not() {
        for (rate, enough) in [(limits::LEAST_RATE, true), (limits::LEAST_RATE * 9 / 10, false)] {
            let mut pace = Pace::default();
            let mut alive = true;
            for _ in 0..600 {
                advance(SECOND).await;
                alive &= Instant::now() < pace.deadline();
                pace.moved(rate as usize);
            }
            assert_eq!(alive, enough, "{rate}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bursts_earn_no_more_than_the_allowance() {
        let mut pace = Pace::default();
        pace.moved(1 << 30);
        assert_eq!(pace.deadline(), Instant::now() + limits::STALL);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clients_clock_stops_while_nothing_waits() {
        let taking = Taking::default();
        advance(limits::STALL * 10).await;
        assert!(!taking.has_stalled() && !taking.is_waiting());
        let first = taking.offer(1);
        advance(limits::STALL - SECOND).await;
        assert!(!taking.has_stalled() && taking.is_waiting());
        taking.took(first);
        let second = taking.offer(1);
        taking.took(first);
        advance(SECOND * 2).await;
        assert!(taking.has_stalled(), "crumbs earn nothing");
        taking.took(second);
        assert!(!taking.has_stalled() && !taking.is_waiting());
    }
}
