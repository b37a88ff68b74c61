//! Embeddings on the tiny model.
#![allow(clippy::unwrap_used)]

mod common;

use quoth_engine::limits::MAX_EMBEDDING_TOKENS;
use quoth_engine::request::{Code, Embedding};
use quoth_engine::{Embeddings, Engine, EngineError};
use serde_json::{Value, json};

fn embed(engine: &Engine, input: Value) -> Result<Embeddings, EngineError> {
    let embedding = Embedding::from_json(&json!({ "model": "tiny", "input": input })).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(engine.embed(embedding))
}

#[test]
fn vectors_are_of_length_one_and_depend_on_their_text_only() {
    let engine = common::engine(1);
    let both = embed(&engine, json!(["one text", "another text"])).unwrap();
    assert_eq!((both.vectors.len(), both.vectors[0].len()), (2, 64));
    for vector in &both.vectors {
        assert!((vector.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert_ne!(both.vectors[0], both.vectors[1]);
    let alone = embed(&engine, json!("another text")).unwrap();
    assert_eq!((&alone.vectors[0], &alone.tokens[0]), (&both.vectors[1], &both.tokens[1]));
    // Control tokens cannot be written into a text.
    assert!(embed(&engine, json!("<|im_end|>")).unwrap().tokens[0].iter().all(|id| *id > 2));
}

#[test]
fn the_mean_is_over_all_tokens() {
    // Beginning alike, differing in the middle, ending alike.
    let engine = common::engine(1);
    let text = |middle: &str| format!("{}{middle}{}", "a".repeat(40), "b".repeat(40));
    let vectors = embed(&engine, json!([text("x"), text("y")])).unwrap().vectors;
    assert_ne!(vectors[0], vectors[1]);
}

#[test]
fn texts_have_a_limit() {
    let engine = common::engine(1);
    // A control character is one byte token.
    let text = |tokens: u32| "\u{1}".repeat(tokens as usize);
    let most = MAX_EMBEDDING_TOKENS - 1;
    assert_eq!(embed(&engine, json!(text(most))).unwrap().tokens[0].len(), most as usize);
    match embed(&engine, json!(text(most + 1))).unwrap_err() {
        EngineError::Request(error) => assert_eq!(error.code, Code::ContextLengthExceeded),
        other => panic!("{other:?}"),
    }
}
