//! One growing output: chooses tokens from logits, makes their text, and decides when the output ends. The node takes
//! the chosen token; a replay takes the recorded one and compares.

mod draw;
mod sampler;
mod text;

use std::sync::Arc;

use quoth_attestation::sampling::Sampling;

pub(crate) use self::sampler::Candidates;
use self::sampler::{Sampler, logprobs};
use self::text::Text;
use crate::error::EngineError;
use crate::generation::{Finish, TokenInfo};
use crate::model::load::Loaded;
use crate::model::vocab::Vocab;

/// A running output.
pub(crate) struct Run {
    sampler: Sampler,
    text: Text,
    max_tokens: usize,
    logprobs: Option<u8>,
    output: Vec<u32>,
}

/// What one more token made of the output.
pub(crate) struct Taken {
    /// Text that may be shown now.
    pub(crate) text: String,
    /// The token, unless it only ended the output.
    pub(crate) token: Option<TokenInfo>,
    /// Whether the output ends here, and why.
    pub(crate) finish: Option<Finish>,
}

impl Run {
    /// Begins an output; a grammar that llama.cpp refuses is the request's error.
    pub(crate) fn new(loaded: &Arc<Loaded>, sampling: &Sampling, logprobs: Option<u8>) -> Result<Self, EngineError> {
        Ok(Self {
            sampler: Sampler::new(loaded, sampling)?,
            text: Text::new(sampling.stop.iter().map(|stop| stop.to_string()).collect()),
            max_tokens: sampling.max_tokens as usize,
            logprobs,
            output: Vec::new(),
        })
    }

    /// Tokens so far.
    pub(crate) fn output(&self) -> &[u32] {
        &self.output
    }

    /// Chooses the next token.
    pub(crate) fn choose(
        &mut self,
        logits: &[f32],
        vocab: &Vocab,
        candidates: &mut Candidates,
    ) -> Result<u32, EngineError> {
        self.sampler.choose(logits, vocab, candidates)
    }

    /// Appends a token.
    pub(crate) fn take(&mut self, id: u32, logits: &[f32], vocab: &Vocab) -> Result<Taken, EngineError> {
        self.output.push(id);
        if vocab.ends(id) {
            return Ok(Taken { text: self.text.flush(), token: None, finish: Some(Finish::Stop) });
        }
        self.sampler.accept(id, vocab)?;
        let step = self.text.push(vocab.piece(id));
        let mut text = step.text;
        let finish = match step.stopped {
            true => Some(Finish::Stop),
            false if self.output.len() >= self.max_tokens => {
                text.push_str(&self.text.flush());
                Some(Finish::Length)
            }
            false => None,
        };
        Ok(Taken { text, token: Some(self.info(id, logits, vocab)), finish })
    }

    fn info(&self, id: u32, logits: &[f32], vocab: &Vocab) -> TokenInfo {
        let Some(count) = self.logprobs else {
            return TokenInfo { id, bytes: Vec::new(), logprob: 0.0, top: Vec::new() };
        };
        let (logprob, top) = logprobs(logits, id, count);
        let top = top.into_iter().map(|(id, logprob)| (id, vocab.piece(id).to_vec(), logprob)).collect();
        TokenInfo { id, bytes: vocab.piece(id).to_vec(), logprob, top }
    }
}
