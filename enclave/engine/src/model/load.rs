//! From sealed memory to a model that llama.cpp has loaded.

use std::sync::Arc;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

use super::sealed::SealedModel;
use super::vocab::Vocab;
use super::{gguf, pages, process};
use crate::error::EngineError;
use crate::template::Template;

/// A loaded model and what was read from its header.
pub(crate) struct Loaded {
    pub(crate) model: LlamaModel,
    pub(crate) backend: &'static LlamaBackend,
    pub(crate) vocab: Vocab,
    pub(crate) template: Option<Template>,
    /// Kept open: the weights are mapped from it.
    pub(crate) sealed: Arc<SealedModel>,
}

impl Loaded {
    pub(crate) fn load(sealed: SealedModel) -> Result<Self, EngineError> {
        process::check_processor()?;
        let header = gguf::read(FromStart { file: sealed.file(), at: 0 }, sealed.size())?;
        let backend = process::backend()?;
        let parameters = LlamaModelParams::default().with_n_gpu_layers(0).with_use_mmap(true);
        let gap = pages::Gap::for_model(sealed.size());
        let model = LlamaModel::load_from_file(backend, sealed.path(), &parameters)
            .map_err(|_| EngineError::Load { what: "load this model" })?;
        drop(gap);
        let vocab = Vocab::read(&model);
        let template = header
            .chat_template
            .and_then(|source| Template::parse(source, vocab.bos_text.clone(), vocab.eos_text.clone()));
        Ok(Self { model, backend, vocab, template, sealed: Arc::new(sealed) })
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
