//! Reads an OpenAI-style body: messages or a prompt, and how to sample.
//!
//! A field that cannot be honoured is refused, never ignored, and a replay maps a body the same
//! way. `null` counts as absent wherever a field is optional.

mod chat;
mod completion;
mod embedding;
mod error;
mod fields;
mod parameters;

pub use chat::{Chat, Message, Role};
pub use completion::Completion;
pub use embedding::{Embedding, Encoding};
pub use error::{Code, RequestError};
pub use parameters::Parameters;
