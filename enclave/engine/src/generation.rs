//! A generation as its reader sees it: what it began with, and the events that follow.

use quoth_attestation::sampling::Sampling;
use tokio::sync::mpsc;

use crate::error::EngineError;

/// A running generation. Dropping it cancels it: its sequence is freed within one step.
pub struct Generation {
    /// The rendered prompt: template and contents as one text, UTF-8.
    pub prompt: Vec<u8>,
    /// The prompt's tokens, as decoded.
    pub prompt_tokens: Vec<u32>,
    /// Sampling as used.
    pub sampling: Sampling,
    /// What happens: any number of [`Event::Text`], then one [`Event::Finished`] or [`Event::Failed`], then nothing. A
    /// slow reader pauses only its own generation. If the channel closes without a last event, the engine has stopped.
    pub events: mpsc::Receiver<Event>,
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation").field("prompt_tokens", &self.prompt_tokens.len()).finish_non_exhaustive()
    }
}

/// What happens in a generation.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// More output. The texts together are the output. The tokens together are `output_tokens`, without the token that
    /// ended the output, which only [`Event::Finished`] has.
    Text {
        /// Whole characters; may be empty while a character or a possible stop string is open.
        text: String,
        /// The tokens produced since the last event.
        tokens: Vec<TokenInfo>,
    },
    /// The output is complete.
    Finished {
        /// Why it ended.
        reason: Finish,
        /// Every token chosen, the one that ended the output included.
        output_tokens: Vec<u32>,
        /// Tokens of the prompt that an earlier request of the same scope had computed.
        cached_tokens: usize,
    },
    /// The generation cannot go on. Earlier events stay valid.
    Failed(EngineError),
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { tokens, .. } => f.debug_struct("Text").field("tokens", &tokens.len()).finish_non_exhaustive(),
            Self::Finished { reason, output_tokens, .. } => {
                f.debug_struct("Finished").field("reason", reason).field("output_tokens", &output_tokens.len()).finish()
            }
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

/// Why an output ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it, or a stop string appeared.
    Stop,
    /// `max_tokens` or the context's end was reached.
    Length,
}

/// One token of the output.
#[derive(Clone, PartialEq)]
pub struct TokenInfo {
    /// Its id.
    pub id: u32,
    /// Its bytes, which may be part of a character. Filled only when log-probabilities are wanted.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability before any sampling step; 0 when not wanted.
    pub logprob: f32,
    /// The likeliest tokens with bytes and log-probability, likeliest first.
    pub top: Vec<(u32, Vec<u8>, f32)>,
}
