//! The public API of Anthropic: `POST /v1/messages`.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::answer::{Answer, Question, json_schema, limit, tool};
use crate::ask::Ask;
use crate::prompt::Prompt;
use crate::reply::Reply;
use crate::sse::{Event, Events};

pub(crate) fn messages(ask: &Ask) -> Reply {
    let prompt = Prompt::new(&ask.body["messages"]).also(&ask.body["system"]);
    let question = Question {
        tool: tool(&prompt, &ask.body),
        schema: json_schema(&ask.body["output_config"]["format"]),
        limit: limit(&ask.body, &["max_tokens"]),
        prompt,
    };
    let answer = question.answer(ask.deltas);
    if ask.streams() { Reply::Events(events(ask, &answer)) } else { Reply::Json(StatusCode::OK, whole(ask, &answer)) }
}

fn whole(ask: &Ask, answer: &Answer) -> Value {
    let mut block = block(ask, answer);
    match &answer.tool {
        // Arguments that the limit cut short are not valid JSON.
        Some(_) => block["input"] = serde_json::from_str(&answer.text()).unwrap_or(json!({})),
        None => block["text"] = answer.text().into(),
    }
    let mut message = message(ask, answer, answer.count);
    message["content"] = json!([block]);
    message["stop_reason"] = stop_reason(answer).into();
    message
}

fn events(ask: &Ask, answer: &Answer) -> Events {
    let calls = answer.tool.is_some();
    let before = [
        Event::typed("message_start", json!({"message": message(ask, answer, 1)})),
        Event::typed("content_block_start", json!({"index": 0, "content_block": block(ask, answer)})),
        Event::typed("ping", json!({})),
    ];
    let pieces = answer.pieces().map(move |piece| {
        let delta = if calls {
            json!({"type": "input_json_delta", "partial_json": piece})
        } else {
            json!({"type": "text_delta", "text": piece})
        };
        Event::typed("content_block_delta", json!({"index": 0, "delta": delta})).piece()
    });
    let delta = json!({"stop_reason": stop_reason(answer), "stop_sequence": null});
    let after = [
        Event::typed("content_block_stop", json!({"index": 0})),
        Event::typed("message_delta", json!({"delta": delta, "usage": {"output_tokens": answer.count}})),
        Event::typed("message_stop", json!({})),
    ];
    Box::new(before.into_iter().chain(pieces).chain(after))
}

/// Returns a message at its start.
fn message(ask: &Ask, answer: &Answer, output_tokens: usize) -> Value {
    json!({
        "id": format!("msg_{:016x}", ask.number),
        "type": "message",
        "role": "assistant",
        "model": ask.model(),
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": answer.asked,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        },
    })
}

/// Returns a block at its start.
fn block(ask: &Ask, answer: &Answer) -> Value {
    match &answer.tool {
        Some(name) => {
            json!({"type": "tool_use", "id": format!("toolu_{:016x}", ask.number), "name": name, "input": {}})
        }
        None => json!({"type": "text", "text": ""}),
    }
}

fn stop_reason(answer: &Answer) -> &'static str {
    match (answer.cut, &answer.tool) {
        (true, _) => "max_tokens",
        (false, Some(_)) => "tool_use",
        (false, None) => "end_turn",
    }
}
