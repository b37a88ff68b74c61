//! Calls llama.cpp behind a boundary that no exception and no failed assertion crosses.

pub(crate) mod batch;
pub(crate) mod context;
#[cfg(test)]
pub(crate) mod faults;
mod guard;
pub(crate) mod model;
pub(crate) mod process;
pub(crate) mod sampler;

use crate::error::EngineError;

/// The error of a call that threw, or that was not made because llama.cpp would have failed an assertion.
pub(crate) const FAILED: EngineError = EngineError::Decode { status: 0 };
