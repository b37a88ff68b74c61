//! Arithmetic profiles: what a model's logits depend on, by name (`SPEC.md` §7.2).
//!
//! Under `exact-1` they depend on the tokens before them and on nothing else: not on how many threads compute, on who shares a
//! step, on how a prompt is cut, on what was cached, or on whether tokens come one by one or together. So a transcript can
//! be run again. A build for another instruction set rounds elsewhere, so its name is part of the profile's.

mod processor;
mod self_test;

use llama_cpp_sys_2::{GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_DISABLED, llama_context_params};

pub(crate) use self::processor::{check as check_processor, features as processor_features};
pub(crate) use self::self_test::{print, self_test};
use crate::error::EngineError;
use crate::llama::context::{self, Context};
use crate::model::gguf::Header;
use crate::model::load::Loaded;

/// The instruction set that the engine is built for.
pub const ISA: &str = env!("QUOTH_ENGINE_ISA");
/// llama.cpp rounds a sequence's share of the context up to this many tokens.
const CONTEXT_STEP: u32 = 256;
/// The one type of weights whose repacked kernels give one row what they give many (`ggml.h`, `enum ggml_type`: Q4_0).
const REPACKED_EXACTLY: u32 = 2;

/// A promise about logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Logits depend on the tokens before them and on nothing else. Checked when the engine starts.
    Exact,
    /// No promise: faster for weights in K-quants, which are repacked.
    Plain,
}

impl Arithmetic {
    /// The name in configurations, without the instruction set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact-1",
            Self::Plain => "cpu-1",
        }
    }

    /// The name in receipts.
    pub fn profile(self) -> String {
        format!("{}/{ISA}", self.name())
    }

    /// Whether weights may be repacked for speed.
    pub(crate) fn repacks(self, header: &Header) -> bool {
        match self {
            Self::Exact => header.repackable.iter().all(|kind| *kind == REPACKED_EXACTLY),
            Self::Plain => true,
        }
    }
}

/// Runs `work` on a thread that ends with it. OpenMP keeps helpers for every thread that has ever computed, and lets all of them wait
/// more slowly as soon as there are more than processors: only the engine's own thread may keep any.
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> Result<T, EngineError> + Send) -> Result<T, EngineError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("aside".into()).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| EngineError::io("spawn", &error))?;
        thread.join().map_err(|_| EngineError::Decode { status: 0 })?
    })
}

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

/// A context that computes as both profiles say.
pub(crate) fn context(loaded: &Loaded, shape: Shape) -> Result<Context<'_>, EngineError> {
    Context::new(loaded, parameters(shape))
}

/// Flash attention and a cache that sequences share would make logits depend on who else is there.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use quoth_tiny_model::{Kind, Model as Tiny, Shape};
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::model::load::Model;
    use crate::model::sealed::ModelWriter;
    use crate::{Engine, EngineOptions};

    fn load(kind: Kind, arithmetic: Arithmetic) -> Model {
        let bytes = Tiny::new(kind).shape(Shape::WIDE).bytes();
        let mut writer = ModelWriter::new(bytes.len() as u64).unwrap();
        writer.write(&bytes).unwrap();
        Model::load(writer.finish(&Sha256::digest(&bytes).into()).unwrap(), arithmetic).unwrap()
    }

    #[test]
    fn the_self_test_tells_exact_from_inexact() {
        for kind in Kind::ALL {
            assert_eq!(self_test(&load(kind, Arithmetic::Exact).loaded, 1), Ok(()), "{kind:?}");
        }
        // Repacked K-quants compute several rows otherwise than one.
        let repacked = load(Kind::Q4KM, Arithmetic::Plain);
        assert!(matches!(self_test(&repacked.loaded, 1), Err(EngineError::NotExact { .. })));
        // An engine that does not promise serves it.
        let options = EngineOptions { context: 64, arithmetic: Arithmetic::Plain, ..EngineOptions::new("plain") };
        assert!(Engine::start(repacked, options).is_ok());
    }

    #[test]
    fn only_the_layouts_that_are_exact_are_used() {
        let repacks = |kinds: &[u32], arithmetic: Arithmetic| {
            arithmetic.repacks(&Header { repackable: kinds.iter().copied().collect(), ..Header::default() })
        };
        assert!(repacks(&[], Arithmetic::Exact) && repacks(&[2], Arithmetic::Exact));
        assert!(!repacks(&[12], Arithmetic::Exact) && !repacks(&[2, 20], Arithmetic::Exact));
        assert!(repacks(&[2, 12, 20], Arithmetic::Plain));
    }
}
