//! How to run a model: names, sizes and their bounds.

use crate::arithmetic::Arithmetic;
use crate::error::EngineError;
use crate::limits::{MAX_BATCH, MAX_CONTEXT, MAX_PARALLEL, MAX_THREADS, MIN_CONTEXT};

/// How to run a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// The model's name in the API.
    pub name: String,
    /// Threads of one decode step.
    pub threads: u32,
    /// Tokens of one sequence's context, prompt and output together.
    pub context: u32,
    /// Sequences that run at once.
    pub parallel: u32,
    /// Tokens of one decode step.
    pub batch: u32,
    /// What is promised about the logits.
    pub arithmetic: Arithmetic,
    /// Most tokens that one request may produce; the context bounds them, too.
    pub max_tokens: Option<u32>,
}

impl EngineOptions {
    /// Options for a model called `name`: 1 thread, 2048 tokens, 4 sequences, 512 tokens in a step, exact.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            threads: 1,
            context: 2048,
            parallel: 4,
            batch: 512,
            arithmetic: Arithmetic::Exact,
            max_tokens: None,
        }
    }

    /// Checks that every option is within its bounds.
    ///
    /// # Errors
    /// [`EngineError::Option`].
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let bounds = [
            ("threads", self.threads, 1, MAX_THREADS),
            ("context", self.context, MIN_CONTEXT, MAX_CONTEXT),
            ("parallel", self.parallel, 1, MAX_PARALLEL),
            // Every running sequence needs its place in a step.
            ("batch", self.batch, self.parallel.max(16), MAX_BATCH),
            ("max_tokens", self.max_tokens.unwrap_or(1), 1, MAX_CONTEXT),
        ];
        match bounds.into_iter().find(|(_, actual, min, max)| !(min..=max).contains(&actual)) {
            None => Ok(()),
            Some((option, actual, min, max)) => {
                Err(EngineError::Option { option, actual: actual.into(), min: min.into(), max: max.into() })
            }
        }
    }
}
