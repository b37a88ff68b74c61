//! Chats with the node and with llama.cpp: its benches of nothing but decoding, and its HTTP server.

mod benches;
mod chat;
mod chats;
mod replays;
mod server;
mod serving;

pub(crate) use chats::measure as chats;
pub(crate) use replays::measure as replays;
pub(crate) use serving::measure as serving;

/// Threads that compute, everywhere.
const THREADS: u32 = 2;
/// Tokens of one sequence's context, everywhere.
const CONTEXT: u32 = 2048;
/// Tokens of each answer.
const TOKENS: usize = 128;
/// Tokens of one decode step, as the engine has them.
const BATCH: &str = "512";
/// The one of ggml's switches that the engine turns off.
const SWITCH: (&str, &str) = ("GGML_CPU_TILED_MM", "0");

/// A node with room for so many chats.
fn options(plan: &crate::Plan, parallel: u32) -> quoth_tests::Options {
    let model = Some(plan.model.clone());
    quoth_tests::Options { parallel, threads: THREADS, context: CONTEXT, model, ..quoth_tests::Options::default() }
}
