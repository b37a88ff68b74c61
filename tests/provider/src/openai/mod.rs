//! The public API of `OpenAI`, one file for each path.

mod chat;
mod embeddings;
mod models;
mod responses;

pub(crate) use chat::chat;
pub(crate) use embeddings::embeddings;
pub(crate) use models::models;
pub(crate) use responses::responses;

/// The time in every answer: 1 January 2026.
const CREATED: u64 = 1_767_225_600;
