//! A SentencePiece-style vocabulary: control tokens, bytes, characters, syllables.

use crate::VOCABULARY;
use crate::writer::{Gguf, Value};

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

pub(crate) fn write(gguf: &mut Gguf) {
    let mut tokens: Vec<(String, f32, i32)> = vec![
        ("<unk>".into(), 0.0, UNKNOWN),
        ("<|im_start|>".into(), 0.0, CONTROL),
        ("<|im_end|>".into(), 0.0, CONTROL),
        ("<|endoftext|>".into(), 0.0, CONTROL),
    ];
    tokens.extend((0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), 0.0, BYTE)));
    // SentencePiece writes a space as U+2581.
    let characters = std::iter::once('\u{2581}').chain('!'..='~');
    tokens.extend(characters.map(|c| (c.to_string(), -1000.0, NORMAL)));
    let mut score = 0.0;
    for start in ["", "\u{2581}"] {
        for consonant in "bcdfghjklmnprstvwz".chars() {
            for vowel in "aeiouy".chars() {
                if tokens.len() < VOCABULARY as usize {
                    score -= 1.0;
                    tokens.push((format!("{start}{consonant}{vowel}"), score, NORMAL));
                }
            }
        }
    }
    // Characters beyond ASCII, so that one token can hold several bytes.
    for c in "äöüßéèñçøåæœ€£¥©®°±²³µ¶·¹º»¼½¾¿αβγδεζηθικλμνξοπρστυφχψω日本語中文字".chars()
    {
        if tokens.len() < VOCABULARY as usize {
            tokens.push((c.to_string(), -1000.0, NORMAL));
        }
    }
    assert_eq!(tokens.len(), VOCABULARY as usize);

    gguf.entry("tokenizer.ggml.model", Value::Text("llama"));
    gguf.entry("tokenizer.ggml.pre", Value::Text("default"));
    gguf.entry("tokenizer.ggml.tokens", Value::Texts(tokens.iter().map(|token| token.0.as_str()).collect()));
    gguf.entry("tokenizer.ggml.scores", Value::F32s(tokens.iter().map(|token| token.1).collect()));
    gguf.entry("tokenizer.ggml.token_type", Value::I32s(tokens.iter().map(|token| token.2).collect()));
    gguf.entry("tokenizer.ggml.unknown_token_id", Value::U32(0));
    gguf.entry("tokenizer.ggml.bos_token_id", Value::U32(1));
    gguf.entry("tokenizer.ggml.eos_token_id", Value::U32(2));
    gguf.entry("tokenizer.ggml.add_bos_token", Value::Bool(false));
    gguf.entry("tokenizer.ggml.add_space_prefix", Value::Bool(false));
}
