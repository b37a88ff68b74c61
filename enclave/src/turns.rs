//! Turns at work that runs a few at a time. Waiting parties take turns, round robin.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::shares::Party;

/// Gives out turns.
pub struct Turns(Mutex<State>);

struct State {
    /// Free turns.
    free: usize,
    /// Parties that wait, the next one first; each with its requests, oldest first.
    waiting: VecDeque<(Party, VecDeque<oneshot::Sender<Turn>>)>,
}

/// A turn in use. Dropping it gives the turn to the next party.
pub struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// At most `most` at a time.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: most, waiting: VecDeque::new() })))
    }

    /// Waits for a turn of `party`. The caller bounds how many wait.
    pub async fn take(self: &Arc<Self>, party: Party) -> Turn {
        loop {
            let wait = {
                let mut state = self.lock();
                if state.free > 0 {
                    state.free -= 1;
                    return Turn(Some(Arc::clone(self)));
                }
                state.wait(party)
            };
            if let Ok(turn) = wait.await {
                return turn;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, party: Party) -> oneshot::Receiver<Turn> {
        let (sender, receiver) = oneshot::channel();
        match self.waiting.iter_mut().find(|(waits, _)| *waits == party) {
            Some((_, requests)) => requests.push_back(sender),
            None => self.waiting.push_back((party, VecDeque::from([sender]))),
        }
        receiver
    }

    /// Removes the next request; its party goes to the end of the line.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let (party, mut requests) = self.waiting.pop_front()?;
        let next = requests.pop_front();
        if !requests.is_empty() {
            self.waiting.push_back((party, requests));
        }
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        loop {
            let mut state = turns.lock();
            let Some(next) = state.next() else {
                state.free += 1;
                return;
            };
            drop(state);
            match next.send(Self(Some(Arc::clone(&turns)))) {
                Ok(()) => return,
                // That request no longer waits, so the turn goes to the next.
                Err(mut unused) => unused.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures_util::FutureExt;
    use tokio::sync::mpsc;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn parties_take_turns_however_much_one_asks() {
        let turns = Turns::new(1);
        let first = turns.take(Party::Connection(0)).await;
        let (order, mut served) = mpsc::unbounded_channel();
        for party in [1, 1, 1, 2, 3, 2] {
            let (turns, order) = (Arc::clone(&turns), order.clone());
            tokio::spawn(async move {
                let _turn = turns.take(Party::Connection(party)).await;
                order.send(party).unwrap();
            });
            yield_now().await;
        }
        drop((first, order));
        let mut found = Vec::new();
        while let Some(party) = served.recv().await {
            found.push(party);
        }
        assert_eq!(found, [1, 2, 3, 1, 2, 1]);
        assert_eq!(turns.lock().free, 1);
    }

    #[tokio::test]
    async fn who_leaves_costs_no_turn() {
        let turns = Turns::new(1);
        let first = turns.take(Party::Connection(0)).await;
        for party in [1, 2, 3] {
            let mut wait = Box::pin(turns.take(Party::Connection(party)));
            assert!((&mut wait).now_or_never().is_none());
        }
        // A request may leave after it was given the turn and before it took it.
        let mut late = Box::pin(turns.take(Party::Connection(4)));
        assert!((&mut late).now_or_never().is_none());
        drop(first);
        drop(late);
        assert_eq!(turns.lock().free, 1);
        drop(turns.take(Party::Connection(5)).await);
    }
}
