//! A thread for work that must leave no helpers behind.

use crate::error::EngineError;

/// Runs `work` on a thread that ends with it. OpenMP keeps helper threads for every thread that has ever computed. If
/// there are more of them than processors, all of them wait more slowly. So only the engine's own thread may keep
/// helpers.
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> Result<T, EngineError> + Send) -> Result<T, EngineError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("aside".into()).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| EngineError::io("spawn", &error))?;
        thread.join().map_err(|_| EngineError::Decode { status: 0 })?
    })
}
