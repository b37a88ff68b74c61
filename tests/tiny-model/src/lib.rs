//! Writes tiny, deterministic GGUF models for tests.
//!
//! A llama with random weights from a fixed seed: it loads in milliseconds and answers gibberish,
//! the same gibberish every time. It is 64 wide with 4 layers, or 256 wide with 2 layers and a longer
//! context, which formats with super-blocks need. Its vocabulary has all 256 byte tokens, the ChatML
//! markers, printable ASCII and made-up syllables.

#![forbid(unsafe_code)]

mod kind;
mod model;
mod quantise;
mod shape;
mod vocabulary;
mod writer;

pub use kind::Kind;
pub use model::Model;
pub use shape::Shape;
pub use vocabulary::Vocabulary;

/// Tokens of context the usual model claims to be trained for.
pub const CONTEXT: u32 = Shape::SMALL.context;
/// Tokens in the vocabulary.
pub const VOCABULARY: u32 = 576;
/// Id of `<|im_start|>`.
pub const IM_START: u32 = 1;
/// Id of `<|im_end|>`, which ends a generation.
pub const IM_END: u32 = 2;
/// Id of `<|endoftext|>`, which ends one too.
pub const END_OF_TEXT: u32 = 3;

/// ChatML with a default system message, as small instruction models have it.
pub const CHAT_TEMPLATE: &str = "{% for message in messages %}\
{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|im_start|>system\\nYou are tiny.<|im_end|>\\n' }}{% endif %}\
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\
{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// The model with its usual template.
pub fn gguf(kind: Kind) -> Vec<u8> {
    Model::new(kind).bytes()
}

/// The model with another chat template, or none.
pub fn with_template(kind: Kind, template: Option<&str>) -> Vec<u8> {
    Model::new(kind).template(template).bytes()
}
