//! A circuit breaker: requests to an unreachable provider fail at once for a while, instead of each at its own
//! deadline.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::UpstreamError;
use crate::limits;

/// Decides whether the node may connect to a provider.
#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    /// Attempts that failed since the last one that succeeded.
    failures: u32,
    /// Until when attempts are refused, and with which error.
    open: Option<(Instant, UpstreamError)>,
}

impl Breaker {
    /// Allows an attempt to connect. Note its end with [`Attempt::note`].
    ///
    /// # Errors The last attempt's error, while the breaker is open. After the pause, one attempt tests whether the
    /// provider is back; others are refused until it has ended.
    pub(super) fn admit(&self) -> Result<Attempt<'_>, UpstreamError> {
        let mut state = self.state();
        let (Some((until, error)), now) = (state.open, Instant::now()) else {
            return Ok(Attempt { breaker: self, probes: None });
        };
        if now < until {
            return Err(error);
        }
        state.open = Some((now + limits::UPSTREAM_CONNECT, error));
        Ok(Attempt { breaker: self, probes: Some(error) })
    }

    /// Notes how an attempt ended. Only unreachable or silent providers count as failures. Others are there, and fail
    /// quickly.
    fn note<T>(&self, attempt: &Result<T, UpstreamError>) {
        let mut state = self.state();
        match attempt {
            Err(error @ (UpstreamError::Unreachable | UpstreamError::Silent)) => {
                state.failures = state.failures.saturating_add(1);
                if state.failures >= limits::UPSTREAM_FAILURES {
                    state.open = Some((Instant::now() + limits::UPSTREAM_PAUSE, *error));
                }
            }
            _ => *state = State::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt to connect. If it is dropped without a note, the next attempt becomes the test.
pub(super) struct Attempt<'a> {
    breaker: &'a Breaker,
    /// For the one attempt through an open breaker: the error that others get.
    probes: Option<UpstreamError>,
}

impl Attempt<'_> {
    /// Notes how it ended.
    pub(super) fn note<T>(mut self, attempt: &Result<T, UpstreamError>) {
        self.probes = None;
        self.breaker.note(attempt);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(error) = self.probes {
            self.breaker.state().open = Some((Instant::now(), error));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::time::sleep;

    use super::*;

    const FAILED: Result<(), UpstreamError> = Err(UpstreamError::Unreachable);

    fn open() -> Breaker {
        let breaker = Breaker::default();
        (0..limits::UPSTREAM_FAILURES).for_each(|_| breaker.note(&FAILED));
        breaker
    }

    /// Whether an attempt would be admitted. It is not made.
    fn admits(breaker: &Breaker) -> Result<(), UpstreamError> {
        breaker.admit().map(drop)
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_so_many_failures_in_a_row() {
        let breaker = Breaker::default();
        (1..limits::UPSTREAM_FAILURES).for_each(|_| breaker.note(&FAILED));
        assert_eq!(admits(&breaker), Ok(()));
        breaker.note(&Ok(()));
        (1..limits::UPSTREAM_FAILURES).for_each(|_| breaker.note(&FAILED));
        assert_eq!(admits(&breaker), Ok(()), "a success in between");
        breaker.note(&FAILED);
        assert_eq!(admits(&breaker), FAILED);
    }

    #[tokio::test(start_paused = true)]
    async fn lets_one_attempt_through_after_the_pause() {
        let breaker = open();
        sleep(limits::UPSTREAM_PAUSE).await;
        let attempt = breaker.admit().ok().unwrap();
        assert_eq!(admits(&breaker), FAILED);
        attempt.note(&FAILED);
        assert_eq!(admits(&breaker), FAILED, "it failed: another pause");
        sleep(limits::UPSTREAM_PAUSE).await;
        breaker.admit().ok().unwrap().note(&Ok(()));
        let both = [breaker.admit(), breaker.admit()];
        assert!(both.iter().all(Result::is_ok));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_was_given_up_leaves_it_to_the_next() {
        let breaker = open();
        sleep(limits::UPSTREAM_PAUSE).await;
        for _ in 0..3 {
            drop(breaker.admit().ok().unwrap());
        }
        breaker.admit().ok().unwrap().note(&Ok(()));
        assert_eq!(admits(&breaker), Ok(()));
    }

    #[test]
    fn who_answers_wrongly_is_there() {
        let breaker = Breaker::default();
        (0..2 * limits::UPSTREAM_FAILURES).for_each(|_| breaker.note(&Err::<(), _>(UpstreamError::Tls)));
        assert_eq!(admits(&breaker), Ok(()));
    }
}
