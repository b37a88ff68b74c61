//! From sealed memory to a model that llama.cpp has loaded.

use std::sync::Arc;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;

use super::sealed::SealedModel;
use super::vocab::Vocab;
use super::{gguf, pages, process, raw};
use crate::arithmetic::{self, Arithmetic};
use crate::error::EngineError;
use crate::template::Template;

/// A model in memory, ready to compute under one arithmetic profile.
#[derive(Clone)]
pub struct Model {
    pub(crate) loaded: Arc<Loaded>,
}

/// A loaded model and what was read from its header.
pub(crate) struct Loaded {
    pub(crate) model: LlamaModel,
    pub(crate) backend: &'static LlamaBackend,
    pub(crate) vocab: Vocab,
    pub(crate) template: Option<Template>,
    pub(crate) arithmetic: Arithmetic,
    /// Kept open: the weights are mapped from it.
    pub(crate) sealed: Arc<SealedModel>,
}

impl Model {
    /// Checks the file's header and loads the model. Takes up to seconds: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`EngineError::Gguf`], [`EngineError::Load`], [`EngineError::Processor`], [`EngineError::System`].
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
        arithmetic::check_processor()?;
        let header = gguf::read(FromStart { file: sealed.file(), at: 0 }, sealed.size())?;
        let backend = process::backend()?;
        let gap = pages::Gap::for_model(sealed.size());
        let model = raw::load(backend, &sealed.path(), arithmetic.repacks(&header))?;
        drop(gap);
        let vocab = Vocab::read(&model);
        let template = header
            .chat_template
            .and_then(|source| Template::parse(source, vocab.bos_text.clone(), vocab.eos_text.clone()));
        Ok(Self { model, backend, vocab, template, arithmetic, sealed: Arc::new(sealed) })
    }
}

/// Reads a file from its start whatever its shared position is.
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
