//! Log-probabilities in OpenAI's two forms.

use std::collections::BTreeMap;

use quoth_engine::TokenInfo;
use serde::Serialize;

/// OpenAI's stand-in for the logarithm of zero, since JSON has no infinity.
const IMPOSSIBLE: f32 = -9999.0;

/// Log-probabilities of chat completions.
#[derive(Serialize)]
pub(super) struct ChatLogprobs {
    content: Vec<ChatToken>,
    refusal: Option<()>,
}

#[derive(Serialize)]
struct ChatToken {
    #[serde(flatten)]
    token: Token,
    top_logprobs: Vec<Token>,
}

#[derive(Serialize)]
struct Token {
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
}

impl Token {
    fn new(bytes: &[u8], logprob: f32) -> Self {
        Self { token: text(bytes), logprob: logprob.max(IMPOSSIBLE), bytes: bytes.to_vec() }
    }
}

impl ChatLogprobs {
    pub(super) fn new(tokens: &[TokenInfo]) -> Self {
        let content = tokens.iter().map(|info| ChatToken {
            token: Token::new(&info.bytes, info.logprob),
            top_logprobs: info.top.iter().map(|(_, bytes, logprob)| Token::new(bytes, *logprob)).collect(),
        });
        Self { content: content.collect(), refusal: None }
    }
}

/// Log-probabilities of legacy completions.
#[derive(Serialize)]
pub(super) struct TextLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<f32>,
    top_logprobs: Vec<BTreeMap<String, f32>>,
    text_offset: Vec<usize>,
}

impl TextLogprobs {
    /// `offset`: characters of output before these tokens. It is moved past them.
    pub(super) fn new(tokens: &[TokenInfo], offset: &mut usize) -> Self {
        let mut logprobs = Self { tokens: vec![], token_logprobs: vec![], top_logprobs: vec![], text_offset: vec![] };
        for info in tokens {
            let token = text(&info.bytes);
            logprobs.text_offset.push(*offset);
            *offset += token.chars().count();
            logprobs.tokens.push(token);
            logprobs.token_logprobs.push(info.logprob.max(IMPOSSIBLE));
            let top = info.top.iter().map(|(_, bytes, logprob)| (text(bytes), logprob.max(IMPOSSIBLE)));
            logprobs.top_logprobs.push(top.collect());
        }
        logprobs
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
