//! The one setting of llama.cpp that the bindings do not offer: whether weights are repacked.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::ptr::NonNull;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;

use crate::error::EngineError;

/// Loads a model onto the processor, its weights mapped from the file.
pub(super) fn load(_: &LlamaBackend, path: &str, repack: bool) -> Result<LlamaModel, EngineError> {
    let failed = EngineError::Load { what: "load this model" };
    let path = CString::new(path).map_err(|_| failed.clone())?;
    // SAFETY: returns plain values.
    let mut parameters = unsafe { llama_cpp_sys_2::llama_model_default_params() };
    parameters.n_gpu_layers = 0;
    parameters.load_mode = llama_cpp_sys_2::LLAMA_LOAD_MODE_MMAP;
    parameters.use_extra_bufts = repack;
    // SAFETY: the path ends in a zero byte and lives through the call; the parameters are llama.cpp's own, and hold no pointers.
    let model = unsafe { llama_cpp_sys_2::llama_model_load_from_file(path.as_ptr(), parameters) };
    let model = NonNull::new(model).ok_or(failed)?;
    // SAFETY: LlamaModel is transparent over a wrapper that is transparent over this pointer (llama-cpp-2 0.1.160, the one version
    // that the workspace allows), and it is made nowhere else of this pointer, which it frees when it is dropped.
    Ok(unsafe { std::mem::transmute::<NonNull<llama_cpp_sys_2::llama_model>, LlamaModel>(model) })
}
