//! Under `exact-1` nothing but the tokens changes a bit of the logits: not threads, batches, company, cache or quantisation.
#![allow(clippy::unwrap_used)]

mod common;

use common::{chat, read, seal};
use quoth_engine::{Arithmetic, CacheScope, Engine, EngineOptions, Event, Model, ReplayOptions, Replayer, TokenInfo};
use quoth_tiny_model::{Kind, Shape};
use serde_json::{Value, json};

fn model(kind: Kind) -> Model {
    let bytes = quoth_tiny_model::Model::new(kind).shape(Shape::WIDE).bytes();
    Model::load(seal(&bytes), Arithmetic::Exact).unwrap()
}

fn fingerprint(model: &Model, options: ReplayOptions, tokens: &[u32]) -> [u8; 32] {
    Replayer::new(model.clone(), options).unwrap().fingerprint(tokens).unwrap()
}

fn options(threads: u32, batch: u32, micro_batch: u32) -> ReplayOptions {
    ReplayOptions { threads, batch, micro_batch, parallel: 1 }
}

fn tokens(count: u32) -> Vec<u32> {
    (0..count).map(|at| 4 + at * 37 % 500).collect()
}

#[test]
fn threads_and_batches_change_nothing_in_any_quantisation() {
    for kind in Kind::ALL {
        let model = model(kind);
        let tokens = tokens(300);
        let one_by_one = fingerprint(&model, options(1, 1, 1), &tokens);
        for (threads, batch, micro_batch) in [(1, 512, 512), (2, 512, 512), (2, 512, 16), (2, 37, 37), (2, 1, 1)] {
            let found = fingerprint(&model, options(threads, batch, micro_batch), &tokens);
            assert!(found == one_by_one, "{kind:?}: {threads} threads, {batch} and {micro_batch} tokens together");
        }
    }
}

#[test]
fn prompts_of_any_length_may_be_cut_anywhere() {
    for kind in [Kind::F16, Kind::Q4_0] {
        let model = model(kind);
        for length in [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 255, 256, 257, 511, 512, 513, 1000, 2049, 4000] {
            let tokens = tokens(length);
            let whole = fingerprint(&model, options(1, 512, 512), &tokens);
            assert!(whole == fingerprint(&model, options(2, 100, 16), &tokens), "{kind:?}, {length} tokens");
        }
        let tokens = tokens(4000);
        assert!(
            fingerprint(&model, options(1, 1, 1), &tokens) == fingerprint(&model, options(1, 512, 512), &tokens),
            "{kind:?}, one by one"
        );
    }
}

/// A request of its own kind for every number.
fn body(number: usize) -> Value {
    let question = "ba be bi ".repeat(1 + number * 13 % 40);
    json!({
        "messages": [{ "role": "user", "content": question }], "seed": number, "max_tokens": 24 + number % 9,
        "temperature": 0.9, "logprobs": true, "top_logprobs": 20, "logit_bias": { "2": -100, "3": -100 },
    })
}

/// Id, log-probability and the likeliest others of every token.
type Bits = Vec<(u32, u32, Vec<(u32, u32)>)>;

/// Every bit that an answer tells of its logits.
fn bits(tokens: &[TokenInfo]) -> Bits {
    let top = |info: &TokenInfo| info.top.iter().map(|(id, _, logprob)| (*id, logprob.to_bits())).collect();
    tokens.iter().map(|info| (info.id, info.logprob.to_bits(), top(info))).collect()
}

#[test]
fn company_that_comes_and_goes_changes_nothing() {
    for kind in Kind::ALL {
        let settings = EngineOptions { context: 512, parallel: 8, batch: 64, ..EngineOptions::new("tiny") };
        let engine = Engine::start(model(kind), settings).unwrap();
        let answer = |number: usize, caller: &CacheScope| {
            let asked = chat(body(number)).unwrap();
            bits(&read(engine.in_scope(caller).chat(&asked).unwrap()).unwrap().tokens)
        };
        let alone: Vec<_> = (0..3).map(|number| answer(number, &CacheScope::new())).collect();
        for others in [1, 3, 7] {
            let caller = CacheScope::new();
            std::thread::scope(|scope| {
                let company: Vec<_> = (0..others)
                    .map(|other| {
                        let engine = engine.in_scope(&CacheScope::new());
                        scope.spawn(move || pester(other, &engine))
                    })
                    .collect();
                for (number, alone) in alone.iter().enumerate() {
                    assert!(&answer(number, &caller) == alone, "{kind:?}, {others} others");
                    assert!(&answer(number, &caller) == alone, "{kind:?}, {others} others, from the cache");
                }
                company.into_iter().for_each(|thread| thread.join().unwrap());
            });
        }
    }
}

/// Asks now and then, and leaves most answers somewhere in their middle.
fn pester(seed: usize, engine: &Engine) {
    for round in 0..6 {
        let asked = chat(body(100 + seed * 7 + round)).unwrap();
        let mut generation = engine.chat(&asked).unwrap();
        for _ in 0..(seed * 5 + round * 3) % 17 {
            if !matches!(common::next(&mut generation), Some(Event::Text { .. })) {
                break;
            }
        }
    }
}
