//! What a receipt says about an answer of a local model.

use quoth_attestation::commit::{Label, Opening, token_bytes};
use quoth_attestation::receipt::{Local, Usage};
use quoth_attestation::statement::ShortText;
use quoth_attestation::transcript::LocalDetails;
use quoth_attestation::{Digest, FormatError};
use quoth_engine::{Generation, ModelInfo};

/// How receipts name a local model and what runs it.
#[derive(Clone)]
pub struct Named {
    model: ShortText,
    sha256: Digest,
    arithmetic: ShortText,
    engine: ShortText,
}

impl Named {
    /// Refuses texts that no receipt can hold.
    pub fn of(info: &ModelInfo) -> Result<Self, FormatError> {
        Ok(Self {
            model: ShortText::new(info.name.as_str())?,
            sha256: Digest(info.sha256),
            arithmetic: ShortText::new(info.profile.as_str())?,
            engine: ShortText::new(info.identity.as_str())?,
        })
    }

    /// The model's name.
    pub fn model(&self) -> &ShortText {
        &self.model
    }
}

/// A local execution in progress.
pub struct LocalRecord {
    model: Named,
    prompt: Vec<u8>,
    prompt_tokens: Vec<u32>,
    sampling: Vec<u8>,
    output_tokens: Vec<u32>,
}

impl LocalRecord {
    /// A generation.
    ///
    /// # Errors
    /// As [`Named::of`].
    pub fn generation(info: &ModelInfo, generation: &Generation) -> Result<Self, FormatError> {
        let sampling = generation.sampling.encode();
        Self::new(info, generation.prompt.clone(), generation.prompt_tokens.clone(), sampling)
    }

    /// Any local execution.
    ///
    /// # Errors
    /// As [`Named::of`].
    pub fn new(
        info: &ModelInfo,
        prompt: Vec<u8>,
        prompt_tokens: Vec<u32>,
        sampling: Vec<u8>,
    ) -> Result<Self, FormatError> {
        Ok(Self { model: Named::of(info)?, prompt, prompt_tokens, sampling, output_tokens: Vec::new() })
    }

    /// An execution of a model that does not exist.
    #[cfg(test)]
    pub(crate) fn of_nothing() -> Self {
        let text = |text: &str| ShortText::new(text).expect("a short text");
        let (model, arithmetic, engine) = (text("m"), text("cpu-1"), text("none"));
        let model = Named { model, sha256: Digest([0; 32]), arithmetic, engine };
        Self { model, prompt: vec![], prompt_tokens: vec![], sampling: vec![], output_tokens: vec![] }
    }

    /// Notes tokens of the output, in their order.
    pub(super) fn produced(&mut self, tokens: &[u32]) {
        self.output_tokens.extend_from_slice(tokens);
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { prompt: self.prompt_tokens.len() as u64, completion: self.output_tokens.len() as u64 }
    }

    /// What the receipt says, and what opens it.
    pub(super) fn end(self, opening: &Opening) -> (Local, LocalDetails) {
        let Self { model: Named { model, sha256, arithmetic, engine }, prompt, prompt_tokens, sampling, output_tokens } =
            self;
        let local = Local {
            model,
            model_sha256: sha256,
            prompt: opening.commit(Label::Prompt, &prompt),
            prompt_tokens: opening.commit(Label::PromptTokens, &token_bytes(&prompt_tokens)),
            output_tokens: opening.commit(Label::OutputTokens, &token_bytes(&output_tokens)),
            sampling: opening.commit(Label::Sampling, &sampling),
            arithmetic,
            engine,
        };
        (local, LocalDetails { prompt, prompt_tokens, output_tokens, sampling })
    }
}
