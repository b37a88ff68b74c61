//! The verifier for browsers: three functions over linear memory, which `quoth-verifier.js` wraps. Without the standard
//! library, so that building it shows that the verifier needs none.
#![no_std]

extern crate alloc;

mod calls;
mod fields;
mod objects;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr;

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    loop {}
}

/// Memory for `length` bytes of a call.
#[unsafe(no_mangle)]
pub extern "C" fn quoth_alloc(length: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; length].into_boxed_slice()).cast()
}

/// Frees an answer: the four bytes of its length, and as many as they say.
///
/// # Safety
/// `answer` is from [`quoth_call`] and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoth_free(answer: *mut u8) {
    // SAFETY: an answer begins with its length.
    let length = u32::from_le_bytes(unsafe { ptr::read(answer.cast()) });
    let whole = ptr::slice_from_raw_parts_mut(answer, 4 + length as usize);
    // SAFETY: the caller vouches for the pointer, and the length is the one it was made with.
    drop(unsafe { Box::from_raw(whole) });
}

/// Does what `length` bytes at `call` say, and frees them. The answer is its length, four bytes little-endian, then one byte
/// that says whether text (JSON) or bytes follow.
///
/// # Safety
/// `call` is from [`quoth_alloc`] with this `length` and was not used before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoth_call(call: *mut u8, length: usize) -> *mut u8 {
    // SAFETY: the caller vouches for pointer and length.
    let call = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(call, length)) };
    let (kind, body) = calls::answer(&call);
    let mut answer = Vec::with_capacity(5 + body.len());
    answer.extend((1 + body.len() as u32).to_le_bytes());
    answer.push(kind as u8);
    answer.extend(body);
    Box::into_raw(answer.into_boxed_slice()).cast()
}
