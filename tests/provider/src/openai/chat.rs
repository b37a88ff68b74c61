//! `POST /v1/chat/completions`.

use std::iter;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::CREATED;
use crate::answer::{Answer, Question, json_schema, limit, tool};
use crate::ask::Ask;
use crate::prompt::Prompt;
use crate::reply::Reply;
use crate::sse::{Event, Events};

pub(crate) fn chat(ask: &Ask) -> Reply {
    let prompt = Prompt::new(&ask.body["messages"]);
    let question = Question {
        tool: tool(&prompt, &ask.body),
        schema: json_schema(&ask.body["response_format"]),
        limit: limit(&ask.body, &["max_completion_tokens", "max_tokens"]),
        prompt,
    };
    let answer = question.answer(ask.deltas);
    if ask.streams() { Reply::Events(events(ask, &answer)) } else { Reply::Json(StatusCode::OK, whole(ask, &answer)) }
}

fn whole(ask: &Ask, answer: &Answer) -> Value {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null, "annotations": []});
    match &answer.tool {
        Some(name) => message["tool_calls"] = json!([call(ask, name, &answer.text())]),
        None => message["content"] = answer.text().into(),
    }
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(answer)});
    let mut value = frame(ask, "chat.completion", json!([choice]));
    value["usage"] = usage(answer);
    value
}

/// Returns the events: a role, the pieces, a finish reason, the usage if requested, `[DONE]`.
fn events(ask: &Ask, answer: &Answer) -> Events {
    let with_usage = ask.body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
    let mut frame = frame(ask, "chat.completion.chunk", json!([]));
    if with_usage {
        frame["usage"] = Value::Null;
    }
    let end = {
        let mut frame = frame.clone();
        frame["usage"] = usage(answer);
        with_usage.then(|| Event::data(frame))
    };
    let chunk = move |delta: Value, finish_reason: Value| {
        let mut frame = frame.clone();
        frame["choices"] = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
        Event::data(frame)
    };

    let first = match &answer.tool {
        Some(name) => {
            let mut call = call(ask, name, "");
            call["index"] = 0.into();
            json!({"role": "assistant", "content": null, "tool_calls": [call], "refusal": null})
        }
        None => json!({"role": "assistant", "content": "", "refusal": null}),
    };
    let first = chunk(first, Value::Null);
    let last = chunk(json!({}), finish_reason(answer).into());
    let calls = answer.tool.is_some();
    let pieces = answer.pieces().map(move |piece| {
        let delta = if calls {
            json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        } else {
            json!({"content": piece})
        };
        chunk(delta, Value::Null).piece()
    });
    Box::new(iter::once(first).chain(pieces).chain([last]).chain(end).chain([Event::data("[DONE]")]))
}

fn frame(ask: &Ask, object: &str, choices: Value) -> Value {
    json!({
        "id": format!("chatcmpl-{:016x}", ask.number),
        "object": object,
        "created": CREATED,
        "model": ask.model(),
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    })
}

fn call(ask: &Ask, name: &str, arguments: &str) -> Value {
    let function = json!({"name": name, "arguments": arguments});
    json!({"id": format!("call_{:016x}", ask.number), "type": "function", "function": function})
}

fn finish_reason(answer: &Answer) -> &'static str {
    match (answer.cut, &answer.tool) {
        (true, _) => "length",
        (false, Some(_)) => "tool_calls",
        (false, None) => "stop",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.asked,
        "completion_tokens": answer.count,
        "total_tokens": answer.asked + answer.count,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
