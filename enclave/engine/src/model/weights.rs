//! Looks for weights that are NaN or infinite: one of them makes every answer fail.
#![allow(unsafe_code)]

use std::os::unix::fs::FileExt;

use super::gguf::{Header, Tensor, printable};
use super::sealed::SealedModel;
use crate::error::EngineError;

/// Bytes looked at together, about; they stay in a cache.
const PIECE: usize = 1 << 20;

/// Reads every tensor once: floats, and the scales of quantised blocks.
///
/// # Errors
/// [`EngineError::Weights`] with the first tensor that holds NaN or infinity.
pub(super) fn check(model: &SealedModel, header: &Header) -> Result<(), EngineError> {
    // Made of words, so that it is aligned for every type.
    let mut buffer = vec![0u64; PIECE / size_of::<u64>()];
    for tensor in &header.tensors {
        if !finite(model, header.data_offset, tensor, &mut buffer) {
            return Err(EngineError::Weights { tensor: printable(&tensor.name) });
        }
    }
    Ok(())
}

fn finite(model: &SealedModel, start: u64, tensor: &Tensor, buffer: &mut [u64]) -> bool {
    // SAFETY: every byte of a word may be any byte.
    let (_, buffer, _) = unsafe { buffer.align_to_mut::<u8>() };
    let piece = buffer.len() as u64 / tensor.block * tensor.block;
    let mut done = 0;
    while done < tensor.bytes {
        let part = &mut buffer[..piece.min(tensor.bytes - done) as usize];
        if model.file().read_exact_at(part, start + tensor.offset + done).is_err() {
            return false;
        }
        // SAFETY: reads as many bytes as are named, which are whole blocks of a type that the header's reader knows.
        if !unsafe { llama_cpp_sys_2::ggml_validate_row_data(tensor.kind, part.as_ptr().cast(), part.len()) } {
            return false;
        }
        done += part.len() as u64;
    }
    true
}
