//! Turns the hostile bytes of a GGUF file into a loaded model.

pub mod gguf;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod pages;
pub(crate) mod sealed;
pub(crate) mod vocab;
mod weights;
