//! Vocabularies: the usual one, and unusual ones that a loader must refuse or handle.

use crate::writer::{Gguf, Value};

/// Number of tokens in the vocabulary.
pub const VOCABULARY: u32 = 576;
/// Id of `<|im_start|>`.
pub const IM_START: u32 = 1;
/// Id of `<|im_end|>`, which ends a generation.
pub const IM_END: u32 = 2;
/// Id of `<|endoftext|>`, which also ends a generation.
pub const END_OF_TEXT: u32 = 3;

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

/// The texts of the model's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vocabulary<'a> {
    /// SentencePiece: control tokens, all bytes, characters, syllables.
    #[default]
    Whole,
    /// The same without the token of one byte.
    Without(u8),
    /// The same without any byte tokens.
    WithoutBytes,
    /// Byte-pair encoding. The name says how text is split into words (`tokenizer.ggml.pre`).
    Pairs(&'a str),
    /// The same without the token of one byte.
    PairsWithout(&'a str, u8),
    /// RWKV's vocabulary without the token of one byte.
    RwkvWithout(u8),
    /// Two tokens with the same text.
    Twice,
    /// No vocabulary.
    None,
}

type Token = (String, f32, i32);

/// Writes a vocabulary.
pub(crate) fn write(gguf: &mut Gguf, vocabulary: Vocabulary<'_>) {
    let (tokenizer, splitter) = match vocabulary {
        Vocabulary::Pairs(splitter) | Vocabulary::PairsWithout(splitter, _) => ("gpt2", splitter),
        Vocabulary::RwkvWithout(_) => ("rwkv", "default"),
        Vocabulary::None => ("no_vocab", "default"),
        _ => ("llama", "default"),
    };
    let tokens = match vocabulary {
        Vocabulary::Pairs(_) => pairs(None),
        Vocabulary::PairsWithout(_, gap) => pairs(Some(gap)),
        Vocabulary::RwkvWithout(gap) => rwkv(gap),
        _ => sentence_piece(vocabulary),
    };
    assert_eq!(tokens.len(), VOCABULARY as usize);
    gguf.entry("tokenizer.ggml.model", Value::Text(tokenizer));
    gguf.entry("tokenizer.ggml.pre", Value::Text(splitter));
    gguf.entry("tokenizer.ggml.tokens", Value::Texts(tokens.iter().map(|token| token.0.as_str()).collect()));
    gguf.entry("tokenizer.ggml.scores", Value::F32s(tokens.iter().map(|token| token.1).collect()));
    gguf.entry("tokenizer.ggml.token_type", Value::I32s(tokens.iter().map(|token| token.2).collect()));
    if tokenizer == "gpt2" {
        gguf.entry("tokenizer.ggml.merges", Value::Texts(vec!["a b"]));
    }
    gguf.entry("tokenizer.ggml.unknown_token_id", Value::U32(0));
    gguf.entry("tokenizer.ggml.bos_token_id", Value::U32(1));
    gguf.entry("tokenizer.ggml.eos_token_id", Value::U32(2));
    gguf.entry("tokenizer.ggml.add_bos_token", Value::Bool(false));
    gguf.entry("tokenizer.ggml.add_space_prefix", Value::Bool(false));
}

fn control() -> Vec<Token> {
    vec![
        ("<unk>".into(), 0.0, UNKNOWN),
        ("<|im_start|>".into(), 0.0, CONTROL),
        ("<|im_end|>".into(), 0.0, CONTROL),
        ("<|endoftext|>".into(), 0.0, CONTROL),
    ]
}

fn sentence_piece(vocabulary: Vocabulary<'_>) -> Vec<Token> {
    let mut tokens = control();
    tokens.extend((0..=255u8).map(|byte| match vocabulary {
        Vocabulary::WithoutBytes => (format!("gap{byte}"), 0.0, NORMAL),
        Vocabulary::Without(gap) if gap == byte => (format!("gap{byte}"), 0.0, NORMAL),
        _ => (format!("<0x{byte:02X}>"), 0.0, BYTE),
    }));
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
    if vocabulary == Vocabulary::Twice {
        tokens[VOCABULARY as usize - 1] = tokens[VOCABULARY as usize - 2].clone();
    }
    tokens
}

/// Returns every byte as GPT-2's character for it, one pair, and tokens that do not occur in text.
fn pairs(gap: Option<u8>) -> Vec<Token> {
    let mut others = (256..).filter_map(char::from_u32);
    let mut tokens = control();
    tokens.extend((0..=255u8).map(|byte| {
        let shown = matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let character = if shown { char::from(byte) } else { others.next().unwrap_or_default() };
        let text = if gap == Some(byte) { format!("gap{byte}") } else { character.to_string() };
        (text, 0.0, NORMAL)
    }));
    tokens.push(("ab".into(), 0.0, NORMAL));
    fill(tokens)
}

/// Returns every byte in RWKV's spelling.
fn rwkv(gap: u8) -> Vec<Token> {
    let mut tokens = control();
    let text = |byte: u8| if byte == gap { format!("\\x{byte:02x}\\x00") } else { format!("\\x{byte:02x}") };
    tokens.extend((0..=255u8).map(|byte| (text(byte), 0.0, NORMAL)));
    fill(tokens)
}

fn fill(mut tokens: Vec<Token>) -> Vec<Token> {
    tokens.extend((tokens.len()..VOCABULARY as usize).map(|id| (format!("gap{id}"), 0.0, NORMAL)));
    tokens
}
