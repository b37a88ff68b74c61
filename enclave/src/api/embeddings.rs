//! `POST /v1/embeddings`.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use quoth_attestation::receipt::Outcome;
use quoth_engine::request::{Embedding, Encoding};
use serde_json::{Value, json};

use super::ApiError;
use super::answer::Answer;
use super::generate::LocalStream;
use crate::exchange::{Exchange, IncomingRequest, LocalRecord};
use crate::node::Node;
use crate::shares::Share;

pub(super) async fn answer(
    node: &Arc<Node>,
    (body, tree): (Value, Share),
    request: &IncomingRequest,
    exchange: &mut Exchange,
) -> Result<Answer<LocalStream>, ApiError> {
    let embedding = Embedding::from_json(&body)?;
    drop((body, tree));
    let engine = node.engine(&embedding.model).ok_or_else(ApiError::no_model)?.in_scope(&request.cache);
    let (info, encoding, model) = (engine.info().clone(), embedding.encoding, embedding.model.clone());
    let prompt = json!(embedding.inputs).to_string().into_bytes();
    let embeddings = engine.embed(embedding).await?;
    // Embeddings have no output tokens and no sampling parameters.
    let tokens = embeddings.tokens.concat();
    let count = tokens.len();
    let record = LocalRecord::new(&info, prompt, tokens, Vec::new()).map_err(|_| ApiError::internal())?;
    exchange.runs(record);
    let item = |(index, vector): (u32, &Vec<f32>)| json!({ "object": "embedding", "index": index, "embedding": encode(vector, encoding) });
    let data: Vec<Value> = (0..).zip(&embeddings.vectors).map(item).collect();
    let usage = json!({ "prompt_tokens": count, "total_tokens": count });
    let body = json!({ "object": "list", "data": data, "model": model, "usage": usage }).to_string();
    Ok(Answer::json(body.into(), Outcome::Complete))
}

fn encode(vector: &[f32], encoding: Encoding) -> Value {
    match encoding {
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            BASE64_STANDARD.encode(&bytes).into()
        }
        Encoding::Float => json!(vector),
    }
}
