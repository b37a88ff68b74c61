//! `POST /v1/completions`: text to continue, in OpenAI's legacy form.

use std::sync::Arc;

use bytes::Bytes;
use quoth_engine::TokenInfo;
use quoth_engine::request::Completion;
use serde::Serialize;

use super::answer::Answer;
use super::generate::{self, Counts, Head, Shape, Sse};
use super::tokens::TextLogprobs;
use super::{ApiError, parse};
use crate::exchange::{Asked, Exchange};
use crate::node::Node;

pub(super) async fn answer(node: &Arc<Node>, asked: &Asked, exchange: &mut Exchange) -> Result<Answer, ApiError> {
    let completion = Completion::from_json(&parse(asked)?)?;
    let engine = node.engine(&completion.model).ok_or_else(ApiError::no_model)?;
    let head = generate::head("cmpl-", exchange, &completion.model, completion.include_usage);
    let shape = TextShape { logprobs: completion.logprobs.is_some(), offset: 0 };
    let stream = completion.stream;
    generate::answer(engine, exchange, stream, head, shape, move |engine| engine.complete(&completion)).await
}

struct TextShape {
    logprobs: bool,
    /// Characters of output so far.
    offset: usize,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Counts>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    text: &'a str,
    logprobs: Option<TextLogprobs>,
    finish_reason: Option<&'static str>,
}

impl<'a> Chunk<'a> {
    fn new(head: &'a Head, choices: Vec<Choice<'a>>) -> Self {
        let Head { id, created, model, include_usage } = head;
        let usage = include_usage.then_some(None);
        Self { id, object: "text_completion", created: *created, model, choices, usage }
    }
}

impl TextShape {
    fn choice<'a>(&mut self, text: &'a str, tokens: &[TokenInfo], reason: Option<&'static str>) -> Vec<Choice<'a>> {
        let logprobs = self.logprobs.then(|| TextLogprobs::new(tokens, &mut self.offset));
        vec![Choice { index: 0, text, logprobs, finish_reason: reason }]
    }
}

impl Shape for TextShape {
    fn delta(&mut self, head: &Head, text: &str, tokens: &[TokenInfo], out: &mut Sse<'_>) {
        if !text.is_empty() || self.logprobs {
            out.event(&Chunk::new(head, self.choice(text, tokens, None)));
        }
    }

    fn finish(&self, head: &Head, reason: &'static str, out: &mut Sse<'_>) {
        let choice = Choice { index: 0, text: "", logprobs: None, finish_reason: Some(reason) };
        out.event(&Chunk::new(head, vec![choice]));
    }

    fn usage(&self, head: &Head, usage: Counts, out: &mut Sse<'_>) {
        out.event(&Chunk { usage: Some(Some(usage)), ..Chunk::new(head, Vec::new()) });
    }

    fn whole(&mut self, head: &Head, text: &str, tokens: &[TokenInfo], reason: &'static str, usage: Counts) -> Bytes {
        let whole = Chunk { usage: Some(Some(usage)), ..Chunk::new(head, self.choice(text, tokens, Some(reason))) };
        // safe: plain structures serialize
        serde_json::to_vec(&whole).expect("plain structures serialize").into()
    }
}
