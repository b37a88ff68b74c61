//! `POST /v1/chat/completions`.

use std::sync::Arc;

use bytes::Bytes;
use quoth_engine::TokenInfo;
use quoth_engine::request::Chat;
use serde::Serialize;
use serde_json::Value;

use super::ApiError;
use super::answer::Answer;
use super::generate::{self, Chunk, Counts, Head, LocalStream, Shape, Sse};
use super::tokens::ChatLogprobs;
use crate::exchange::{Exchange, IncomingRequest};
use crate::node::Node;
use crate::shares::Share;

pub(super) async fn answer(
    node: &Arc<Node>,
    (body, tree): (Value, Share),
    request: &IncomingRequest,
    exchange: &mut Exchange,
) -> Result<Answer<LocalStream>, ApiError> {
    let chat = Chat::from_json(&body)?;
    drop((body, tree));
    let engine = node.engine(&chat.model).ok_or_else(ApiError::no_model)?.in_scope(&request.cache);
    let head = generate::head("chatcmpl-", exchange, &chat.model, chat.include_usage);
    let shape = ChatShape { logprobs: chat.logprobs.is_some() };
    generate::answer(&engine, exchange, chat.stream, head, shape, move |engine| engine.chat(&chat)).await
}

struct ChatShape {
    logprobs: bool,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

/// The object type of a stream's events.
const EVENT: &str = "chat.completion.chunk";

fn delta<'a>(delta: Message<'a>, logprobs: Option<ChatLogprobs>, reason: Option<&'static str>) -> Vec<Choice<'a>> {
    vec![Choice { index: 0, delta: Some(delta), message: None, logprobs, finish_reason: reason }]
}

impl Shape for ChatShape {
    fn begin(&self, head: &Head, out: &mut Sse<'_>) {
        let first = Message { role: Some("assistant"), content: Some("") };
        out.event(&Chunk::new(EVENT, head, delta(first, None, None)));
    }

    fn delta(&mut self, head: &Head, text: &str, tokens: &[TokenInfo], out: &mut Sse<'_>) {
        // Text may be held back for a moment. Without log-probabilities the event would be empty.
        if text.is_empty() && !self.logprobs {
            return;
        }
        let logprobs = self.logprobs.then(|| ChatLogprobs::new(tokens));
        out.event(&Chunk::new(EVENT, head, delta(Message { role: None, content: Some(text) }, logprobs, None)));
    }

    fn finish(&self, head: &Head, reason: &'static str, out: &mut Sse<'_>) {
        out.event(&Chunk::new(EVENT, head, delta(Message::default(), None, Some(reason))));
    }

    fn usage(&self, head: &Head, usage: Counts, out: &mut Sse<'_>) {
        out.event(&Chunk::new(EVENT, head, Vec::<Choice<'_>>::new()).counted(usage));
    }

    fn whole(&mut self, head: &Head, text: &str, tokens: &[TokenInfo], reason: &'static str, usage: Counts) -> Bytes {
        let message = Message { role: Some("assistant"), content: Some(text) };
        let logprobs = self.logprobs.then(|| ChatLogprobs::new(tokens));
        let choice = Choice { index: 0, delta: None, message: Some(message), logprobs, finish_reason: Some(reason) };
        Chunk::new("chat.completion", head, vec![choice]).counted(usage).to_bytes()
    }
}
