//! `POST /v1/embeddings`.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::answer::limit;
use crate::ask::Ask;
use crate::reply::Reply;

const DIMENSIONS: usize = 1_536;

pub(crate) fn embeddings(ask: &Ask) -> Reply {
    let dimensions = limit(&ask.body, &["dimensions"]).unwrap_or(DIMENSIONS);
    let base64 = ask.body["encoding_format"] == "base64";
    let mut tokens = 0;
    let mut data = Vec::new();
    for (index, input) in inputs(&ask.body["input"]).into_iter().enumerate() {
        tokens += input.split_whitespace().count();
        let vector = vector(&input, dimensions);
        let embedding = if base64 { encoded(&vector) } else { json!(vector) };
        data.push(json!({"object": "embedding", "index": index, "embedding": embedding}));
    }
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    Reply::Json(StatusCode::OK, json!({"object": "list", "data": data, "model": ask.model(), "usage": usage}))
}

/// Reads the input: a text, texts, tokens, or lists of tokens.
fn inputs(input: &Value) -> Vec<String> {
    let text = |input: &Value| match input {
        Value::String(text) => text.clone(),
        Value::Array(tokens) => tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    match input {
        Value::Array(inputs) if inputs.iter().all(|input| !input.is_number()) => inputs.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

/// Returns a vector of length one that depends on every byte of the text.
#[allow(clippy::cast_precision_loss, reason = "numbers of 16 bits")]
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut state = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) as f32 - 32_767.5
    };
    let vector: Vec<f32> = (0..dimensions).map(|_| next()).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

fn encoded(vector: &[f32]) -> Value {
    BASE64_STANDARD.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()).into()
}
