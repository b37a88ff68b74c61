//! Starts llama.cpp, and sets the process environment, which ggml reads once by `getenv`.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;

use super::guard;
use crate::arithmetic::ISA;
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

/// llama.cpp, started once for the life of the process: environment pinned, log and assertions
/// taken over (the log could print metadata or prompts).
pub(crate) fn backend() -> Result<&'static LlamaBackend, EngineError> {
    static BACKEND: OnceLock<Option<LlamaBackend>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        pin_environment();
        let backend = LlamaBackend::init().ok()?;
        guard::install();
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

/// The instruction set that ggml says it was compiled for, so that a wrong build does not carry the right name. None if
/// no profile has it, or if there are kernels that no profile allows.
pub(crate) fn compiled_for() -> Option<&'static str> {
    use llama_cpp_sys_2 as ggml;
    type Has = unsafe extern "C" fn() -> std::os::raw::c_int;
    // SAFETY: these functions return constants.
    let has = |function: &Has| unsafe { function() } != 0;
    let v3: [Has; 4] =
        [ggml::ggml_cpu_has_avx2, ggml::ggml_cpu_has_fma, ggml::ggml_cpu_has_f16c, ggml::ggml_cpu_has_bmi2];
    let v4: [Has; 3] = [ggml::ggml_cpu_has_avx512, ggml::ggml_cpu_has_avx512_vbmi, ggml::ggml_cpu_has_avx512_vnni];
    let never: [Has; 2] = [ggml::ggml_cpu_has_llamafile, ggml::ggml_cpu_has_avx512_bf16];
    if never.iter().any(has) {
        return None;
    }
    match cfg!(target_arch = "x86_64") {
        false => Some(ISA),
        true if !v3.iter().all(has) => None,
        true if v4.iter().all(has) => Some("x86-64-v4"),
        true => (!v4.iter().any(has)).then_some("x86-64-v3"),
    }
}
