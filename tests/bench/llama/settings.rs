//! The settings of the node and its peers: threads, context and tokens.

use quoth_tests::Options;

use crate::plan::Plan;

/// Number of computing threads.
pub(super) const THREADS: u32 = 2;
/// Context length of one sequence, tokens.
pub(super) const CONTEXT: u32 = 2048;
/// Length of each answer, tokens.
pub(super) const TOKENS: usize = 128;
/// Maximum number of tokens in one decode step, as in the engine.
pub(super) const BATCH: &str = "512";
/// The switch of ggml that the engine turns off.
pub(super) const SWITCH: (&str, &str) = ("GGML_CPU_TILED_MM", "0");

/// Returns the options of a node for `parallel` chats.
pub(super) fn options(plan: &Plan, parallel: u32) -> Options {
    let model = Some(plan.model.clone());
    Options { parallel, threads: THREADS, context: CONTEXT, model, ..Options::default() }
}
