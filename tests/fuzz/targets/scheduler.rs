//! Requests, readers and cancellations of every kind, in any order.
//!
//! The engine continues, every request ends, and a replay gives the same output, whatever ran beside it.
#![no_main]

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use quoth_engine::request::Chat;
use quoth_engine::{
    Arithmetic, CacheScope, Engine, EngineError, EngineOptions, Event, Finish, Generation, Model, ModelWriter,
    Recorded, ReplayOptions, Replayer, Verdict,
};
use quoth_tiny_model::Kind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CONTEXT: u32 = 128;
/// Number of requests. More than sequences, so that some wait.
const OPEN: usize = 6;
/// Time limit for a silent generation.
const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    engine: Engine,
    replayer: Replayer,
    runtime: tokio::runtime::Runtime,
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let bytes = quoth_tiny_model::gguf(Kind::Q4_0);
        let mut writer = ModelWriter::new(bytes.len() as u64).unwrap();
        writer.write(&bytes).unwrap();
        let sealed = writer.finish(&Sha256::digest(&bytes).into()).unwrap();
        let model = Model::load(sealed, Arithmetic::Exact).unwrap();
        let options = EngineOptions { context: CONTEXT, parallel: 3, batch: 32, ..EngineOptions::new("tiny") };
        House {
            engine: Engine::start(model.clone(), options).unwrap(),
            replayer: Replayer::new(model, ReplayOptions::default()).unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
        }
    })
}

/// A generation with a reader.
struct Open {
    generation: Generation,
    logprobs: Option<u8>,
    produced: Vec<u32>,
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let house = house();
    let callers = [CacheScope::new(), CacheScope::new()];
    let mut open: VecDeque<Open> = VecDeque::new();
    let mut outputs = Vec::new();
    for step in bytes.chunks(8).take(64) {
        let at = |index: usize| step.get(index).copied().unwrap_or(0);
        match at(0) % 8 {
            // A new request.
            0..=3 if open.len() < OPEN => {
                let engine = match at(1) % 3 {
                    0 => house.engine.clone(),
                    caller => house.engine.in_scope(&callers[usize::from(caller) - 1]),
                };
                let body = body(&[at(2), at(3), at(4), at(5), at(6), at(7)]);
                let Ok(chat) = Chat::from_json(&body) else { continue };
                match engine.chat(&chat) {
                    Ok(generation) => {
                        open.push_back(Open { generation, logprobs: chat.logprobs, produced: Vec::new() })
                    }
                    Err(EngineError::Request(_) | EngineError::Busy { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            // A reader reads a little.
            4 | 5 => {
                let Some(mut reader) = open.pop_front() else { continue };
                let mut ended = false;
                for _ in 0..at(1) % 16 {
                    if let Some(output) = read(house, &mut reader) {
                        outputs.push(output);
                        ended = true;
                        break;
                    }
                }
                if !ended {
                    open.push_back(reader);
                }
            }
            // A reader leaves.
            6 => drop(open.pop_back()),
            _ => std::thread::sleep(Duration::from_micros(u64::from(at(1)) * 10)),
        }
    }
    for mut reader in open {
        outputs.push(loop {
            if let Some(output) = read(house, &mut reader) {
                break output;
            }
        });
    }
    assert!(house.engine.is_alive());
    for replay in house.replayer.replay(&outputs, &mut |_| {}).unwrap() {
        assert_eq!(replay.verdict, Verdict::Match);
    }
});

/// Makes a request from six bytes.
fn body(dice: &[u8; 6]) -> Value {
    let [length, flags, sampler, penalty, tokens, seed] = *dice;
    let mut body = json!({
        "model": "tiny", "seed": seed, "max_tokens": 1 + tokens % 80,
        "messages": [{ "role": "user", "content": "ba be ".repeat(usize::from(length % 24)) + &"x".repeat(usize::from(seed % 4)) }],
        "temperature": f64::from(sampler % 5) / 2.0,
        "top_p": 1.0 - f64::from(sampler % 7) / 10.0,
        "frequency_penalty": f64::from(penalty % 5) - 2.0,
        "logprobs": flags & 1 == 1,
    });
    let mut set = |name: &str, value: Value| drop(body.as_object_mut().map(|map| map.insert(name.into(), value)));
    if flags & 2 == 2 {
        set("response_format", json!({ "type": "json_object" }));
    }
    if flags & 4 == 4 {
        set("stop", json!(["a", "be"]));
    }
    if flags & 8 == 8 {
        set("logit_bias", json!({ "2": -100, "3": -100, "70": penalty }));
    }
    if flags & 16 == 16 {
        set("top_k", json!(1 + u32::from(penalty)));
    }
    body
}

/// Waits for one event. At the end of a generation returns what a replay needs.
fn read(house: &House, reader: &mut Open) -> Option<Recorded> {
    let events = &mut reader.generation.events;
    let event = house.runtime.block_on(async { tokio::time::timeout(PATIENCE, events.recv()).await });
    let (output_tokens, finish): (Vec<u32>, Option<Finish>) = match event.expect("an event in time") {
        Some(Event::Text { tokens, .. }) => {
            reader.produced.extend(tokens.iter().map(|token| token.id));
            return None;
        }
        Some(Event::Finished { reason, output_tokens, .. }) => (output_tokens, Some(reason)),
        // A grammar can leave no choice. That ends only this request.
        Some(Event::Failed(EngineError::Grammar)) => (std::mem::take(&mut reader.produced), None),
        other => panic!("{other:?}"),
    };
    Some(Recorded {
        prompt_tokens: reader.generation.prompt_tokens.clone(),
        output_tokens,
        sampling: reader.generation.sampling.clone(),
        logprobs: reader.logprobs,
        finish,
    })
}
