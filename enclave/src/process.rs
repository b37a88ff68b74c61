//! Gives the process a clean environment, and keeps it from leaving anything behind: no core file, no panic message
//! with a caller's words.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use quoth_engine::ENVIRONMENT;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use crate::EnclaveError;
use crate::log::log;

/// LLVM's runtime sets this before `main` in a program built for `images/profile.sh`.
const COUNTS: &str = "__LLVM_PROFILE_RT_INIT_ONCE";

/// Whether the environment is exactly [`ENVIRONMENT`].
pub fn has_clean_env() -> bool {
    let given = |(name, _): &(OsString, _)| !(cfg!(quoth_counts) && name == COUNTS);
    env::vars_os().filter(given).eq(ENVIRONMENT.map(|(name, value)| (name.into(), value.into())))
}

/// Starts the program again with a clean environment, unless it has one. Other variables could steer the engine's
/// libraries before `main` runs.
pub fn reexec_clean_env() -> Result<(), EnclaveError> {
    if has_clean_env() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    // Starts the same program under the same name, even if its file has been replaced meanwhile.
    let called = arguments.next().unwrap_or_default();
    let error = Command::new("/proc/self/exe").arg0(called).args(arguments).env_clear().envs(ENVIRONMENT).exec();
    Err(EnclaveError::io("start with a known environment")(error))
}

/// Forbids core files and access by other processes of the same user, raises the file limit, and makes panics print
/// only their place.
pub fn harden() -> Result<(), EnclaveError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| EnclaveError::io("limit core files")(error.into()))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| EnclaveError::io("forbid dumps")(error.into()))?;
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum })
        .map_err(|error| EnclaveError::io("raise the file limit")(error.into()))?;
    log!("limits files={} cores=0", files.maximum.unwrap_or(u64::MAX));
    // A panic's message could hold a caller's words.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => log!("panic file={} line={}", place.file(), place.line()),
        None => log!("panic"),
    }));
    Ok(())
}
