//! What the process may leave behind: no core file, no panic message with a caller's words in it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use crate::EnclaveError;

/// No core files, not readable by other processes of the same user, as many files as the system allows, and
/// panics that print their place and nothing else.
pub fn harden() -> Result<(), EnclaveError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| EnclaveError::io("limit core files")(error.into()))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| EnclaveError::io("forbid dumps")(error.into()))?;
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum })
        .map_err(|error| EnclaveError::io("raise the file limit")(error.into()))?;
    // A panic's message could hold what a caller said.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => eprintln!("panic file={} line={}", place.file(), place.line()),
        None => eprintln!("panic"),
    }));
    Ok(())
}
