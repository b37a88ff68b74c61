//! The public API of `OpenAI`.

mod chat;
mod embeddings;
mod models;
mod responses;

pub(crate) use chat::chat;
pub(crate) use embeddings::embeddings;
pub(crate) use models::models;
pub(crate) use responses::responses;

/// When every answer was made: 1 January 2026.
const CREATED: u64 = 1_767_225_600;
