//! `POST /v1/completions`: text to continue, in OpenAI's legacy form.

use std::sync::Arc;

use bytes::Bytes;
use quoth_engine::TokenInfo;
use quoth_engine::request::Completion;
use serde::Serialize;
use serde_json::Value;

use super::ApiError;
use super::answer::Answer;
use super::generate::{self, Chunk, Counts, Head, LocalStream, Shape, Sse};
use super::tokens::TextLogprobs;
use crate::exchange::{Exchange, IncomingRequest};
use crate::node::Node;
use crate::shares::Share;

pub(super) async fn answer(
    node: &Arc<Node>,
    (body, tree): (Value, Share),
    request: &IncomingRequest,
    exchange: &mut Exchange,
) -> Result<Answer<LocalStream>, ApiError> {
    let completion = Completion::from_json(&body)?;
    drop((body, tree));
    let engine = node.engine(&completion.model).ok_or_else(ApiError::no_model)?.in_scope(&request.cache);
    let head = generate::head("cmpl-", exchange, &completion.model, completion.include_usage);
    let shape = TextShape { logprobs: completion.logprobs.is_some(), offset: 0 };
    let stream = completion.stream;
    generate::answer(&engine, exchange, stream, head, shape, move |engine| engine.complete(&completion)).await
}

struct TextShape {
    logprobs: bool,
    /// Characters of output so far.
    offset: usize,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    text: &'a str,
    logprobs: Option<TextLogprobs>,
    finish_reason: Option<&'static str>,
}

/// The object type of events and answers.
const OBJECT: &str = "text_completion";

impl TextShape {
    fn choice<'a>(&mut self, text: &'a str, tokens: &[TokenInfo], reason: Option<&'static str>) -> Vec<Choice<'a>> {
        let logprobs = self.logprobs.then(|| TextLogprobs::new(tokens, &mut self.offset));
        vec![Choice { index: 0, text, logprobs, finish_reason: reason }]
    }
}

impl Shape for TextShape {
    fn delta(&mut self, head: &Head, text: &str, tokens: &[TokenInfo], out: &mut Sse<'_>) {
        if !text.is_empty() || self.logprobs {
            out.event(&Chunk::new(OBJECT, head, self.choice(text, tokens, None)));
        }
    }

    fn finish(&self, head: &Head, reason: &'static str, out: &mut Sse<'_>) {
        let choice = Choice { index: 0, text: "", logprobs: None, finish_reason: Some(reason) };
        out.event(&Chunk::new(OBJECT, head, vec![choice]));
    }

    fn usage(&self, head: &Head, usage: Counts, out: &mut Sse<'_>) {
        out.event(&Chunk::new(OBJECT, head, Vec::<Choice<'_>>::new()).counted(usage));
    }

    fn whole(&mut self, head: &Head, text: &str, tokens: &[TokenInfo], reason: &'static str, usage: Counts) -> Bytes {
        Chunk::new(OBJECT, head, self.choice(text, tokens, Some(reason))).counted(usage).to_bytes()
    }
}
