//! Checks that there is room for the key-value cache. Without swap, a process that takes too much is killed.

use std::fs;

use llama_cpp_2::model::LlamaModel;

use crate::error::EngineError;

/// Bytes of one number of the cache, f16.
const NUMBER: u64 = 2;

/// Compares what the caches of `sequences` contexts need with what the system has left.
pub(crate) fn check(model: &LlamaModel, context: u32, sequences: u32) -> Result<(), EngineError> {
    let (needed, available) = (needed(model, context, sequences), available());
    match available {
        Some(available) if needed > available => Err(EngineError::Memory { needed, available }),
        _ => Ok(()),
    }
}

/// Keys and values of every layer, for every token.
fn needed(model: &LlamaModel, context: u32, sequences: u32) -> u64 {
    let width = u64::try_from(model.n_embd()).unwrap_or(0) / u64::from(model.n_head().max(1));
    let token = 2 * u64::from(model.n_layer()) * u64::from(model.n_head_kv()) * width * NUMBER;
    token.saturating_mul(context.into()).saturating_mul(sequences.into())
}

/// `MemAvailable` of /proc/meminfo, bytes.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_system_tells_what_it_has_left() {
        assert!(super::available().is_none_or(|bytes| bytes > 1 << 20));
    }
}
