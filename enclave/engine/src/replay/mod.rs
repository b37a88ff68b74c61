//! Replays a recorded output: one teacher-forced pass over prompt and output, with the recorded sampler at every
//! position. Under `exact-1` the logits are, bit for bit, those of the node.

mod lane;
mod recorded;
mod worker;

pub use self::recorded::{Recorded, Replay, ReplayOptions, Verdict};
use self::worker::Worker;
use crate::arithmetic::Arithmetic;
use crate::error::EngineError;
use crate::limits::{MAX_CONTEXT, MAX_THREADS};
use crate::model::load::Model;
use crate::request::{Chat, Completion};
use crate::tokenise::Room;
use crate::{arithmetic, prepare};

/// A model that replays recorded outputs.
pub struct Replayer {
    model: Model,
    options: ReplayOptions,
}

impl Replayer {
    /// Checks that the model keeps `exact-1` here. Takes up to seconds.
    ///
    /// # Errors
    /// [`EngineError::NotExact`], [`EngineError::Option`], [`EngineError::Load`].
    pub fn new(model: Model, options: ReplayOptions) -> Result<Self, EngineError> {
        let bounds = [
            ("threads", options.threads, MAX_THREADS),
            ("batch", options.batch, crate::limits::MAX_BATCH),
            ("micro_batch", options.micro_batch, options.batch),
            ("parallel", options.parallel, crate::limits::MAX_PARALLEL),
        ];
        if let Some((option, actual, max)) = bounds.into_iter().find(|(_, actual, max)| !(1..=*max).contains(actual)) {
            return Err(EngineError::Option { option, actual: actual.into(), min: 1, max: max.into() });
        }
        if model.arithmetic() != Arithmetic::Exact {
            return Err(EngineError::NotExact { axis: "everything: the model is not loaded for it" });
        }
        arithmetic::aside(|| arithmetic::self_test(&model.loaded, options.threads))?;
        Ok(Self { model, options })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The bytes of a token, empty for control tokens; `None` for an id that the vocabulary lacks.
    pub fn token(&self, id: u32) -> Option<&[u8]> {
        let vocab = &self.model.loaded.vocab;
        (id < vocab.len()).then(|| vocab.piece(id))
    }

    /// This engine's identity, as in receipts.
    pub fn identity() -> String {
        crate::identity::identity()
    }

    /// Renders and tokenises a chat as a node does: text, then tokens.
    ///
    /// # Errors
    /// [`EngineError::Request`].
    pub fn chat_prompt(&self, chat: &Chat) -> Result<(Vec<u8>, Vec<u32>), EngineError> {
        prepare::chat(&self.model.loaded, Room::new(MAX_CONTEXT, "messages"), chat)
            .map(|prompt| (prompt.text, prompt.tokens))
    }

    /// As [`Replayer::chat_prompt`], for a text to continue.
    ///
    /// # Errors
    /// As there.
    pub fn completion_prompt(&self, completion: &Completion) -> Result<(Vec<u8>, Vec<u32>), EngineError> {
        prepare::completion(&self.model.loaded, Room::new(MAX_CONTEXT, "prompt"), completion)
            .map(|prompt| (prompt.text, prompt.tokens))
    }

    /// Replays outputs, several at a time. `progress` gets the number of tokens computed since its last call.
    ///
    /// # Errors
    /// What makes computing impossible: [`EngineError::Decode`], [`EngineError::Load`], [`EngineError::Memory`]. What is wrong with
    /// one output is its own verdict.
    pub fn replay(&self, outputs: &[Recorded], progress: &mut dyn FnMut(usize)) -> Result<Vec<Replay>, EngineError> {
        Worker::new(&self.model.loaded, self.options, outputs)?.run(progress)
    }

    /// The SHA-256 of every bit of the logits after each of `tokens`. It is equal if and only if engines compute alike.
    ///
    /// # Errors
    /// As [`Replayer::replay`]; [`EngineError::Option`] when there are no tokens, or too many.
    pub fn fingerprint(&self, tokens: &[u32]) -> Result<[u8; 32], EngineError> {
        worker::fingerprint(&self.model.loaded, self.options, tokens)
    }
}

impl std::fmt::Debug for Replayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replayer").field("model", &self.model).field("options", &self.options).finish()
    }
}
