//! Failures of llama.cpp that tests ask for.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

unsafe extern "C-unwind" {
    fn ggml_abort(file: *const c_char, line: c_int, format: *const c_char, ...) -> !;
}

/// What fails next with a model.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) decode: AtomicBool,
    pub(crate) renew: AtomicBool,
}

/// Fails an assertion of ggml, once, if a test asked for it.
pub(super) fn fail_if_asked(fault: &AtomicBool) {
    if fault.swap(false, Ordering::Relaxed) {
        // SAFETY: both strings end in a zero byte, and the format has no arguments.
        unsafe { ggml_abort(c"test".as_ptr(), 1, c"GGML_ASSERT(false) failed".as_ptr()) }
    }
}
