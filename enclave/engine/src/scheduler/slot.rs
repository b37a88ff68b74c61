//! One running generation.

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::sampler::{self, Candidates, Sampler};
use super::text::Text;
use crate::engine::{Event, Finish, TokenInfo};
use crate::error::EngineError;
use crate::model::vocab::Vocab;

/// Room that a step needs: its text, and the end.
const EVENTS_A_STEP: usize = 2;

/// A request that waits for, or has, a sequence.
pub(super) struct Job {
    pub(super) prompt: Vec<u32>,
    pub(super) stop: Vec<String>,
    pub(super) max_tokens: u32,
    pub(super) logprobs: Option<u8>,
    pub(super) sampler: Sampler,
    pub(super) events: Sender<Event>,
}

/// A job on a sequence of the context.
pub(super) struct Slot {
    /// The sequence, for as long as the engine lives.
    pub(super) sequence: i32,
    /// Tokens of this sequence that have been decoded.
    pub(super) decoded: usize,
    job: Box<Job>,
    text: Text,
    output: Vec<u32>,
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
    pub(super) fn new(sequence: i32, mut job: Box<Job>) -> Self {
        let text = Text::new(std::mem::take(&mut job.stop));
        Self { sequence, decoded: 0, job, text, output: Vec::new() }
    }

    pub(super) fn wants(&self) -> Wants {
        if self.job.events.capacity() < EVENTS_A_STEP {
            return Wants::Pause;
        }
        match self.output.last() {
            Some(newest) => Wants::Decode(*newest),
            None => Wants::Prefill(self.job.prompt.len() - self.decoded),
        }
    }

    /// Prompt tokens `from..from + count`.
    pub(super) fn prompt(&self, count: usize) -> &[u32] {
        self.job.prompt.get(self.decoded..self.decoded + count).unwrap_or_default()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.job.events.is_closed()
    }

    /// Takes the logits of this sequence's newest position; false when the generation is over.
    pub(super) fn advance(&mut self, logits: &[f32], vocab: &Vocab, candidates: &mut Candidates) -> bool {
        let id = match self.job.sampler.choose(logits, vocab, candidates) {
            Ok(id) => id,
            Err(error) => return self.fail(error),
        };
        self.output.push(id);
        if vocab.ends(id) {
            let text = self.text.flush();
            return (text.is_empty() || self.send(Event::Text { text, tokens: Vec::new() }))
                && self.finish(Finish::Stop);
        }
        if let Err(error) = self.job.sampler.accept(id, vocab) {
            return self.fail(error);
        }
        let step = self.text.push(vocab.piece(id));
        let last = !step.stopped && self.output.len() >= self.job.max_tokens as usize;
        let mut text = step.text;
        if last {
            text.push_str(&self.text.flush());
        }
        let info = self.info(id, logits, vocab);
        if !self.send(Event::Text { text, tokens: vec![info] }) {
            return false;
        }
        match (step.stopped, last) {
            (true, _) => self.finish(Finish::Stop),
            (_, true) => self.finish(Finish::Length),
            _ => true,
        }
    }

    /// Ends the generation with an error; always false.
    pub(super) fn fail(&mut self, error: EngineError) -> bool {
        self.send(Event::Failed(error));
        false
    }

    fn finish(&mut self, reason: Finish) -> bool {
        let output_tokens = std::mem::take(&mut self.output);
        self.send(Event::Finished { reason, output_tokens });
        false
    }

    fn info(&self, id: u32, logits: &[f32], vocab: &Vocab) -> TokenInfo {
        let Some(count) = self.job.logprobs else {
            return TokenInfo { id, bytes: Vec::new(), logprob: 0.0, top: Vec::new() };
        };
        let (logprob, top) = sampler::logprobs(logits, id, count);
        let top = top.into_iter().map(|(id, logprob)| (id, vocab.piece(id).to_vec(), logprob)).collect();
        TokenInfo { id, bytes: vocab.piece(id).to_vec(), logprob, top }
    }

    /// False when nobody listens any more.
    fn send(&mut self, event: Event) -> bool {
        match self.job.events.try_send(event) {
            Ok(()) => true,
            // `wants` left room for what a step sends.
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        }
    }
}
