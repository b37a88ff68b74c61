//! Models that must neither end the process nor be served: each is loaded in a process of its own, so that a crash is a failure here.
#![allow(clippy::unwrap_used)]

mod common;

use common::{options, seal};
use quoth_engine::gguf::GgufError;
use quoth_engine::limits::{MAX_LAYERS, MAX_TEMPLATE_BYTES, MAX_WIDTH};
use quoth_engine::{Arithmetic, Engine, EngineError, Model as Loaded};
use quoth_tiny_model::{CHAT_TEMPLATE, Kind, Model, Vocabulary};

/// Names the test that a child process runs.
const CHILD: &str = "QUOTH_TEST_CHILD";

/// Runs `test`, which is named `name`, in a child process.
fn aside(name: &str, test: impl FnOnce()) {
    if std::env::var(CHILD).as_deref() == Ok(name) {
        return test();
    }
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program).args([name, "--exact", "--nocapture"]).env(CHILD, name).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

fn load(model: Model<'_>) -> Result<Loaded, EngineError> {
    Loaded::load(seal(&model.bytes()), Arithmetic::Exact)
}

fn refused(model: Model<'_>) -> EngineError {
    load(model).map(drop).unwrap_err()
}

fn tiny() -> Model<'static> {
    Model::new(Kind::F32)
}

#[test]
fn vocabularies_that_cannot_spell_are_refused() {
    aside("vocabularies_that_cannot_spell_are_refused", || {
        let refused = |vocabulary| refused(tiny().vocabulary(vocabulary));
        assert_eq!(refused(Vocabulary::WithoutBytes), EngineError::Spelling { byte: b'\t' });
        assert_eq!(refused(Vocabulary::Without(b'\n')), EngineError::Spelling { byte: b'\n' });
        assert_eq!(refused(Vocabulary::Without(0xF0)), EngineError::Spelling { byte: 0xF0 });
        assert_eq!(refused(Vocabulary::PairsWithout("gpt-2", b'x')), EngineError::Spelling { byte: b'x' });
        assert_eq!(refused(Vocabulary::PairsWithout("tekken", 0xC3)), EngineError::Spelling { byte: 0xC3 });
        // llama.cpp would not come to an end with this one.
        assert_eq!(refused(Vocabulary::RwkvWithout(b'\n')), EngineError::Spelling { byte: b'\n' });
        assert_eq!(refused(Vocabulary::None), EngineError::Vocabulary { what: "is missing" });
        // Real models lack bytes that no ordinary text has.
        assert!(load(tiny().vocabulary(Vocabulary::Without(0xF1))).is_ok());
        assert!(load(tiny().vocabulary(Vocabulary::PairsWithout("smollm", 0x04))).is_ok());
        // A letter that is a token needs no token of its byte.
        assert!(load(tiny().vocabulary(Vocabulary::Without(b'a'))).is_ok());
        assert!(load(tiny().vocabulary(Vocabulary::Pairs("gpt-2"))).is_ok());
    });
}

#[test]
fn failed_assertions_of_the_library_are_errors() {
    aside("failed_assertions_of_the_library_are_errors", || {
        match refused(tiny().vocabulary(Vocabulary::Twice)) {
            EngineError::Refused { why } => assert!(why.contains("GGML_ASSERT"), "{why}"),
            other => panic!("{other:?}"),
        }
        match refused(tiny().vocabulary(Vocabulary::Pairs("no-such-splitter"))) {
            EngineError::Refused { why } => assert!(why.contains("no-such-splitter"), "{why}"),
            other => panic!("{other:?}"),
        }
        // After all of that, models load as ever.
        assert!(load(tiny()).is_ok());
    });
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    for kind in Kind::ALL {
        for tensor in ["blk.0.attn_q.weight", "output.weight"] {
            let wanted = EngineError::Weights { tensor: tensor.into() };
            assert_eq!(refused(Model::new(kind).broken(tensor)), wanted, "{kind:?}");
        }
    }
}

#[test]
fn impossible_shapes_are_refused() {
    let measure = |key, number| match refused(tiny().claims(key, number)) {
        EngineError::Gguf(GgufError::Measure { key, actual, .. }) => (key, actual),
        other => panic!("{key} {number}: {other:?}"),
    };
    assert_eq!(measure("llama.block_count", 0), ("block_count", 0));
    let layers = MAX_LAYERS as u32;
    assert_eq!(measure("llama.block_count", layers + 1), ("block_count", MAX_LAYERS + 1));
    assert_eq!(measure("llama.embedding_length", 0), ("embedding_length", 0));
    assert_eq!(measure("llama.embedding_length", MAX_WIDTH as u32 + 1), ("embedding_length", MAX_WIDTH + 1));
    assert_eq!(measure("llama.context_length", 0), ("context_length", 0));
    assert_eq!(measure("llama.attention.head_count", u32::MAX), ("attention.head_count", u64::from(u32::MAX)));
    for (key, number) in
        [("llama.embedding_length", 128), ("llama.attention.head_count_kv", 3), ("llama.rope.dimension_count", 15)]
    {
        let error = refused(tiny().claims(key, number));
        assert!(matches!(error, EngineError::Gguf(GgufError::Contradiction { .. })), "{key}: {error:?}");
    }
    // Within the bounds, but no tensor has these shapes: llama.cpp says which.
    aside("impossible_shapes_are_refused", || {
        for (key, number) in [
            ("llama.block_count", layers),
            ("llama.block_count", 5),
            ("llama.attention.head_count", 0),
            ("llama.attention.head_count", 64),
            ("llama.attention.head_count_kv", 0),
            ("llama.attention.head_count_kv", 1),
            ("llama.feed_forward_length", 0),
            ("llama.feed_forward_length", u32::MAX),
            ("llama.rope.dimension_count", 1 << 16),
        ] {
            let error =
                load(tiny().claims(key, number)).and_then(|model| Engine::start(model, options(1))).unwrap_err();
            assert!(matches!(&error, EngineError::Refused { why } if !why.is_empty()), "{key} {number}: {error:?}");
        }
    });
}

#[test]
fn templates_that_cannot_be_used_are_refused() {
    let refused = |template: &str| match refused(tiny().template(Some(template))) {
        EngineError::Template { line, why } => (line, why),
        other => panic!("{template}: {other:?}"),
    };
    assert_eq!(refused("\n{% for %}").0, 2);
    assert!(refused("{{ messages[0].content }}\n{{ strftime_now('%Y') }}").1.contains("strftime_now"));
    assert!(refused("{{").1.contains("syntax error"));
    assert!(refused("hello").1.contains("every message"));
    let long = "x".repeat(MAX_TEMPLATE_BYTES + 1);
    assert!(refused(&long).1.contains("longer"));
    // Neither time nor memory without end.
    refused("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}");
    refused("{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}");
    refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
    refused("{% for a in range(20000) %}{{ 'x' * 1000 }}{% endfor %}");
    refused("{% include 'etc/passwd' %}");
    refused("{{ messages[0].content.encode() }}");
    // What training marks is shown.
    let shown = "{% for m in messages %}{%- generation -%}{{ m.content }}{% endgeneration %}{% endfor %}";
    assert!(load(tiny().template(Some(shown))).is_ok());
    // Without a template, texts are continued; with one that wants a system's message first, chats work.
    assert!(load(tiny().template(None)).is_ok());
    let strict = "{% if messages[0].role != 'system' %}{{ raise_exception('system first') }}{% endif %}\
                  {% for m in messages %}{{ m.content }}{% endfor %}";
    assert!(load(tiny().template(Some(strict))).is_ok());
    assert!(load(tiny().template(Some(CHAT_TEMPLATE))).is_ok());
}
