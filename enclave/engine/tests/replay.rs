//! Recorded outputs run again: the same bits however either side computes, and what was changed is found where it was changed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{chat, engine, options, read, seal};
use quoth_engine::{
    Arithmetic, CacheScope, Engine, EngineOptions, Finish, Model, Recorded, Replay, ReplayOptions, Replayer, TokenInfo,
    Verdict,
};
use quoth_tiny_model::Kind;
use serde_json::{Value, json};

fn replayer(kind: Kind, options: ReplayOptions) -> Replayer {
    let model = Model::load(seal(&quoth_tiny_model::gguf(kind)), Arithmetic::Exact).unwrap();
    Replayer::new(model, options).unwrap()
}

/// What a node would record, and what it told.
struct Answered {
    recorded: Recorded,
    text: String,
    tokens: Vec<TokenInfo>,
    cached: usize,
}

fn answer(engine: &Engine, extra: Value) -> Answered {
    let asked = chat(extra).unwrap();
    let generation = engine.chat(&asked).unwrap();
    let (prompt_tokens, sampling) = (generation.prompt_tokens.clone(), generation.sampling.clone());
    let answer = read(generation).unwrap();
    let recorded = Recorded {
        prompt_tokens,
        output_tokens: answer.output,
        sampling,
        logprobs: asked.logprobs,
        finish: Some(answer.finish),
    };
    Answered { recorded, text: answer.text, tokens: answer.tokens, cached: answer.cached }
}

/// Requests of every kind, as different as they can be.
fn requests() -> Vec<Value> {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] });
    let grammar = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema } });
    let endless = json!({ "2": -100, "3": -100 });
    let kinds = [
        json!({ "temperature": 0 }),
        json!({ "temperature": 0.7, "logit_bias": endless }),
        json!({ "temperature": 1.5, "top_k": 20, "logprobs": true, "top_logprobs": 20 }),
        json!({ "top_p": 0.8, "min_p": 0.02, "logit_bias": endless }),
        json!({ "frequency_penalty": 1.2, "presence_penalty": -0.5, "logit_bias": endless }),
        json!({ "repeat_penalty": 1.3, "logprobs": true }),
        json!({ "response_format": grammar, "max_tokens": 300 }),
        json!({ "response_format": { "type": "json_object" }, "temperature": 2, "logprobs": true, "top_logprobs": 3 }),
        json!({ "stop": ["a", "7"], "logit_bias": { "2": -100, "300": 3.5 } }),
        json!({ "max_tokens": 1 }),
    ];
    let body = |(seed, kind): (usize, &Value)| {
        let question = "ba be bi ".repeat(1 + seed * 7 % 23);
        let mut body = json!({ "seed": seed, "max_tokens": 60, "messages": [{ "role": "user", "content": question }] });
        body.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        body
    };
    kinds.iter().cycle().take(40).enumerate().map(body).collect()
}

fn check(answered: &[Answered], replays: &[Replay]) {
    assert_eq!(answered.len(), replays.len());
    for (answered, replay) in answered.iter().zip(replays) {
        assert_eq!(replay.verdict, Verdict::Match);
        assert_eq!(replay.text, answered.text);
        let bits = |tokens: &[TokenInfo]| -> Vec<_> {
            let top =
                |info: &TokenInfo| info.top.iter().map(|(id, _, logprob)| (*id, logprob.to_bits())).collect::<Vec<_>>();
            tokens.iter().map(|info| (info.id, info.logprob.to_bits(), top(info))).collect()
        };
        assert_eq!(bits(&replay.tokens), bits(&answered.tokens));
    }
}

fn recorded(answered: &[Answered]) -> Vec<Recorded> {
    answered.iter().map(|answered| answered.recorded.clone()).collect()
}

#[test]
fn what_ran_in_company_replays_alone_and_in_company() {
    let engine = Engine::load(seal(&quoth_tiny_model::gguf(Kind::Q4_0)), options(8)).unwrap();
    let answered: Vec<Answered> = std::thread::scope(|scope| {
        let threads: Vec<_> = requests().into_iter().map(|body| scope.spawn(|| answer(&engine, body))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (batch, micro_batch, parallel) in [(512, 512, 8), (33, 16, 1), (1, 1, 1), (7, 7, 3)] {
        let options = ReplayOptions { batch, micro_batch, parallel, ..ReplayOptions::default() };
        let replayer = replayer(Kind::Q4_0, options);
        let mut told = 0;
        check(&answered, &replayer.replay(&recorded(&answered), &mut |tokens| told += tokens).unwrap());
        let tokens: usize =
            answered.iter().map(|a| a.recorded.prompt_tokens.len() + a.recorded.output_tokens.len()).sum();
        assert_eq!(told, tokens - answered.len(), "the last token of an output need not be computed");
    }
}

#[test]
fn a_conversation_from_the_cache_replays() {
    let (engine, caller) = (engine(2), CacheScope::new());
    let cached = engine.in_scope(&caller);
    let mut messages = vec![json!({ "role": "user", "content": "ba ".repeat(40) })];
    let mut answered = Vec::new();
    for turn in 0..6 {
        let body = json!({ "messages": messages, "seed": turn, "max_tokens": 30, "logprobs": true, "top_logprobs": 5 });
        let mine = answer(&cached, body.clone());
        let other = answer(&engine.in_scope(&CacheScope::new()), body);
        assert_eq!(mine.recorded.output_tokens, other.recorded.output_tokens);
        // Nobody profits from what another caller has sent.
        assert_eq!((mine.cached > 60, other.cached), (turn > 0, 0));
        messages.push(json!({ "role": "assistant", "content": mine.text }));
        messages.push(json!({ "role": "user", "content": "go on" }));
        answered.push(mine);
    }
    check(&answered, &replayer(Kind::F32, ReplayOptions::default()).replay(&recorded(&answered), &mut |_| {}).unwrap());
}

#[test]
fn what_was_changed_is_found_where_it_was_changed() {
    let engine = engine(1);
    let replayer = replayer(Kind::F32, ReplayOptions::default());
    let body = json!({ "seed": 9, "max_tokens": 40, "logit_bias": { "2": -100, "3": -100 } });
    let honest = answer(&engine, body).recorded;
    let judge = |recorded: Recorded| replayer.replay(&[recorded], &mut |_| {}).unwrap().remove(0).verdict;
    assert_eq!(judge(honest.clone()), Verdict::Match);
    for at in [0, 1, 17, 39] {
        let mut changed = honest.clone();
        changed.output_tokens[at] ^= 1;
        let (was, is) = (honest.output_tokens[at], changed.output_tokens[at]);
        match judge(changed) {
            Verdict::Mismatch { position, expected, found, margin } => {
                assert_eq!((position, expected, found), (at, Some(was), Some(is)));
                assert!(margin.is_some_and(f32::is_finite));
            }
            other => panic!("{other:?}"),
        }
    }
    // A token that no vocabulary has, in the output and in the prompt.
    let mut changed = honest.clone();
    changed.output_tokens[5] = u32::MAX;
    assert!(matches!(judge(changed), Verdict::Mismatch { position: 5, found: Some(u32::MAX), margin: None, .. }));
    let mut changed = honest.clone();
    changed.prompt_tokens[5] = 576;
    assert!(matches!(judge(changed), Verdict::Failed { position: 0, .. }));
    let mut changed = honest.clone();
    changed.prompt_tokens.clear();
    assert!(matches!(judge(changed), Verdict::Failed { position: 0, .. }));
    // Another prompt, another seed, another temperature.
    let differs = |change: &dyn Fn(&mut Recorded)| {
        let mut changed = honest.clone();
        change(&mut changed);
        assert!(matches!(judge(changed), Verdict::Mismatch { .. }));
    };
    differs(&|recorded| recorded.prompt_tokens[8] ^= 1);
    differs(&|recorded| recorded.sampling.seed = 10);
    differs(&|recorded| recorded.sampling.temperature = 0.0);
    differs(&|recorded| recorded.sampling.logit_bias = Default::default());
    // Cut, and said to be whole; longer than allowed; ended for another reason.
    let cut = |finish| {
        let mut changed = honest.clone();
        changed.output_tokens.truncate(20);
        changed.finish = finish;
        judge(changed)
    };
    let next = Some(honest.output_tokens[20]);
    assert!(
        matches!(cut(Some(Finish::Length)), Verdict::Mismatch { position: 20, expected, found: None, .. } if expected == next)
    );
    assert_eq!(cut(None), Verdict::Match, "an answer may be broken off");
    let mut changed = honest.clone();
    changed.sampling.max_tokens = 39;
    let last = Some(honest.output_tokens[39]);
    assert_eq!(judge(changed), Verdict::Mismatch { position: 39, expected: None, found: last, margin: None });
    let mut changed = honest.clone();
    changed.finish = Some(Finish::Stop);
    assert_eq!(judge(changed), Verdict::Mismatch { position: 40, expected: None, found: None, margin: None });
    let mut changed = honest.clone();
    changed.output_tokens.clear();
    assert!(matches!(judge(changed.clone()), Verdict::Mismatch { position: 0, found: None, .. }));
    changed.finish = None;
    assert_eq!(judge(changed), Verdict::Match);
    // Another quantisation of the same weights.
    let other = self::replayer(Kind::Q8_0, ReplayOptions::default());
    assert!(matches!(other.replay(&[honest], &mut |_| {}).unwrap()[0].verdict, Verdict::Mismatch { .. }));
}

#[test]
fn an_end_of_the_models_own_replays() {
    let answered = answer(&engine(1), json!({ "logit_bias": { "2": 100 } }));
    assert_eq!(answered.recorded.output_tokens, [2]);
    check(
        &[answered],
        &replayer(Kind::F32, ReplayOptions::default())
            .replay(&[answer(&engine(1), json!({ "logit_bias": { "2": 100 } })).recorded], &mut |_| {})
            .unwrap(),
    );
}

#[test]
fn only_a_model_loaded_for_exactness_replays() {
    let model = Model::load(seal(&quoth_tiny_model::gguf(Kind::F32)), Arithmetic::Plain).unwrap();
    assert!(Replayer::new(model.clone(), ReplayOptions::default()).is_err());
    let options = EngineOptions { context: 64, ..EngineOptions::new("plain") };
    assert!(Engine::start(model, options).unwrap().info().profile.starts_with("cpu-1/"));
    assert!(engine(1).info().profile.starts_with("exact-1/"));
}
