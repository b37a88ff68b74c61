//! What the engine wants to know from a GGUF header.

use std::collections::{BTreeMap, BTreeSet};

/// What the engine wants to know from a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// `general.architecture`.
    pub architecture: String,
    /// `tokenizer.chat_template`, the default one.
    pub chat_template: Option<String>,
    /// Where the tensor data begins, bytes.
    pub data_offset: u64,
    /// The tensors, in the header's order.
    pub tensors: Vec<Tensor>,
    /// `tokenizer.ggml.model`.
    pub tokenizer: String,
    /// `tokenizer.ggml.pre`: how text is cut into words before they become tokens.
    pub words: String,
    /// Tokens in the vocabulary.
    pub tokens: Option<u64>,
    /// Bytes that are tokens by themselves, as RWKV's vocabularies write them.
    pub single_bytes: BTreeSet<u8>,
    /// Whole numbers that the architecture names, by their keys without its name.
    pub measures: BTreeMap<String, u64>,
    /// `attention.causal` of the architecture: false in models that only embed.
    pub causal: Option<bool>,
    /// Types of tensors that llama.cpp may lay out anew for speed (`ggml.h`, `enum ggml_type`), each once.
    pub repackable: BTreeSet<u32>,
}

/// Where a tensor lies, and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its lengths, the one of its rows first.
    pub shape: Vec<u64>,
    /// Its type (`ggml.h`, `enum ggml_type`).
    pub kind: u32,
    /// Bytes of one block.
    pub block: u64,
    /// Where it begins, bytes from [`Header::data_offset`].
    pub offset: u64,
    /// Its length, bytes.
    pub bytes: u64,
}
