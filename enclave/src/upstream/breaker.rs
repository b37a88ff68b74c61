//! A circuit breaker: requests to a provider that cannot be reached fail at once for a while, instead of each after its
//! own deadline.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::UpstreamError;
use crate::limits;

/// Whether a provider may be connected to.
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
    /// Lets a connection be tried.
    ///
    /// # Errors
    /// That of the last attempt, while the breaker is open. When the pause has passed, one attempt is let through to find out
    /// whether the provider is back; others are refused until it has ended.
    pub(super) fn admit(&self) -> Result<(), UpstreamError> {
        let mut state = self.state();
        let (Some((until, error)), now) = (state.open, Instant::now()) else { return Ok(()) };
        if now < until {
            return Err(error);
        }
        state.open = Some((now + limits::UPSTREAM_CONNECT, error));
        Ok(())
    }

    /// Notes how an attempt ended. Only being unreachable or silent counts as a failure: who fails otherwise is there, and
    /// fails quickly.
    pub(super) fn note<T>(&self, attempt: &Result<T, UpstreamError>) {
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

    #[tokio::test(start_paused = true)]
    async fn opens_after_so_many_failures_in_a_row() {
        let breaker = Breaker::default();
        (1..limits::UPSTREAM_FAILURES).for_each(|_| breaker.note(&FAILED));
        assert_eq!(breaker.admit(), Ok(()));
        breaker.note(&Ok(()));
        (1..limits::UPSTREAM_FAILURES).for_each(|_| breaker.note(&FAILED));
        assert_eq!(breaker.admit(), Ok(()), "a success in between");
        breaker.note(&FAILED);
        assert_eq!(breaker.admit(), FAILED);
    }

    #[tokio::test(start_paused = true)]
    async fn lets_one_attempt_through_after_the_pause() {
        let breaker = open();
        sleep(limits::UPSTREAM_PAUSE).await;
        assert_eq!((breaker.admit(), breaker.admit()), (Ok(()), FAILED));
        breaker.note(&FAILED);
        assert_eq!(breaker.admit(), FAILED, "it failed: another pause");
        sleep(limits::UPSTREAM_PAUSE).await;
        assert_eq!(breaker.admit(), Ok(()));
        breaker.note(&Ok(()));
        assert_eq!((breaker.admit(), breaker.admit()), (Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_was_given_up_does_not_keep_it_open() {
        let breaker = open();
        sleep(limits::UPSTREAM_PAUSE).await;
        breaker.admit().unwrap();
        sleep(limits::UPSTREAM_CONNECT).await;
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[test]
    fn who_answers_wrongly_is_there() {
        let breaker = Breaker::default();
        (0..2 * limits::UPSTREAM_FAILURES).for_each(|_| breaker.note(&Err::<(), _>(UpstreamError::Tls)));
        assert_eq!(breaker.admit(), Ok(()));
    }
}
