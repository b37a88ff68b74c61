//! Objects that calls refer to by number.

use alloc::boxed::Box;
use alloc::vec::Vec;

use quoth_verifier::{StreamVerifier, VerifiedNode, Verifier};
use spin::mutex::SpinMutex;

/// What calls refer to by number.
pub(crate) enum Object {
    Verifier(Box<Verifier>),
    Node(VerifiedNode),
    Stream(Box<StreamVerifier>),
}

#[derive(Default)]
struct Objects {
    last: u32,
    all: Vec<(u32, Object)>,
}

static OBJECTS: SpinMutex<Objects> = SpinMutex::new(Objects { last: 0, all: Vec::new() });

impl Objects {
    fn place(&self, number: u64) -> Option<usize> {
        self.all.iter().position(|(known, _)| u64::from(*known) == number)
    }
}

/// Keeps an object under a number of its own.
pub(crate) fn keep(object: Object) -> u32 {
    let mut objects = OBJECTS.lock();
    objects.last = objects.last.wrapping_add(1);
    let number = objects.last;
    objects.all.push((number, object));
    number
}

/// Takes an object out.
pub(crate) fn take(number: u64) -> Option<Object> {
    let mut objects = OBJECTS.lock();
    let at = objects.place(number)?;
    Some(objects.all.swap_remove(at).1)
}

/// Works with an object where it is.
pub(crate) fn with<T>(number: u64, work: impl FnOnce(&mut Object) -> Option<T>) -> Option<T> {
    let mut objects = OBJECTS.lock();
    let at = objects.place(number)?;
    work(&mut objects.all[at].1)
}
