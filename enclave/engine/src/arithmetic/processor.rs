//! Checks that the processor has the instruction sets that the build uses.

use super::profile::ISA;
use crate::error::EngineError;
use crate::llama::process::compiled_for;

/// Checks that the build's name is true, and that the processor has the instruction sets that it uses. A missing one is
/// an error instead of an illegal instruction.
pub(crate) fn check() -> Result<(), EngineError> {
    if compiled_for() != Some(ISA) {
        return Err(EngineError::Build { expected: ISA });
    }
    match required().into_iter().find(|(_, present)| !present) {
        Some((feature, _)) => Err(EngineError::Processor { feature }),
        None => Ok(()),
    }
}

/// Names those of the processor's instruction sets that change how llama.cpp or the C library computes.
pub(crate) fn features() -> String {
    let present = optional().into_iter().filter(|(_, present)| *present).map(|(feature, _)| feature);
    present.collect::<Vec<_>>().join("+")
}

#[cfg(target_arch = "x86_64")]
macro_rules! detect {
    ($($name:tt),*) => { vec![$(($name, std::arch::is_x86_feature_detected!($name))),*] };
}

#[cfg(target_arch = "x86_64")]
fn required() -> Vec<(&'static str, bool)> {
    let mut sets = detect!["avx2", "fma", "f16c", "bmi2"];
    if ISA == "x86-64-v4" {
        sets.extend(detect!["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512vbmi", "avx512vnni"]);
    }
    sets
}

#[cfg(target_arch = "x86_64")]
fn optional() -> Vec<(&'static str, bool)> {
    detect!["avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512vl", "avx512vbmi", "avx512vnni", "avx512bf16"]
}

#[cfg(not(target_arch = "x86_64"))]
fn required() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(not(target_arch = "x86_64"))]
fn optional() -> Vec<(&'static str, bool)> {
    Vec::new()
}
