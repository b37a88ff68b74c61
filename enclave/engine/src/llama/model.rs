//! Loads a model, and makes those calls to its vocabulary that may throw.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::ptr::NonNull;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2::{llama_model, llama_model_params, llama_token, llama_vocab};

use super::guard::guard;
use crate::error::EngineError;

// As llama-cpp-sys-2 declares them, except that they may unwind.
unsafe extern "C-unwind" {
    fn llama_model_load_from_file(path: *const c_char, parameters: llama_model_params) -> *mut llama_model;
    fn llama_tokenize(
        vocab: *const llama_vocab,
        text: *const c_char,
        length: i32,
        tokens: *mut llama_token,
        room: i32,
        add_special: bool,
        parse_special: bool,
    ) -> i32;
    fn llama_token_to_piece(
        vocab: *const llama_vocab,
        token: llama_token,
        out: *mut c_char,
        room: i32,
        lstrip: i32,
        special: bool,
    ) -> i32;
}

/// Loads a model onto the processor, its weights mapped from the file.
///
/// # Errors
/// [`EngineError::Refused`] with llama.cpp's reason.
pub(crate) fn load(_: &LlamaBackend, path: &str, repack: bool) -> Result<LlamaModel, EngineError> {
    let path = CString::new(path).map_err(|_| EngineError::Load { what: "load this model" })?;
    // SAFETY: returns plain values.
    let mut parameters = unsafe { llama_cpp_sys_2::llama_model_default_params() };
    parameters.n_gpu_layers = 0;
    parameters.load_mode = llama_cpp_sys_2::LLAMA_LOAD_MODE_MMAP;
    parameters.use_extra_bufts = repack;
    // SAFETY: the path ends in a zero byte and lives through the call; the parameters are llama.cpp's own, and hold no pointers.
    let loaded = guard(|| unsafe { llama_model_load_from_file(path.as_ptr(), parameters) });
    let model = loaded.value.and_then(NonNull::new).ok_or(EngineError::Refused { why: loaded.complaint })?;
    // SAFETY: LlamaModel is transparent over a wrapper that is transparent over this pointer (llama-cpp-2 0.1.160, the one version
    // that the workspace allows), and it is made nowhere else of this pointer, which it frees when it is dropped.
    Ok(unsafe { std::mem::transmute::<NonNull<llama_model>, LlamaModel>(model) })
}

/// The tokens of `text`, without any that begin or end a text. With `markup`, names of control tokens become those
/// tokens. None if llama.cpp throws, or returns an invalid token.
pub(crate) fn tokens(model: &LlamaModel, text: &str, markup: bool) -> Option<Vec<u32>> {
    let (vocab, length) = (vocab(model)?, i32::try_from(text.len()).ok()?);
    // No token is shorter than a byte, except those of normalisers: those are asked twice.
    let mut tokens: Vec<llama_token> = vec![0; text.len() + 1];
    for _ in 0..2 {
        let (out, room) = (tokens.as_mut_ptr(), i32::try_from(tokens.len()).ok()?);
        // SAFETY: text and tokens have the lengths that are named and live through the call.
        let call = || unsafe { llama_tokenize(vocab, text.as_ptr().cast(), length, out, room, false, markup) };
        match guard(call).value? {
            count if count >= 0 => {
                tokens.truncate(count.unsigned_abs() as usize);
                return tokens.into_iter().map(|token| u32::try_from(token).ok()).collect();
            }
            needed => tokens.resize(needed.unsigned_abs() as usize, 0),
        }
    }
    None
}

/// The bytes of a token of this vocabulary. Control tokens have their names if `special`, otherwise no bytes. None if
/// llama.cpp throws.
pub(crate) fn piece(model: &LlamaModel, id: u32, special: bool) -> Option<Vec<u8>> {
    let (vocab, token) = (vocab(model)?, i32::try_from(id).ok()?);
    let mut bytes = vec![0u8; 32];
    for _ in 0..2 {
        let (out, room) = (bytes.as_mut_ptr(), i32::try_from(bytes.len()).ok()?);
        // SAFETY: the bytes have the length that is named and live through the call.
        let call = || unsafe { llama_token_to_piece(vocab, token, out.cast(), room, 0, special) };
        match guard(call).value? {
            count if count >= 0 => {
                bytes.truncate(count.unsigned_abs() as usize);
                return Some(bytes);
            }
            needed => bytes.resize(needed.unsigned_abs() as usize, 0),
        }
    }
    None
}

/// The vocabulary, which lives as long as its model.
pub(super) fn vocab(model: &LlamaModel) -> Option<*const llama_vocab> {
    // SAFETY: the model is loaded.
    let vocab = unsafe { llama_cpp_sys_2::llama_model_get_vocab(pointer(model)) };
    (!vocab.is_null()).then_some(vocab)
}

/// llama.cpp's own model, which lives as long as `model`.
pub(super) fn pointer(model: &LlamaModel) -> *const llama_model {
    // SAFETY: LlamaModel is transparent over this pointer, as in `load`.
    unsafe { *std::ptr::from_ref(model).cast::<*const llama_model>() }
}

/// The kind of a model's vocabulary, `LLAMA_VOCAB_TYPE_…`.
pub(crate) fn vocab_kind(model: &LlamaModel) -> llama_cpp_sys_2::llama_vocab_type {
    // SAFETY: the vocabulary is the model's own.
    vocab(model)
        .map_or(llama_cpp_sys_2::LLAMA_VOCAB_TYPE_NONE, |vocab| unsafe { llama_cpp_sys_2::llama_vocab_type(vocab) })
}
