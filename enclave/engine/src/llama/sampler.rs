//! One step of a sampler's chain, and its candidates.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::ptr::NonNull;
use std::sync::Arc;

use llama_cpp_sys_2::{
    llama_logit_bias, llama_sampler, llama_token, llama_token_data, llama_token_data_array, llama_vocab,
};
use quoth_attestation::sampling::Sampling;

use super::guard::guard;
use super::model;
use crate::error::EngineError;
use crate::model::load::Loaded;

// As llama-cpp-sys-2 declares them, except that they may unwind.
unsafe extern "C-unwind" {
    fn llama_sampler_init_grammar(
        vocab: *const llama_vocab,
        grammar: *const c_char,
        root: *const c_char,
    ) -> *mut llama_sampler;
    fn llama_sampler_init_logit_bias(vocab: i32, count: i32, biases: *const llama_logit_bias) -> *mut llama_sampler;
    fn llama_sampler_init_penalties(
        vocab: i32,
        last_n: i32,
        repeat: f32,
        frequency: f32,
        presence: f32,
    ) -> *mut llama_sampler;
    fn llama_sampler_init_top_k(k: i32) -> *mut llama_sampler;
    fn llama_sampler_init_top_p(p: f32, least: usize) -> *mut llama_sampler;
    fn llama_sampler_init_min_p(p: f32, least: usize) -> *mut llama_sampler;
    fn llama_sampler_apply(sampler: *mut llama_sampler, candidates: *mut llama_token_data_array);
    fn llama_sampler_accept(sampler: *mut llama_sampler, token: llama_token);
}

/// A step of the chain.
pub(crate) struct Sampler {
    pointer: NonNull<llama_sampler>,
    /// The model, for a grammar, which reads the vocabulary.
    _model: Option<Arc<Loaded>>,
}

// SAFETY: llama.cpp binds a sampler to no thread.
unsafe impl Send for Sampler {}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: the sampler was made by llama.cpp, and nothing uses it any more.
        unsafe { llama_cpp_sys_2::llama_sampler_free(self.pointer.as_ptr()) }
    }
}

impl Sampler {
    /// Allows what a grammar (GBNF, start rule `root`) produces; none if llama.cpp refuses the grammar.
    pub(crate) fn grammar(loaded: &Arc<Loaded>, grammar: &str) -> Option<Self> {
        // llama.cpp treats an empty grammar as none.
        if grammar.is_empty() {
            return None;
        }
        let (grammar, vocab) = (CString::new(grammar).ok()?, model::vocab(&loaded.model)?);
        // SAFETY: the strings end in a zero byte and live through the call; the sampler keeps the vocabulary's model.
        let made = guard(|| unsafe { llama_sampler_init_grammar(vocab, grammar.as_ptr(), c"root".as_ptr()) });
        Some(Self { pointer: made.value.and_then(NonNull::new)?, _model: Some(Arc::clone(loaded)) })
    }

    /// Adds to the logits of some tokens.
    pub(crate) fn bias(loaded: &Loaded, biases: &[(u32, f32)]) -> Result<Self, EngineError> {
        let biases: Vec<_> =
            biases.iter().map(|(id, bias)| llama_logit_bias { token: token(*id), bias: *bias }).collect();
        let (vocab, count) = (loaded.vocab.len() as i32, i32::try_from(biases.len()).unwrap_or(0));
        // SAFETY: there are as many biases as said, and they are copied.
        Self::made(|| unsafe { llama_sampler_init_logit_bias(vocab, count, biases.as_ptr()) })
    }

    /// Makes what was produced before less likely.
    pub(crate) fn penalties(loaded: &Loaded, sampling: &Sampling) -> Result<Self, EngineError> {
        let (vocab, last_n) = (loaded.vocab.len() as i32, sampling.penalty_last_n as i32);
        let Sampling { repeat_penalty, frequency_penalty, presence_penalty, .. } = *sampling;
        // SAFETY: takes plain values.
        Self::made(|| unsafe {
            llama_sampler_init_penalties(vocab, last_n, repeat_penalty, frequency_penalty, presence_penalty)
        })
    }

    /// Keeps the `k` likeliest.
    pub(crate) fn top_k(k: u32) -> Result<Self, EngineError> {
        let k = i32::try_from(k).unwrap_or(i32::MAX);
        // SAFETY: takes a plain value.
        Self::made(|| unsafe { llama_sampler_init_top_k(k) })
    }

    /// Keeps the likeliest, as many as have the probability `p` together.
    pub(crate) fn top_p(p: f32) -> Result<Self, EngineError> {
        // SAFETY: takes plain values.
        Self::made(|| unsafe { llama_sampler_init_top_p(p, 1) })
    }

    /// Keeps those at least `p` times as probable as the likeliest.
    pub(crate) fn min_p(p: f32) -> Result<Self, EngineError> {
        // SAFETY: takes plain values.
        Self::made(|| unsafe { llama_sampler_init_min_p(p, 1) })
    }

    fn made(make: impl FnOnce() -> *mut llama_sampler) -> Result<Self, EngineError> {
        let pointer = guard(make).value.and_then(NonNull::new).ok_or(EngineError::Sampling)?;
        Ok(Self { pointer, _model: None })
    }

    /// Changes, sorts or removes candidates.
    ///
    /// # Errors [`EngineError::Sampling`] if llama.cpp throws. The candidates are then unusable.
    pub(crate) fn apply(&mut self, candidates: &mut Candidates) -> Result<(), EngineError> {
        let (data, size) = (candidates.list.as_mut_ptr(), candidates.list.len());
        let mut array = llama_token_data_array { data, size, selected: -1, sorted: candidates.sorted };
        let (sampler, lent) = (self.pointer.as_ptr(), &raw mut array);
        // SAFETY: the sampler is whole, and the candidates are as many as said and live through the call.
        guard(|| unsafe { llama_sampler_apply(sampler, lent) }).value.ok_or(EngineError::Sampling)?;
        // Steps of this crate return at most as many candidates as they got, in the same memory.
        if array.size > size || !std::ptr::eq(array.data, data) {
            return Err(EngineError::Sampling);
        }
        candidates.list.truncate(array.size);
        candidates.sorted = array.sorted;
        Ok(())
    }

    /// Tells which token was taken.
    ///
    /// # Errors
    /// [`EngineError::Sampling`] when llama.cpp throws, as a grammar does on a token that it does not allow.
    pub(crate) fn accept(&mut self, id: u32) -> Result<(), EngineError> {
        let (sampler, token) = (self.pointer.as_ptr(), token(id));
        // SAFETY: the sampler is whole.
        guard(|| unsafe { llama_sampler_accept(sampler, token) }).value.ok_or(EngineError::Sampling)
    }
}

/// Tokens with their logits, in any order.
pub(crate) struct Candidates {
    pub(crate) list: Vec<llama_token_data>,
    /// Whether the likeliest come first.
    sorted: bool,
}

impl Candidates {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { list: Vec::new(), sorted: false }
    }

    /// Begins with every token of the vocabulary.
    pub(crate) fn fill(&mut self, logits: &[f32]) {
        self.list.clear();
        self.sorted = false;
        self.list.extend((0..).zip(logits).map(|(id, logit)| llama_token_data { id, logit: *logit, p: 0.0 }));
    }
}

/// A token id in llama.cpp's type.
fn token(id: u32) -> llama_token {
    i32::try_from(id).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::llama::context::tests::model;

    #[test]
    fn what_a_grammar_throws_is_an_error() {
        let model = model();
        for wrong in ["", "root ::= \"", "other ::= \"a\"", "root ::= missing", "root ::= \"a\"\0", "root ::= root"] {
            assert!(Sampler::grammar(&model.loaded, wrong).is_none(), "{wrong:?}");
        }
        let vocab = &model.loaded.vocab;
        let id = |text: &[u8]| (0..vocab.len()).find(|id| vocab.piece(*id) == text).unwrap();
        let end = (0..vocab.len()).find(|id| vocab.ends(*id)).unwrap();
        let mut grammar = Sampler::grammar(&model.loaded, "root ::= \"ab\"").unwrap();
        assert_eq!(grammar.accept(id(b"a")), Ok(()));
        // One throws, the other fails an assertion.
        assert_eq!(Sampler::grammar(&model.loaded, "root ::= \"ab\"").unwrap().accept(end), Err(EngineError::Sampling));
        assert_eq!(grammar.accept(id(b"x")), Err(EngineError::Sampling));
        // It allows nothing now, and asserts that it does.
        let mut candidates = Candidates::new();
        candidates.fill(&vec![0.0; vocab.len() as usize]);
        assert_eq!(grammar.apply(&mut candidates), Err(EngineError::Sampling));
    }

    #[test]
    fn nothing_is_cut_from_nothing() {
        crate::llama::process::backend().unwrap();
        let mut candidates = Candidates::new();
        assert_eq!(Sampler::top_p(0.5).unwrap().apply(&mut candidates), Err(EngineError::Sampling));
        candidates.fill(&[1.0, 3.0, 2.0]);
        assert_eq!(Sampler::top_k(2).unwrap().apply(&mut candidates), Ok(()));
        assert_eq!(candidates.list.iter().map(|candidate| candidate.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(Sampler::min_p(1.0).unwrap().apply(&mut candidates), Ok(()));
        assert_eq!(candidates.list.len(), 1);
    }
}
