//! What a receipt says of an answer that a model inside the enclave gave.

use quoth_attestation::commit::{Label, Opening, token_bytes};
use quoth_attestation::receipt::{Local, Usage};
use quoth_attestation::statement::ShortText;
use quoth_attestation::transcript::LocalDetails;
use quoth_attestation::{Digest, FormatError};
use quoth_engine::{Generation, ModelInfo};

use super::{Exchange, Work};

/// A local execution as it goes.
pub(super) struct Run {
    model: Named,
    prompt: Vec<u8>,
    prompt_tokens: Vec<u32>,
    sampling: Vec<u8>,
    output_tokens: Vec<u32>,
}

/// What receipts call a model of this node's own, and what runs it.
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

impl Exchange {
    /// Names the generation that answers.
    ///
    /// # Errors
    /// As [`Named::of`].
    pub fn generates(&mut self, info: &ModelInfo, generation: &Generation) -> Result<(), FormatError> {
        let sampling = generation.sampling.to_cbor();
        self.runs(info, generation.prompt.clone(), generation.prompt_tokens.clone(), sampling)
    }

    /// Names the local execution that answers.
    ///
    /// # Errors
    /// As [`Named::of`].
    pub fn runs(
        &mut self,
        info: &ModelInfo,
        prompt: Vec<u8>,
        prompt_tokens: Vec<u32>,
        sampling: Vec<u8>,
    ) -> Result<(), FormatError> {
        let model = Named::of(info)?;
        if let Some(open) = &mut self.open {
            let run = Run { model, prompt, prompt_tokens, sampling, output_tokens: Vec::new() };
            open.work = Some(Work::Local(Box::new(run)));
        }
        Ok(())
    }

    /// A token was produced.
    pub fn produced(&mut self, token: u32) {
        if let Some(run) = self.run() {
            run.output_tokens.push(token);
        }
    }

    /// Replaces the produced tokens by the engine's own final list.
    pub fn produced_all(&mut self, tokens: Vec<u32>) {
        if let Some(run) = self.run() {
            run.output_tokens = tokens;
        }
    }

    /// Tokens so far.
    pub fn usage(&mut self) -> Usage {
        self.run().map_or(Usage { prompt: 0, completion: 0 }, |run| run.usage())
    }

    fn run(&mut self) -> Option<&mut Run> {
        match self.open.as_mut()?.work.as_mut()? {
            Work::Local(run) => Some(run),
            Work::Upstream(_) => None,
        }
    }
}

impl Run {
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
