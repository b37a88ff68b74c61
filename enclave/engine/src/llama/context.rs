//! A context computes tokens and holds the memory of its sequences.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use llama_cpp_sys_2::{
    LLAMA_POOLING_TYPE_MEAN, llama_batch, llama_context, llama_context_params, llama_memory_t, llama_model, llama_pos,
    llama_seq_id,
};

use super::FAILED;
use super::batch::{Batch, Bounds};
use super::guard::guard;
use super::model;
use crate::error::EngineError;
use crate::model::load::Loaded;

// As llama-cpp-sys-2 declares them, except that they may unwind.
unsafe extern "C-unwind" {
    fn llama_init_from_model(model: *mut llama_model, parameters: llama_context_params) -> *mut llama_context;
    fn llama_decode(context: *mut llama_context, batch: llama_batch) -> i32;
    fn llama_get_logits_ith(context: *mut llama_context, row: i32) -> *mut f32;
    fn llama_get_embeddings_seq(context: *mut llama_context, sequence: llama_seq_id) -> *mut f32;
    fn llama_memory_clear(memory: llama_memory_t, data: bool);
    fn llama_memory_seq_rm(memory: llama_memory_t, sequence: llama_seq_id, from: llama_pos, to: llama_pos) -> bool;
}

/// A context of a loaded model. If a call throws, the context is lost: all calls fail until [`Context::renew`].
pub(crate) struct Context<'a> {
    loaded: &'a Loaded,
    parameters: llama_context_params,
    handle: Option<Handle>,
    /// Which rows of the last decoded batch have logits, 1 or 0.
    outputs: Vec<i8>,
}

// SAFETY: llama.cpp binds a context to no thread, the parameters hold no pointers, and threads share models anyhow.
unsafe impl Send for Context<'_> {}

/// llama.cpp's own context, freed on drop.
struct Handle(NonNull<llama_context>);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the context was made by llama.cpp, and nothing uses it any more.
        unsafe { llama_cpp_sys_2::llama_free(self.0.as_ptr()) }
    }
}

/// llama.cpp's own parameters.
pub(crate) fn defaults() -> llama_context_params {
    // SAFETY: returns plain values.
    unsafe { llama_cpp_sys_2::llama_context_default_params() }
}

impl<'a> Context<'a> {
    /// Makes a context. Callbacks, samplers and other contexts that `parameters` name are left out.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with llama.cpp's reason.
    pub(crate) fn new(loaded: &'a Loaded, parameters: llama_context_params) -> Result<Self, EngineError> {
        let parameters = llama_context_params {
            cb_eval: None,
            cb_eval_user_data: std::ptr::null_mut(),
            abort_callback: None,
            abort_callback_data: std::ptr::null_mut(),
            samplers: std::ptr::null_mut(),
            n_samplers: 0,
            ctx_other: std::ptr::null_mut(),
            ..parameters
        };
        let mut context = Self { loaded, parameters, handle: None, outputs: Vec::new() };
        context.renew()?;
        Ok(context)
    }

    /// Frees the context and makes a new one with empty sequences.
    ///
    /// # Errors
    /// As [`Context::new`].
    pub(crate) fn renew(&mut self) -> Result<(), EngineError> {
        // The old one is freed first, because there may be no room for two.
        self.handle = None;
        self.outputs.clear();
        let (model, parameters) = (model::pointer(&self.loaded.model), self.parameters);
        #[cfg(test)]
        let loaded = self.loaded;
        let made = guard(|| {
            #[cfg(test)]
            super::faults::fail_if_asked(&loaded.faults.renew);
            // SAFETY: the model outlives the context. llama.cpp writes to it only where the parameters change how RoPE is scaled,
            // and they do not.
            unsafe { llama_init_from_model(model.cast_mut(), parameters) }
        });
        let pointer = made.value.and_then(NonNull::new).ok_or(EngineError::Refused { why: made.complaint })?;
        self.handle = Some(Handle(pointer));
        Ok(())
    }

    /// Rows of one batch at most.
    pub(crate) fn rows(&self) -> u32 {
        self.bounds().map_or(0, |bounds| bounds.rows)
    }

    /// Computes a batch.
    ///
    /// # Errors
    /// [`EngineError::Decode`] when the context cannot take the batch, or computing fails.
    pub(crate) fn decode(&mut self, batch: &mut Batch) -> Result<(), EngineError> {
        self.outputs.clear();
        if !self.bounds().is_some_and(|bounds| batch.is_within(bounds)) {
            return Err(FAILED);
        }
        match self.compute(batch)? {
            0 => self.outputs.extend_from_slice(batch.outputs()),
            status => return Err(EngineError::Decode { status }),
        }
        Ok(())
    }

    /// The logits of a row of the batch that was decoded last.
    ///
    /// # Errors
    /// [`EngineError::Decode`] when that batch has no such row, or it wanted no logits.
    pub(crate) fn logits(&mut self, row: usize) -> Result<&[f32], EngineError> {
        if self.outputs.get(row) != Some(&1) {
            return Err(FAILED);
        }
        let (width, row) = (self.loaded.vocab.len() as usize, i32::try_from(row).map_err(|_| FAILED)?);
        // SAFETY: the context is whole.
        let logits = self.call(|context| unsafe { llama_get_logits_ith(context, row) })?;
        let logits = NonNull::new(logits).ok_or(FAILED)?;
        // SAFETY: a row has a logit for each token of the vocabulary, and stays until the context is called again, for which it
        // must be borrowed again.
        Ok(unsafe { std::slice::from_raw_parts(logits.as_ptr(), width) })
    }

    /// The mean of the last layer's states over a sequence of the last batch.
    ///
    /// # Errors
    /// [`EngineError::Decode`] when the context makes no means, or none of this sequence.
    pub(crate) fn mean(&mut self, sequence: usize) -> Result<&[f32], EngineError> {
        let sequence = self.sequence(sequence)?;
        let model = model::pointer(&self.loaded.model);
        // SAFETY: the model is loaded.
        let width = usize::try_from(unsafe { llama_cpp_sys_2::llama_model_n_embd_out(model) }).map_err(|_| FAILED)?;
        let mean = self.call(|context| {
            // SAFETY: the context is whole.
            let pooling = unsafe { llama_cpp_sys_2::llama_pooling_type(context) };
            match pooling == LLAMA_POOLING_TYPE_MEAN {
                // SAFETY: as above.
                true => unsafe { llama_get_embeddings_seq(context, sequence) },
                false => std::ptr::null_mut(),
            }
        })?;
        let mean = NonNull::new(mean).ok_or(FAILED)?;
        // SAFETY: a mean has the width of the model's output, and stays until the context is called again.
        Ok(unsafe { std::slice::from_raw_parts(mean.as_ptr(), width) })
    }

    /// Empties every sequence.
    ///
    /// # Errors
    /// [`EngineError::Decode`].
    pub(crate) fn clear(&mut self) -> Result<(), EngineError> {
        // SAFETY: the context is whole, and the memory is its own, or null, which llama.cpp takes for none.
        self.call(|context| unsafe { llama_memory_clear(llama_cpp_sys_2::llama_get_memory(context), true) })
    }

    /// Removes all but the first `held` tokens of a sequence; false when a model's memory cannot be cut there.
    ///
    /// # Errors
    /// [`EngineError::Decode`].
    pub(crate) fn truncate(&mut self, sequence: usize, held: usize) -> Result<bool, EngineError> {
        let (sequence, held) = (self.sequence(sequence)?, i32::try_from(held).map_err(|_| FAILED)?);
        self.call(|context| {
            // SAFETY: as in `clear`; a negative end is none.
            unsafe { llama_memory_seq_rm(llama_cpp_sys_2::llama_get_memory(context), sequence, held, -1) }
        })
    }

    /// Computes a batch that is within bounds; returns llama.cpp's status.
    fn compute(&mut self, batch: &mut Batch) -> Result<i32, EngineError> {
        #[cfg(test)]
        let loaded = self.loaded;
        batch.lend(|lent| {
            self.call(|context| {
                #[cfg(test)]
                super::faults::fail_if_asked(&loaded.faults.decode);
                // SAFETY: the context is whole, and the batch lives through the call, which only reads it.
                unsafe { llama_decode(context, lent) }
            })
        })
    }

    /// Makes a guarded call. After an exception the context can only be freed.
    fn call<T>(&mut self, call: impl FnOnce(*mut llama_context) -> T) -> Result<T, EngineError> {
        let context = self.handle.as_ref().ok_or(FAILED)?.0.as_ptr();
        let made = guard(|| call(context)).value;
        if made.is_none() {
            self.handle = None;
            self.outputs.clear();
        }
        made.ok_or(FAILED)
    }

    fn bounds(&self) -> Option<Bounds> {
        let context = self.handle.as_ref()?.0.as_ptr();
        // SAFETY: the context is whole, and these functions return what it was made with.
        let (rows, positions, sequences) = unsafe {
            (
                llama_cpp_sys_2::llama_n_batch(context),
                llama_cpp_sys_2::llama_n_ctx_seq(context),
                llama_cpp_sys_2::llama_n_seq_max(context),
            )
        };
        Some(Bounds { rows, tokens: self.loaded.vocab.len(), positions, sequences })
    }

    fn sequence(&self, sequence: usize) -> Result<llama_seq_id, EngineError> {
        let bound = self.bounds().map_or(0, |bounds| bounds.sequences);
        let sequence = u32::try_from(sequence).ok().filter(|sequence| *sequence < bound);
        sequence.and_then(|sequence| i32::try_from(sequence).ok()).ok_or(FAILED)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::Ordering;

    use quoth_tiny_model::Kind;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::arithmetic::{Arithmetic, Shape, parameters};
    use crate::model::load::Model;
    use crate::model::sealed::ModelWriter;

    /// The tiny model.
    pub(crate) fn model() -> Model {
        let bytes = quoth_tiny_model::gguf(Kind::F32);
        let mut writer = ModelWriter::new(bytes.len() as u64).unwrap();
        writer.write(&bytes).unwrap();
        Model::load(writer.finish(&Sha256::digest(&bytes).into()).unwrap(), Arithmetic::Exact).unwrap()
    }

    fn context(model: &Model, threads: u32) -> Context<'_> {
        let shape = Shape { context: 64, sequences: 2, batch: 16, micro_batch: 16, threads };
        Context::new(&model.loaded, parameters(shape)).unwrap()
    }

    /// Decodes tokens from a position on, the last one with logits.
    fn decode(context: &mut Context<'_>, first: usize, tokens: &[u32]) -> Result<Vec<f32>, EngineError> {
        let mut batch = Batch::new(tokens.len());
        for (row, token) in tokens.iter().enumerate() {
            batch.add(0, first + row, *token, row + 1 == tokens.len())?;
        }
        context.decode(&mut batch)?;
        context.logits(tokens.len() - 1).map(<[f32]>::to_vec)
    }

    #[test]
    fn rows_without_logits_are_errors() {
        let model = model();
        let mut context = context(&model, 1);
        assert_eq!(context.logits(0), Err(FAILED), "nothing was decoded");
        let logits = decode(&mut context, 0, &[5, 6, 7]).unwrap();
        assert_eq!(logits.len(), model.loaded.vocab.len() as usize);
        for row in [0, 1, 3, 16, 1 << 40] {
            assert_eq!(context.logits(row), Err(FAILED), "{row}");
        }
        assert_eq!(context.logits(2), Ok(&logits[..]));
        assert_eq!(context.mean(0), Err(FAILED), "it makes no means");
    }

    #[test]
    fn batches_beyond_the_bounds_never_reach_llama_cpp() {
        let model = model();
        let mut context = context(&model, 1);
        let vocab = model.loaded.vocab.len();
        assert_eq!(context.rows(), 16);
        for (first, tokens) in [(0, vec![5; 17]), (0, vec![vocab]), (256, vec![5]), (0, vec![])] {
            let mut batch = Batch::new(64);
            for (row, token) in tokens.iter().enumerate() {
                batch.add(0, first + row, *token, true).unwrap();
            }
            assert_eq!(context.decode(&mut batch), Err(FAILED), "{first} {}", tokens.len());
        }
        let mut batch = Batch::new(1);
        batch.add(2, 0, 5, true).unwrap();
        assert_eq!(context.decode(&mut batch), Err(FAILED));
        assert_eq!((context.truncate(2, 0), context.mean(2)), (Err(FAILED), Err(FAILED)));
        // None of it did any harm.
        assert!(decode(&mut context, 0, &[5]).is_ok());
    }

    #[test]
    fn what_llama_cpp_refuses_is_an_error_with_its_status() {
        let model = model();
        let mut context = context(&model, 1);
        let wanted = decode(&mut context, 0, &[5, 6]).unwrap();
        // Not the next position.
        assert_eq!(decode(&mut context, 9, &[5]), Err(EngineError::Decode { status: -1 }));
        assert_eq!(context.logits(0), Err(FAILED));
        assert_eq!(context.truncate(0, 1), Ok(true));
        assert_eq!(decode(&mut context, 1, &[6]).as_ref(), Ok(&wanted));
        context.clear().unwrap();
        assert_eq!(decode(&mut context, 0, &[5, 6]), Ok(wanted));
    }

    #[test]
    fn a_failed_assertion_loses_the_context_and_a_new_one_computes_the_same() {
        let model = model();
        for threads in [1, 2] {
            let mut context = context(&model, threads);
            let wanted = decode(&mut context, 0, &[5, 6]).unwrap();
            // llama.cpp's own assertion: more rows than it takes.
            let mut batch = Batch::new(64);
            (0..17).for_each(|row| drop(batch.add(1, row, 5, true)));
            assert_eq!(context.compute(&mut batch), Err(FAILED));
            assert_eq!(decode(&mut context, 2, &[7]), Err(FAILED), "it is lost");
            assert_eq!((context.clear(), context.truncate(0, 0)), (Err(FAILED), Err(FAILED)));
            context.renew().unwrap();
            assert_eq!(decode(&mut context, 0, &[5, 6]).as_ref(), Ok(&wanted));
            // The tests' own.
            model.loaded.faults.decode.store(true, Ordering::Relaxed);
            assert_eq!(decode(&mut context, 2, &[7]), Err(FAILED));
            context.renew().unwrap();
            assert_eq!(decode(&mut context, 0, &[5, 6]), Ok(wanted));
        }
    }
}
