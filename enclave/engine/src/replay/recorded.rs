//! What a replay is given, and what it finds.

use quoth_attestation::sampling::Sampling;

use crate::error::EngineError;
use crate::generation::{Finish, TokenInfo};
use crate::limits::REPLAY_PARALLEL;

/// How to compute. No option changes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Threads.
    pub threads: u32,
    /// Tokens of one call of llama.cpp.
    pub batch: u32,
    /// Tokens that llama.cpp computes together.
    pub micro_batch: u32,
    /// Outputs that are computed together.
    pub parallel: u32,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { threads: 1, batch: 512, micro_batch: 512, parallel: REPLAY_PARALLEL }
    }
}

/// What a node recorded of an output.
#[derive(Clone)]
pub struct Recorded {
    /// The prompt's tokens.
    pub prompt_tokens: Vec<u32>,
    /// Every token chosen, the one that ended the output included.
    pub output_tokens: Vec<u32>,
    /// Sampling as used.
    pub sampling: Sampling,
    /// Log-probabilities wanted, as in the request.
    pub logprobs: Option<u8>,
    /// Why the output ended; `None` when it was broken off.
    pub finish: Option<Finish>,
}

/// The result of a replay.
pub struct Replay {
    /// Whether the model gives this output.
    pub verdict: Verdict,
    /// The text that these tokens make, stop strings removed.
    pub text: String,
    /// The tokens as the node reported them, with log-probabilities if they were wanted.
    pub tokens: Vec<TokenInfo>,
}

/// Whether the model gives a recorded output.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Token for token.
    Match,
    /// The model gives something else.
    Mismatch {
        /// The first token that differs, from 0.
        position: usize,
        /// What the model and the sampler give there; `None`: the output had ended.
        expected: Option<u32>,
        /// What was recorded; `None`: the recorded output ends there.
        found: Option<u32>,
        /// How far the expected token's logit is above the recorded one's; it can be below, since tokens are drawn.
        margin: Option<f32>,
    },
    /// The model or the sampler gave nothing at this position, so no node could have gone on from here.
    Failed {
        /// The token, from 0.
        position: usize,
        /// Why.
        error: EngineError,
    },
}

// Prompts and answers appear in no debug output.

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorded").field("output_tokens", &self.output_tokens.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("verdict", &self.verdict).finish_non_exhaustive()
    }
}
