//! Writes tiny, deterministic GGUF models for tests.
//!
//! A model is a llama with random weights from a fixed seed. It loads in milliseconds and always answers the
//! same gibberish. It is 64 wide with 4 layers, or 256 wide with 2 layers and a longer context, for formats
//! with super-blocks. Its vocabulary has all 256 byte tokens, the ChatML
//! markers, printable ASCII and made-up syllables.

#![forbid(unsafe_code)]

mod kind;
mod model;
mod quantise;
mod shape;
mod template;
mod vocabulary;
mod writer;

pub use kind::Kind;
pub use model::Model;
pub use shape::Shape;
pub use template::CHAT_TEMPLATE;
pub use vocabulary::{END_OF_TEXT, IM_END, IM_START, VOCABULARY, Vocabulary};

/// Context length in the header of the usual model, tokens.
pub const CONTEXT: u32 = Shape::SMALL.context;

/// Returns the model with its usual template.
pub fn gguf(kind: Kind) -> Vec<u8> {
    Model::new(kind).bytes()
}

/// Returns the model with another chat template, or none.
pub fn with_template(kind: Kind, template: Option<&str>) -> Vec<u8> {
    Model::new(kind).template(template).bytes()
}
