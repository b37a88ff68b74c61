//! Every parameter: what it means, its limit, and one past it.
#![allow(clippy::unwrap_used)]

mod common;

use common::{chat, completion};
use quoth_engine::limits::*;
use quoth_engine::request::{Code, Embedding, Encoding, Role};
use serde_json::{Value, json};

/// Codes and fields of the refusals, and that no message shows what the caller wrote.
fn refused(extra: Value) -> (Code, String) {
    let error = chat(extra).unwrap_err();
    assert!(!error.message.contains("CANARY") && !format!("{error:?}").contains("CANARY"), "{error:?}");
    (error.code, error.param.unwrap_or_default())
}

#[test]
fn defaults_are_openais() {
    let chat = chat(json!({})).unwrap();
    assert_eq!((chat.model.as_str(), chat.stream, chat.include_usage, chat.logprobs), ("tiny", false, false, None));
    assert_eq!(chat.parameters.max_tokens, None);
    assert_eq!(completion(json!({})).unwrap().parameters.max_tokens, Some(16));
}

#[test]
fn numbers_have_limits() {
    let good = [
        ("temperature", json!([0, 2, 1.5])),
        ("top_p", json!([0.01, 1])),
        ("min_p", json!([0, 1])),
        ("top_k", json!([0, MAX_TOP_K])),
        ("seed", json!([0, 4294967294u64])),
        ("presence_penalty", json!([-2, 2])),
        ("frequency_penalty", json!([-2, 2])),
        ("repeat_penalty", json!([0.01, 10])),
        ("max_tokens", json!([1, MAX_MAX_TOKENS])),
        ("max_completion_tokens", json!([1, MAX_MAX_TOKENS])),
        ("n", json!([1, null])),
    ];
    for (name, values) in good {
        for value in values.as_array().unwrap() {
            assert!(chat(json!({ name: value })).is_ok(), "{name} {value}");
        }
    }
    let bad = [
        ("temperature", json!([-0.1, 2.1, "1", true])),
        ("top_p", json!([0, -1, 1.01])),
        ("min_p", json!([-0.1, 1.1])),
        ("top_k", json!([-1, MAX_TOP_K + 1, 1.5])),
        ("seed", json!([-1, 4294967295u64, 4294967296u64, 1.5, "1"])),
        ("presence_penalty", json!([-2.1, 2.1])),
        ("frequency_penalty", json!([-2.1, 2.1])),
        ("repeat_penalty", json!([0, 0.009, 10.1])),
        ("max_tokens", json!([0, -1, MAX_MAX_TOKENS + 1, 1.5])),
        ("max_completion_tokens", json!([0])),
        ("n", json!([0, 2, 1.5, "1"])),
    ];
    for (name, values) in bad {
        for value in values.as_array().unwrap() {
            assert_eq!(refused(json!({ name: value })).1, name, "{value}");
        }
    }
    assert_eq!(refused(json!({ "max_tokens": 5, "max_completion_tokens": 6 })).1, "max_completion_tokens");
    assert_eq!(chat(json!({ "max_tokens": 5, "max_completion_tokens": 5 })).unwrap().parameters.max_tokens, Some(5));
}

#[test]
fn whatever_cannot_be_honoured_is_refused() {
    for (name, value) in [
        ("tools", json!([])),
        ("tool_choice", json!("auto")),
        ("functions", json!([])),
        ("audio", json!({})),
        ("modalities", json!(["text"])),
        ("n", json!(2)),
        ("store", json!(true)),
        ("metadata", json!({ "CANARY": "CANARY" })),
        ("reasoning_effort", json!("high")),
        ("service_tier", json!("auto")),
        ("parallel_tool_calls", json!(true)),
        ("prediction", json!({})),
    ] {
        assert_eq!(refused(json!({ name: value })), (Code::UnsupportedParameter, name.to_owned()));
    }
    assert_eq!(refused(json!({ "CANARY": 1 })), (Code::UnknownParameter, String::new()));
    assert!(chat(json!({ "user": "u", "store": false, "tools": null })).is_ok());
    assert_eq!(refused(json!({ "user": 1 })).1, "user");
    assert!(chat(json!({ "user": "u".repeat(MAX_USER_BYTES) })).is_ok());
    assert_eq!(refused(json!({ "user": "u".repeat(MAX_USER_BYTES + 1) })).1, "user");
}

#[test]
fn streaming_options() {
    let chat = chat(json!({ "stream": true, "stream_options": { "include_usage": true } })).unwrap();
    assert!(chat.stream && chat.include_usage);
    assert_eq!(refused(json!({ "stream_options": { "include_usage": true } })).1, "stream_options");
    assert_eq!(refused(json!({ "stream": 1 })).0, Code::InvalidType);
    assert_eq!(refused(json!({ "stream": true, "stream_options": { "CANARY": 1 } })).0, Code::UnknownParameter);
    assert_eq!(refused(json!({ "stream": true, "stream_options": { "include_usage": 1 } })).0, Code::InvalidType);
}

#[test]
fn logprobs_and_bias_and_stop() {
    assert_eq!(chat(json!({ "logprobs": true })).unwrap().logprobs, Some(0));
    assert_eq!(chat(json!({ "logprobs": true, "top_logprobs": 20 })).unwrap().logprobs, Some(20));
    assert_eq!(refused(json!({ "logprobs": true, "top_logprobs": 21 })).1, "top_logprobs");
    assert_eq!(refused(json!({ "top_logprobs": 1 })).1, "top_logprobs");
    assert_eq!(completion(json!({ "logprobs": 5 })).unwrap().logprobs, Some(5));
    assert!(completion(json!({ "logprobs": 6 })).is_err());

    let biases = |count: u32| json!({ "logit_bias": (0..count).map(|id| (id.to_string(), json!(1))).collect::<serde_json::Map<_, _>>() });
    assert_eq!(chat(biases(300)).unwrap().parameters.logit_bias.len(), MAX_LOGIT_BIAS);
    assert_eq!(refused(biases(301)).1, "logit_bias");
    let sorted = chat(json!({ "logit_bias": { "10": -100, "9": 100 } })).unwrap().parameters.logit_bias;
    assert_eq!(sorted, [(9, 100.0), (10, -100.0)]);
    for bad in [
        json!({ "1": 101 }),
        json!({ "01": 1 }),
        json!({ "CANARY": 1 }),
        json!({ "-1": 1 }),
        json!({ "1": "1" }),
        json!([1]),
    ] {
        assert_eq!(refused(json!({ "logit_bias": bad })).1, "logit_bias");
    }

    assert_eq!(chat(json!({ "stop": "x" })).unwrap().parameters.stop, ["x"]);
    assert!(chat(json!({ "stop": ["a", "b", "c", "d".repeat(MAX_STOP_BYTES)] })).is_ok());
    for bad in [
        json!(["a", "b", "c", "d", "e"]),
        json!(""),
        json!([""]),
        json!("d".repeat(MAX_STOP_BYTES + 1)),
        json!(1),
        json!([1]),
    ] {
        assert_eq!(refused(json!({ "stop": bad })).1, "stop");
    }
}

#[test]
fn messages_are_text_of_known_roles() {
    let parts = json!([{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }]);
    let chat_with = |messages: Value| chat(json!({ "messages": messages }));
    let chat = chat_with(json!([
        { "role": "developer", "content": "s" },
        { "role": "user", "content": parts },
        { "role": "assistant", "content": "x", "refusal": null, "tool_calls": [] },
    ]))
    .unwrap();
    let seen: Vec<_> = chat.messages.iter().map(|message| (message.role, message.content.as_str())).collect();
    assert_eq!(seen, [(Role::System, "s"), (Role::User, "ab"), (Role::Assistant, "x")]);

    for (bad, code, param) in [
        (json!({ "role": "tool", "content": "CANARY" }), Code::UnsupportedParameter, "messages[0].role"),
        (json!({ "role": "CANARY", "content": "x" }), Code::InvalidValue, "messages[0].role"),
        (json!({ "content": "x" }), Code::MissingRequiredParameter, "messages[0].role"),
        (json!({ "role": "user" }), Code::MissingRequiredParameter, "messages[0].content"),
        (json!({ "role": "user", "content": 1 }), Code::InvalidType, "messages[0].content"),
        (json!({ "role": "user", "content": "x", "name": "CANARY" }), Code::UnsupportedParameter, "messages[0].name"),
        (json!({ "role": "user", "content": "x", "CANARY": 1 }), Code::UnknownParameter, "messages[0]"),
        (
            json!({ "role": "user", "content": [{ "type": "image_url", "image_url": {} }] }),
            Code::UnsupportedParameter,
            "messages[0].content[0].type",
        ),
        (json!({ "role": "user", "content": [] }), Code::InvalidValue, "messages[0].content"),
        (json!("CANARY"), Code::InvalidType, "messages[0]"),
    ] {
        assert_eq!(refused(json!({ "messages": [bad] })), (code, param.to_owned()));
    }
    assert_eq!(refused(json!({ "messages": [] })).1, "messages");
    let message = json!({ "role": "user", "content": "x" });
    assert!(chat_with(json!(vec![message.clone(); MAX_MESSAGES])).is_ok());
    assert!(chat_with(json!(vec![message; MAX_MESSAGES + 1])).is_err());
    assert!(chat_with(json!([{ "role": "user", "content": "x".repeat(MAX_TEXT_BYTES) }])).is_ok());
    assert_eq!(
        refused(json!({ "messages": [{ "role": "user", "content": "x".repeat(MAX_TEXT_BYTES + 1) }] })).1,
        "messages"
    );
    assert_eq!(refused(json!({ "model": "" })).1, "model");
    assert_eq!(refused(json!({ "model": "m".repeat(MAX_MODEL_NAME + 1) })).1, "model");
    assert_eq!(refused(json!({ "model": null })).0, Code::MissingRequiredParameter);
}

#[test]
fn completions_and_embeddings() {
    for (name, value) in [
        ("echo", json!(true)),
        ("suffix", json!("x")),
        ("best_of", json!(2)),
        ("prompt", json!(["a"])),
        ("prompt", json!("")),
        ("prompt", json!([1, 2])),
        ("messages", json!([])),
        ("response_format", json!({ "type": "text" })),
    ] {
        assert!(completion(json!({ name: value })).is_err(), "{name} {value}");
    }
    assert!(completion(json!({ "echo": false, "best_of": 1 })).is_ok());

    let embedding = |extra: Value| {
        let mut body = json!({ "model": "tiny" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Embedding::from_json(&body)
    };
    assert_eq!(embedding(json!({ "input": "a" })).unwrap().inputs, ["a"]);
    let both = embedding(json!({ "input": ["a", "b"], "encoding_format": "base64" })).unwrap();
    assert_eq!((both.inputs.len(), both.encoding), (2, Encoding::Base64));
    assert!(embedding(json!({ "input": vec!["a"; MAX_EMBEDDING_INPUTS] })).is_ok());
    for bad in [json!([]), json!(""), json!(["a", ""]), json!([1]), json!(vec!["a"; MAX_EMBEDDING_INPUTS + 1])] {
        assert!(embedding(json!({ "input": bad })).is_err());
    }
    assert!(embedding(json!({ "input": "a", "dimensions": 8 })).is_err());
}
