//! What the node and its peers have in common: threads, context and tokens.

use quoth_tests::Options;

use crate::plan::Plan;

/// Threads that compute, everywhere.
pub(super) const THREADS: u32 = 2;
/// Tokens of one sequence's context, everywhere.
pub(super) const CONTEXT: u32 = 2048;
/// Tokens of each answer.
pub(super) const TOKENS: usize = 128;
/// Tokens of one decode step, as the engine has them.
pub(super) const BATCH: &str = "512";
/// The one of ggml's switches that the engine turns off.
pub(super) const SWITCH: (&str, &str) = ("GGML_CPU_TILED_MM", "0");

/// A node with room for so many chats.
pub(super) fn options(plan: &Plan, parallel: u32) -> Options {
    let model = Some(plan.model.clone());
    Options { parallel, threads: THREADS, context: CONTEXT, model, ..Options::default() }
}
