//! `POST /v1/responses`.

use std::iter;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::CREATED;
use crate::answer::{Answer, Question, json_schema, limit, tool};
use crate::ask::Ask;
use crate::prompt::Prompt;
use crate::reply::Reply;
use crate::sse::{Event, Events};

/// An event's type and the rest of its data.
type Named = (&'static str, Value);

pub(crate) fn responses(ask: &Ask) -> Reply {
    let prompt = Prompt::new(&ask.body["input"]).also(&ask.body["instructions"]);
    let question = Question {
        tool: tool(&prompt, &ask.body),
        schema: json_schema(&ask.body["text"]["format"]),
        limit: limit(&ask.body, &["max_output_tokens"]),
        prompt,
    };
    let answer = question.answer(ask.deltas);
    let response = response(ask);
    let item = Item { number: ask.number, answer };
    if ask.streams() { Reply::Events(events(response, item)) } else { Reply::Json(StatusCode::OK, item.end(response)) }
}

/// Returns the numbered events, from `response.created` to `response.completed`.
fn events(response: Value, item: Item) -> Events {
    let id = item.id();
    let before = [
        ("response.created", json!({"response": response})),
        ("response.in_progress", json!({"response": response})),
        ("response.output_item.added", json!({"output_index": 0, "item": item.begun()})),
    ];
    let part = item.part_begun();
    let kind = if item.answer.tool.is_some() {
        "response.function_call_arguments.delta"
    } else {
        "response.output_text.delta"
    };
    let text = item.answer.tool.is_none();
    let deltas = item.answer.pieces().map(move |piece| {
        let mut data = json!({"item_id": id, "output_index": 0, "delta": piece});
        if text {
            data["content_index"] = 0.into();
            data["logprobs"] = json!([]);
        }
        (kind, data)
    });
    // The events after the pieces hold the whole text. They are made after the pieces.
    let after = iter::once_with(move || item.done(response)).flatten();
    let named = before.into_iter().chain(part).chain(deltas).chain(after);
    Box::new(named.enumerate().map(|(number, (name, mut data))| {
        data["sequence_number"] = number.into();
        Event::typed(name, data)
    }))
}

/// The only item of output: a message or a function call.
struct Item {
    number: u64,
    answer: Answer,
}

impl Item {
    fn id(&self) -> String {
        let kind = if self.answer.tool.is_some() { "fc" } else { "msg" };
        format!("{kind}_{:016x}", self.number)
    }

    fn begun(&self) -> Value {
        match &self.answer.tool {
            Some(name) => json!({
                "id": self.id(),
                "type": "function_call",
                "status": "in_progress",
                "arguments": "",
                "call_id": format!("call_{:016x}", self.number),
                "name": name,
            }),
            None => json!({
                "id": self.id(), "type": "message", "status": "in_progress", "content": [], "role": "assistant",
            }),
        }
    }

    fn part_begun(&self) -> Option<Named> {
        let data = json!({"item_id": self.id(), "output_index": 0, "content_index": 0, "part": part("")});
        self.answer.tool.is_none().then_some(("response.content_part.added", data))
    }

    fn ended(&self) -> Value {
        let mut item = self.begun();
        item["status"] = self.status().into();
        match &self.answer.tool {
            Some(_) => item["arguments"] = self.answer.text().into(),
            None => item["content"] = json!([part(&self.answer.text())]),
        }
        item
    }

    fn done(&self, response: Value) -> Vec<Named> {
        let (id, text) = (self.id(), self.answer.text());
        let mut events = match &self.answer.tool {
            Some(name) => {
                let data = json!({"item_id": id, "output_index": 0, "name": name, "arguments": text});
                vec![("response.function_call_arguments.done", data)]
            }
            None => {
                let place = json!({"item_id": id, "output_index": 0, "content_index": 0});
                let (mut done, mut part_done) = (place.clone(), place);
                done["logprobs"] = json!([]);
                part_done["part"] = part(&text);
                done["text"] = text.into();
                vec![("response.output_text.done", done), ("response.content_part.done", part_done)]
            }
        };
        events.push(("response.output_item.done", json!({"output_index": 0, "item": self.ended()})));
        let end = if self.answer.cut { "response.incomplete" } else { "response.completed" };
        events.push((end, json!({"response": self.end(response)})));
        events
    }

    fn end(&self, mut response: Value) -> Value {
        let answer = &self.answer;
        response["status"] = self.status().into();
        response["output"] = json!([self.ended()]);
        if answer.cut {
            response["incomplete_details"] = json!({"reason": "max_output_tokens"});
        }
        response["usage"] = json!({
            "input_tokens": answer.asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answer.count,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.asked + answer.count,
        });
        response
    }

    fn status(&self) -> &'static str {
        if self.answer.cut { "incomplete" } else { "completed" }
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

/// Returns a response at its start, with the request's settings or their defaults.
fn response(ask: &Ask) -> Value {
    let or = |name: &str, otherwise: Value| match &ask.body[name] {
        Value::Null => otherwise,
        given => given.clone(),
    };
    json!({
        "id": format!("resp_{:016x}", ask.number),
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": ask.body["instructions"],
        "max_output_tokens": ask.body["max_output_tokens"],
        "max_tool_calls": null,
        "model": ask.model(),
        "output": [],
        "parallel_tool_calls": or("parallel_tool_calls", true.into()),
        "previous_response_id": ask.body["previous_response_id"],
        "reasoning": or("reasoning", json!({"effort": null, "summary": null})),
        "service_tier": "default",
        "store": or("store", true.into()),
        "temperature": or("temperature", json!(1.0)),
        "text": or("text", json!({"format": {"type": "text"}, "verbosity": "medium"})),
        "tool_choice": or("tool_choice", "auto".into()),
        "tools": or("tools", json!([])),
        "top_logprobs": 0,
        "top_p": or("top_p", json!(1.0)),
        "truncation": or("truncation", "disabled".into()),
        "usage": null,
        "user": ask.body["user"],
        "metadata": or("metadata", json!({})),
    })
}
