//! llama.cpp behind a boundary that nothing crosses but values: no exception, no failed assertion.

pub(crate) mod batch;
pub(crate) mod context;
#[cfg(test)]
pub(crate) mod faults;
mod guard;
pub(crate) mod model;
pub(crate) mod process;
pub(crate) mod sampler;

use crate::error::EngineError;

/// A call that threw, or was not made since llama.cpp would have failed an assertion.
pub(crate) const FAILED: EngineError = EngineError::Decode { status: 0 };
