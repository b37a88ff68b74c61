//! Makes contexts that compute as both profiles say.

use llama_cpp_sys_2::{GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_DISABLED, llama_context_params};

use crate::error::EngineError;
use crate::llama::context::{self, Context};
use crate::model::load::Loaded;

/// llama.cpp rounds a sequence's share of the context up to this many tokens.
const CONTEXT_STEP: u32 = 256;

/// The size of a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Tokens of one sequence.
    pub(crate) context: u32,
    pub(crate) sequences: u32,
    /// Tokens of one call.
    pub(crate) batch: u32,
    /// Tokens that are computed together.
    pub(crate) micro_batch: u32,
    pub(crate) threads: u32,
}

/// Makes a context that computes as both profiles say.
pub(crate) fn context(loaded: &Loaded, shape: Shape) -> Result<Context<'_>, EngineError> {
    Context::new(loaded, parameters(shape))
}

/// Returns llama.cpp's parameters. Flash attention and a cache that sequences share are off, because they would make
/// logits depend on the other sequences.
pub(crate) fn parameters(shape: Shape) -> llama_context_params {
    let share = shape.context.next_multiple_of(CONTEXT_STEP);
    llama_context_params {
        n_ctx: share.saturating_mul(shape.sequences),
        n_seq_max: shape.sequences,
        n_batch: shape.batch,
        n_ubatch: shape.micro_batch,
        n_threads: shape.threads as i32,
        n_threads_batch: shape.threads as i32,
        flash_attn_type: LLAMA_FLASH_ATTN_TYPE_DISABLED,
        kv_unified: false,
        type_k: GGML_TYPE_F16,
        type_v: GGML_TYPE_F16,
        offload_kqv: false,
        op_offload: false,
        no_perf: true,
        ..context::defaults()
    }
}
