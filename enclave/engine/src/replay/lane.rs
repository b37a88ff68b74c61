//! Replays one recorded output in a pass.

use std::sync::Arc;

use super::recorded::{Recorded, Replay, Verdict};
use crate::error::EngineError;
use crate::generation::TokenInfo;
use crate::model::load::Loaded;
use crate::model::vocab::Vocab;
use crate::run::{Candidates, Run};

/// An output, what has been computed of it, and what came out so far.
pub(super) struct Lane<'a> {
    index: usize,
    recorded: &'a Recorded,
    vocab: u32,
    /// Tokens computed, or on their way.
    computed: usize,
    run: Run,
    text: String,
    tokens: Vec<TokenInfo>,
}

impl Recorded {
    /// Tokens that have to be computed, at most.
    pub(super) fn length(&self) -> usize {
        self.prompt_tokens.len() + self.output_tokens.len()
    }
}

impl<'a> Lane<'a> {
    /// Begins an output, or says why there is nothing to compute.
    pub(super) fn begin(loaded: &Arc<Loaded>, index: usize, recorded: &'a Recorded) -> Result<Self, Box<Replay>> {
        let at_once = |verdict| Box::new(Replay { verdict, text: String::new(), tokens: Vec::new() });
        let failed = |error| at_once(Verdict::Failed { position: 0, error });
        let vocab = loaded.vocab.len();
        if recorded.prompt_tokens.is_empty() || recorded.prompt_tokens.iter().any(|id| *id >= vocab) {
            return Err(failed(EngineError::Decode { status: 0 }));
        }
        if recorded.output_tokens.is_empty() && recorded.finish.is_none() {
            return Err(at_once(Verdict::Match));
        }
        let run = Run::new(loaded, &recorded.sampling, recorded.logprobs).map_err(failed)?;
        Ok(Self { index, recorded, vocab, computed: 0, run, text: String::new(), tokens: Vec::new() })
    }

    /// The next token to compute: position, id, and whether its logits are wanted. None while logits must be judged
    /// first: after the last recorded token, the next one is computed only if the output has not ended.
    pub(super) fn next(&mut self) -> Option<(usize, u32, bool)> {
        let Recorded { prompt_tokens: prompt, output_tokens: output, .. } = self.recorded;
        let position = self.computed;
        let id = match position.checked_sub(prompt.len()) {
            None => prompt[position],
            // The last token is computed only once all tokens have been found right.
            Some(at) if at + 1 < output.len() || self.run.output().len() == output.len() => *output.get(at)?,
            Some(_) => return None,
        };
        // No model gives such a token. The token that it gives instead is the difference.
        if id >= self.vocab {
            return None;
        }
        self.computed += 1;
        Some((position, id, position + 1 >= prompt.len()))
    }

    /// Judges the logits of the next position. Returns a verdict once the output is decided.
    pub(super) fn judge(&mut self, logits: &[f32], vocab: &Vocab, candidates: &mut Candidates) -> Option<Verdict> {
        let position = self.run.output().len();
        let expected = match self.run.choose(logits, vocab, candidates) {
            Ok(id) => id,
            Err(error) => return Some(Verdict::Failed { position, error }),
        };
        let found = self.recorded.output_tokens.get(position).copied();
        if found != Some(expected) {
            let logit = |id: u32| logits.get(id as usize).copied();
            let margin = found.and_then(logit).zip(logit(expected)).map(|(found, expected)| expected - found);
            return Some(Verdict::Mismatch { position, expected: Some(expected), found, margin });
        }
        let taken = match self.run.take(expected, logits, vocab) {
            Ok(taken) => taken,
            Err(error) => return Some(Verdict::Failed { position, error }),
        };
        self.text.push_str(&taken.text);
        self.tokens.extend(taken.token);
        let (position, following) = (position + 1, self.recorded.output_tokens.get(position + 1).copied());
        match (taken.finish, following, self.recorded.finish) {
            (Some(_), Some(_), _) => {
                Some(Verdict::Mismatch { position, expected: None, found: following, margin: None })
            }
            (Some(ended), None, Some(recorded)) if ended != recorded => {
                Some(Verdict::Mismatch { position, expected: None, found: None, margin: None })
            }
            // Broken off, or ended where it should.
            (Some(_), None, _) | (None, None, None) => Some(Verdict::Match),
            (None, None, Some(_)) | (None, Some(_), _) => None,
        }
    }

    /// Returns the output's index and its result.
    pub(super) fn finish(self, verdict: Verdict) -> (usize, Replay) {
        (self.index, Replay { verdict, text: self.text, tokens: self.tokens })
    }
}
