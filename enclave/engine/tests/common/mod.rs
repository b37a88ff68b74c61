//! What the engine's tests share: a tiny engine, and a reader of whole generations.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::time::Duration;

use quoth_engine::request::{Chat, Completion};
use quoth_engine::{
    Engine, EngineError, EngineOptions, Event, Finish, Generation, ModelWriter, RequestError, SealedModel, TokenInfo,
};
use quoth_tiny_model::Kind;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub fn seal(bytes: &[u8]) -> SealedModel {
    let mut writer = ModelWriter::new(bytes.len() as u64).unwrap();
    writer.write(bytes).unwrap();
    writer.finish(&Sha256::digest(bytes).into()).unwrap()
}

pub fn options(parallel: u32) -> EngineOptions {
    EngineOptions { context: 1024, parallel, batch: 512, ..EngineOptions::new("tiny") }
}

pub fn engine(parallel: u32) -> Engine {
    Engine::load(seal(&quoth_tiny_model::gguf(Kind::F32)), options(parallel)).unwrap()
}

pub fn engine_with_template(template: Option<&str>) -> Engine {
    Engine::load(seal(&quoth_tiny_model::with_template(Kind::F32, template)), options(1)).unwrap()
}

/// A chat whose body is `extra` over a default one.
pub fn chat(extra: Value) -> Result<Chat, RequestError> {
    let mut body = serde_json::json!({ "model": "tiny", "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    Chat::from_json(&body)
}

pub fn completion(extra: Value) -> Result<Completion, RequestError> {
    let mut body = serde_json::json!({ "model": "tiny", "prompt": "hi" });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    Completion::from_json(&body)
}

/// A generation read to its end.
pub struct Answer {
    pub text: String,
    pub tokens: Vec<TokenInfo>,
    pub output: Vec<u32>,
    pub finish: Finish,
    pub cached: usize,
}

pub fn next(generation: &mut Generation) -> Option<Event> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), generation.events.recv()).await.expect("an event within a minute")
    })
}

pub fn read(mut generation: Generation) -> Result<Answer, EngineError> {
    let (mut text, mut tokens) = (String::new(), Vec::new());
    loop {
        match next(&mut generation).expect("a last event") {
            Event::Text { text: more, tokens: infos } => {
                text.push_str(&more);
                tokens.extend(infos);
            }
            Event::Finished { reason, output_tokens, cached_tokens } => {
                assert!(next(&mut generation).is_none(), "nothing follows the end");
                return Ok(Answer { text, tokens, output: output_tokens, finish: reason, cached: cached_tokens });
            }
            Event::Failed(error) => return Err(error),
            _ => unreachable!(),
        }
    }
}

pub fn ask(engine: &Engine, extra: Value) -> Answer {
    read(engine.chat(&chat(extra).unwrap()).unwrap()).unwrap()
}
