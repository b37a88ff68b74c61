//! The one place that touches the process environment, which ggml reads once, by `getenv`.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;

use crate::error::EngineError;

/// Switches that change arithmetic or what a failing assertion does, pinned to one value.
const PINNED: &[(&str, &str)] = &[("GGML_CPU_TILED_MM", "0"), ("GGML_NO_BACKTRACE", "1")];
/// Switches that must not be set at all.
const SCRUBBED: &[&str] = &[
    "GGML_BACKEND_PATH",
    "GGML_CPU_DISABLE_FUSION",
    "GGML_CPU_TILED_MM_FORCE",
    "LLAMA_ATTN_ROT_DISABLE",
    "LLAMA_GRAPH_REUSE_DISABLE",
    "LLAMA_KV_CACHE_DEBUG",
    "LLAMA_SET_ROWS",
];

/// llama.cpp, started once for the life of the process: environment pinned, log silenced
/// (it could print metadata or prompts).
pub(super) fn backend() -> Result<&'static LlamaBackend, EngineError> {
    static BACKEND: OnceLock<Option<LlamaBackend>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        pin_environment();
        let mut backend = LlamaBackend::init().ok()?;
        backend.void_logs();
        Some(backend)
    });
    backend.as_ref().ok_or(EngineError::Load { what: "start" })
}

fn pin_environment() {
    for (name, value) in PINNED {
        if std::env::var_os(name).as_deref() != Some(value.as_ref()) {
            // SAFETY: Rust's own readers share a lock with this writer. Of foreign readers in
            // this process, llama.cpp has not been started yet, and no other library of ours
            // reads the environment from C after its own start.
            unsafe { std::env::set_var(name, value) };
        }
    }
    for name in SCRUBBED.iter().filter(|name| std::env::var_os(name).is_some()) {
        // SAFETY: as above.
        unsafe { std::env::remove_var(name) };
    }
}
