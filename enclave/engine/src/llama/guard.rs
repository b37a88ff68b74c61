//! Runs calls of llama.cpp that may throw: an exception, or a failed assertion, becomes an error.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

/// Bytes of a complaint that are kept.
const COMPLAINT: usize = 256;

unsafe extern "C" {
    fn quoth_guard_install();
    fn quoth_guard(
        work: unsafe extern "C-unwind" fn(*mut c_void),
        data: *mut c_void,
        text: *mut c_char,
        room: usize,
    ) -> c_int;
}

/// The result of a guarded call.
pub(super) struct Guarded<T> {
    /// What the call returned; none when it threw.
    pub(super) value: Option<T>,
    /// The first error that llama.cpp logged or threw, as printable ASCII. It may quote the model file.
    pub(super) complaint: String,
}

/// Takes over llama.cpp's log and its failed assertions. Only guarded calls see the log.
pub(super) fn install() {
    // SAFETY: sets two callbacks that live as long as the process.
    unsafe { quoth_guard_install() }
}

/// Runs `work`, which may call functions of the `C-unwind` ABI and must not panic.
pub(super) fn guard<T, F: FnOnce() -> T>(work: F) -> Guarded<T> {
    let mut call = Call { work: Some(work), value: None };
    let mut text = [0u8; COMPLAINT];
    // SAFETY: `run` gets the call it is made for, which lives through it, and the text has the room that is named.
    unsafe { quoth_guard(run::<T, F>, (&raw mut call).cast(), text.as_mut_ptr().cast(), text.len()) };
    let complaint = text.iter().take_while(|byte| **byte != 0);
    let printable = complaint.filter(|byte| (b' '..=b'~').contains(*byte)).map(|byte| char::from(*byte));
    let complaint: String = printable.collect();
    let complaint = if complaint.is_empty() { "no reason given".into() } else { complaint };
    Guarded { value: call.value, complaint }
}

struct Call<T, F> {
    work: Option<F>,
    value: Option<T>,
}

unsafe extern "C-unwind" fn run<T, F: FnOnce() -> T>(call: *mut c_void) {
    // SAFETY: `guard` gives a pointer to its own call, and nothing else uses it meanwhile.
    let call = unsafe { &mut *call.cast::<Call<T, F>>() };
    call.value = call.work.take().map(|work| work());
}
