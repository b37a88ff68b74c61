//! Loads a model from sealed memory.

use std::sync::Arc;

use llama_cpp_2::model::LlamaModel;

use super::sealed::SealedModel;
use super::vocab::{self, Vocab};
use super::{gguf, pages, weights};
use crate::arithmetic::{Arithmetic, check_processor};
use crate::error::EngineError;
use crate::llama::{self, process};
use crate::template::Template;
use crate::tokenise::Words;

/// A model in memory, ready to compute under one arithmetic profile.
#[derive(Clone)]
pub struct Model {
    pub(crate) loaded: Arc<Loaded>,
}

/// A loaded model and what was read from its header.
pub(crate) struct Loaded {
    pub(crate) model: LlamaModel,
    pub(crate) vocab: Vocab,
    pub(crate) template: Option<Template>,
    /// How its vocabulary cuts text into words.
    pub(crate) words: Words,
    /// Whether it continues texts; a model that only embeds does not.
    pub(crate) generates: bool,
    pub(crate) arithmetic: Arithmetic,
    /// Kept open: the weights are mapped from it.
    pub(crate) sealed: Arc<SealedModel>,
    #[cfg(test)]
    pub(crate) faults: crate::llama::faults::Faults,
}

impl Model {
    /// Checks the file, that is its header, weights, vocabulary and chat template, and loads the model. Takes up to seconds:
    /// call it where blocking is allowed.
    ///
    /// # Errors
    /// [`EngineError::Gguf`], [`EngineError::Weights`], [`EngineError::Vocabulary`], [`EngineError::Spelling`],
    /// [`EngineError::Template`], [`EngineError::Refused`], [`EngineError::Load`], [`EngineError::Processor`],
    /// [`EngineError::System`].
    pub fn load(sealed: SealedModel, arithmetic: Arithmetic) -> Result<Self, EngineError> {
        Loaded::load(sealed, arithmetic).map(|loaded| Self { loaded: Arc::new(loaded) })
    }

    /// SHA-256 of the whole GGUF file.
    pub fn sha256(&self) -> &[u8; 32] {
        self.loaded.sealed.sha256()
    }

    /// Tokens of context that the model was trained for.
    pub fn context(&self) -> u32 {
        self.loaded.model.n_ctx_train()
    }

    /// The arithmetic that it was loaded for.
    pub fn arithmetic(&self) -> Arithmetic {
        self.loaded.arithmetic
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("sealed", &self.loaded.sealed).finish_non_exhaustive()
    }
}

impl Loaded {
    fn load(sealed: SealedModel, arithmetic: Arithmetic) -> Result<Self, EngineError> {
        check_processor()?;
        let header = gguf::read(FromStart { file: sealed.file(), at: 0 }, sealed.size())?;
        let backend = process::backend()?;
        vocab::check_header(&header)?;
        let repack = arithmetic.repacks(&header);
        // Both run at the same time, because llama.cpp loads on one thread.
        let (weights, loaded) = std::thread::scope(|scope| {
            let looking = scope.spawn(|| weights::check(&sealed, &header));
            let gap = pages::Gap::for_model(sealed.size());
            let model = llama::model::load(backend, &sealed.path(), repack);
            drop(gap);
            (looking.join(), model)
        });
        let model = loaded?;
        weights.map_err(|_| EngineError::Load { what: "read the weights" })??;
        let vocab = Vocab::read(&model)?;
        let generates = vocab::generates(&header, &model);
        if generates {
            vocab.check_spelling()?;
        }
        let (bos, eos) = (vocab.bos_text.clone(), vocab.eos_text.clone());
        let template =
            header.chat_template.filter(|_| generates).map(|source| Template::parse(&source, bos, eos)).transpose()?;
        let words = Words::of(&header.tokenizer, &header.words);
        Ok(Self {
            model,
            vocab,
            template,
            words,
            generates,
            arithmetic,
            sealed: Arc::new(sealed),
            #[cfg(test)]
            faults: Default::default(),
        })
    }
}

/// Reads a file from its start, without its shared position.
struct FromStart<'a> {
    file: &'a std::fs::File,
    at: u64,
}

impl std::io::Read for FromStart<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, out, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
