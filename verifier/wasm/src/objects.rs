use alloc::boxed::Box;
use quoth_attestation::sorted::SortedMap;

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
    all: SortedMap<u32, Object>,
}

static OBJECTS: SpinMutex<Objects> = SpinMutex::new(Objects { last: 0, all: SortedMap::new() });

/// Keeps an object under a number of its own.
pub(crate) fn keep(object: Object) -> u32 {
    let mut objects = OBJECTS.lock();
    objects.last = objects.last.wrapping_add(1);
    let number = objects.last;
    objects.all.insert(number, object);
    number
}

/// Takes an object out.
pub(crate) fn take(number: u64) -> Option<Object> {
    OBJECTS.lock().all.remove(&u32::try_from(number).ok()?)
}

/// Works with an object where it is.
pub(crate) fn with<T>(number: u64, work: impl FnOnce(&mut Object) -> Option<T>) -> Option<T> {
    work(OBJECTS.lock().all.get_mut(&u32::try_from(number).ok()?)?)
}
