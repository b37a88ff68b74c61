//! One running generation.

use std::time::Instant;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::error::EngineError;
use crate::generation::{Event, Finish};
use crate::model::vocab::Vocab;
use crate::run::{Candidates, Run};
use crate::scheduler::CacheScope;

/// Events that a step may send: text, and the end.
const EVENTS_A_STEP: usize = 2;

/// A request that waits for, or has, a sequence.
pub(super) struct Job {
    pub(super) prompt: Vec<u32>,
    pub(super) run: Run,
    pub(super) scope: Option<CacheScope>,
    pub(super) events: Sender<Event>,
}

/// A job on a sequence of the context.
pub(super) struct Slot {
    /// The sequence, for as long as the engine lives.
    pub(super) sequence: usize,
    /// Tokens of this sequence that have been decoded.
    pub(super) decoded: usize,
    /// Of those, how many were there from the start.
    cached: usize,
    /// When the job got its sequence.
    pub(super) since: Instant,
    job: Job,
}

/// What a slot wants of the next step.
pub(super) enum Wants {
    /// Prompt tokens from `decoded` on, this many.
    Prefill(usize),
    /// Its newest token.
    Decode(u32),
    /// Nothing: its reader lags behind.
    Pause,
}

impl Slot {
    /// `decoded` tokens of the prompt are in the sequence already.
    pub(super) fn new(sequence: usize, decoded: usize, job: Job) -> Self {
        Self { sequence, decoded, cached: decoded, since: Instant::now(), job }
    }

    pub(super) fn wants(&self) -> Wants {
        if self.job.events.capacity() < EVENTS_A_STEP {
            return Wants::Pause;
        }
        match self.job.run.output().last() {
            Some(newest) => Wants::Decode(*newest),
            None => Wants::Prefill(self.job.prompt.len() - self.decoded),
        }
    }

    /// The next `count` tokens of the prompt.
    pub(super) fn prompt(&self, count: usize) -> &[u32] {
        self.job.prompt.get(self.decoded..self.decoded + count).unwrap_or_default()
    }

    pub(super) fn scope(&self) -> Option<&CacheScope> {
        self.job.scope.as_ref()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.job.events.is_closed()
    }

    /// Takes the logits of this sequence's newest position; false when the generation is over.
    pub(super) fn advance(&mut self, logits: &[f32], vocab: &Vocab, candidates: &mut Candidates) -> bool {
        let run = &mut self.job.run;
        let taken = match run.choose(logits, vocab, candidates).and_then(|id| run.take(id, logits, vocab)) {
            Ok(taken) => taken,
            Err(error) => return self.fail(error),
        };
        if (taken.token.is_some() || !taken.text.is_empty())
            && !self.send(Event::Text { text: taken.text, tokens: taken.token.into_iter().collect() })
        {
            return false;
        }
        match taken.finish {
            Some(reason) => self.finish(reason),
            None => true,
        }
    }

    /// Ends the generation with an error; always false.
    pub(super) fn fail(&mut self, error: EngineError) -> bool {
        self.send(Event::Failed(error));
        false
    }

    /// The tokens in the sequence, and their scope.
    pub(super) fn into_tokens(self) -> (Option<CacheScope>, Vec<u32>) {
        let Job { mut prompt, run, scope, .. } = self.job;
        prompt.extend(run.output());
        prompt.truncate(self.decoded);
        (scope, prompt)
    }

    fn finish(&mut self, reason: Finish) -> bool {
        let output_tokens = self.job.run.output().to_vec();
        self.send(Event::Finished { reason, output_tokens, cached_tokens: self.cached });
        false
    }

    /// Sends an event. False if its reader is gone.
    fn send(&mut self, event: Event) -> bool {
        match self.job.events.try_send(event) {
            Ok(()) => true,
            // `wants` left room for what a step sends.
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        }
    }
}
