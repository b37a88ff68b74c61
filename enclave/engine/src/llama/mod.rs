//! llama.cpp behind a boundary that nothing crosses but values: no exception, no failed assertion.

mod guard;
pub(crate) mod model;
pub(crate) mod process;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;

use crate::error::EngineError;
use crate::model::load::Loaded;

/// Makes a context.
///
/// # Errors
/// [`EngineError::Refused`] with llama.cpp's reason.
pub(crate) fn context(loaded: &Loaded, parameters: LlamaContextParams) -> Result<LlamaContext<'_>, EngineError> {
    let made = guard::guard(|| loaded.model.new_context(loaded.backend, parameters));
    match made.value {
        Some(Ok(context)) => Ok(context),
        _ => Err(EngineError::Refused { why: made.complaint }),
    }
}

/// Runs a call that catches exceptions by itself, so that it catches failed assertions, too.
pub(crate) fn asserting<T>(work: impl FnOnce() -> T) -> Option<T> {
    guard::guard(work).value
}
