//! What all connections of a provider share: its options, its behaviour and what arrived.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};

use crate::tls::Tls;
use crate::{Behaviour, Options, Request};

/// The state that connections share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) tls: Tls,
    behaviour: RwLock<Behaviour>,
    requests: Mutex<Vec<Request>>,
    answers: AtomicU64,
    unfinished: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            tls: Tls::new(&options),
            behaviour: RwLock::new(options.behaviour.clone()),
            requests: Mutex::default(),
            answers: AtomicU64::new(0),
            unfinished: AtomicU64::new(0),
            options,
        }
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.behaviour.read().unwrap().clone()
    }

    /// Changes the behaviour from now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.write().unwrap() = behaviour;
    }

    /// How the next request is treated.
    pub(crate) fn treats(&self) -> Behaviour {
        match &mut *self.behaviour.write().unwrap() {
            Behaviour::Unprocessed { times: 0, .. } => Behaviour::Good,
            Behaviour::Unprocessed { times, by } => {
                *times -= 1;
                Behaviour::Unprocessed { times: *times, by: *by }
            }
            behaviour => behaviour.clone(),
        }
    }

    pub(crate) fn keep(&self, request: Request) {
        if self.options.record {
            self.requests.lock().unwrap().push(request);
        }
    }

    /// All requests that were kept.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Counts an answer that did not come to its end.
    pub(crate) fn broke_off(&self) {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
    }

    /// Answers that did not come to their end.
    pub(crate) fn unfinished(&self) -> u64 {
        self.unfinished.load(Ordering::Relaxed)
    }

    /// Counts answers; their identifiers are made of it.
    pub(crate) fn number(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed)
    }
}
