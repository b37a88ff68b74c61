//! Comparisons with llama.cpp: with its benches, which only decode, and with its HTTP server.

mod benches;
mod chat;
mod chats;
mod replays;
mod server;
mod serving;
mod settings;

pub(crate) use chats::measure as chats;
pub(crate) use replays::measure as replays;
pub(crate) use serving::measure as serving;
