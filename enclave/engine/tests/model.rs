//! Hostile model files: sizes, hashes, headers.
#![allow(clippy::unwrap_used)]

mod common;

use common::{options, seal};
use quoth_engine::gguf::{GgufError, read};
use quoth_engine::limits::*;
use quoth_engine::{Engine, EngineError, EngineOptions, ModelWriter};
use quoth_tiny_model::Kind;
use sha2::{Digest, Sha256};

#[test]
fn length_and_hash_must_be_as_announced() {
    let bytes = vec![7u8; 3 << 20];
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    let writer = |size: usize| ModelWriter::new(size as u64).unwrap();

    let mut long = writer(bytes.len() - 1);
    assert_eq!(long.write(&bytes), Err(EngineError::ModelTooLong { expected: bytes.len() as u64 - 1 }));

    let mut short = writer(bytes.len() + 1);
    short.write(&bytes).unwrap();
    let (expected, actual) = (bytes.len() as u64 + 1, bytes.len() as u64);
    assert_eq!(short.finish(&hash).unwrap_err(), EngineError::ModelTooShort { expected, actual });

    let mut wrong = writer(bytes.len());
    wrong.write(&bytes).unwrap();
    assert_eq!(wrong.finish(&[0; 32]).unwrap_err(), EngineError::ModelHash { expected: [0; 32], actual: hash });

    let mut right = writer(bytes.len());
    bytes.chunks(77_777).for_each(|chunk| right.write(chunk).unwrap());
    let sealed = right.finish(&hash).unwrap();
    assert_eq!((sealed.size(), sealed.sha256()), (bytes.len() as u64, &hash));

    for size in [0, MIN_MODEL_BYTES - 1, MAX_MODEL_BYTES + 1, u64::MAX] {
        assert_eq!(ModelWriter::new(size).err(), Some(EngineError::ModelSize { size }));
    }
}

fn header(version: u32, tensors: u64, entries: u64, rest: &[u8]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(version.to_le_bytes());
    out.extend(tensors.to_le_bytes());
    out.extend(entries.to_le_bytes());
    out.extend(rest);
    out
}

fn text(string: &str) -> Vec<u8> {
    [&(string.len() as u64).to_le_bytes()[..], string.as_bytes()].concat()
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(key)[..], &kind.to_le_bytes(), value].concat()
}

fn tensor(name: &str, shape: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut out = text(name);
    out.extend((shape.len() as u32).to_le_bytes());
    out.extend(shape.iter().flat_map(|length| length.to_le_bytes()));
    out.extend(kind.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out
}

fn error(bytes: &[u8]) -> GgufError {
    read(bytes, bytes.len() as u64).unwrap_err()
}

#[test]
fn hostile_headers_are_refused() {
    let llama = entry("general.architecture", 8, &text("llama"));
    assert_eq!(error(b"GGML00000000000000000000"), GgufError::Magic);
    assert_eq!(error(b"GG"), GgufError::Truncated);
    assert_eq!(error(&header(1, 0, 0, b"")), GgufError::Version { actual: 1 });
    assert_eq!(error(&header(3, 0, 0, b"")), GgufError::Architecture);
    assert!(read(&header(3, 0, 1, &llama)[..], 1000).is_ok());
    let limit = |bytes: Vec<u8>| matches!(error(&bytes), GgufError::Limit { .. });
    assert!(limit(header(3, MAX_GGUF_TENSORS + 1, 0, b"")));
    assert!(limit(header(3, 0, MAX_GGUF_ENTRIES + 1, b"")));
    assert_eq!(error(&header(3, 0, MAX_GGUF_ENTRIES, b"")), GgufError::Truncated);
    assert!(limit(header(3, 0, 1, &u64::MAX.to_le_bytes())));
    assert!(limit(header(3, 0, 1, &entry("k", 8, &u64::MAX.to_le_bytes()))));
    let array = [&4u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat();
    assert!(limit(header(3, 0, 1, &entry("k", 9, &array))));
    let nested = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &9u32.to_le_bytes(), &0u64.to_le_bytes()].concat();
    assert!(matches!(error(&header(3, 0, 1, &entry("k", 9, &nested))), GgufError::Type { .. }));
    assert_eq!(error(&header(3, 0, 1, &entry("k", 99, b""))), GgufError::Type { actual: 99 });
    assert_eq!(error(&header(3, 0, 2, &[llama.clone(), llama.clone()].concat())), GgufError::Duplicate { what: "key" });
    assert_eq!(error(&header(3, 0, 1, &entry("general.architecture", 4, &[0; 4]))), GgufError::Type { actual: 4 });

    let with = |more: Vec<u8>| header(3, 0, 2, &[llama.clone(), more].concat());
    assert_eq!(error(&with(entry("split.count", 2, &3u16.to_le_bytes()))), GgufError::Split { count: 3 });
    assert!(read(&with(entry("split.count", 2, &1u16.to_le_bytes()))[..], 1000).is_ok());
    assert_eq!(error(&with(entry("general.type", 8, &text("mmproj")))), GgufError::Projector);
    assert_eq!(error(&header(3, 0, 1, &entry("general.architecture", 8, &text("clip")))), GgufError::Projector);
    assert_eq!(error(&with(entry("general.alignment", 4, &7u32.to_le_bytes()))), GgufError::Alignment { actual: 7 });

    let with = |more: Vec<u8>| error(&header(3, 1, 1, &[llama.clone(), more].concat()));
    let wrong = |more: Vec<u8>| matches!(with(more), GgufError::Tensor { .. });
    assert!(wrong(tensor("t", &[], 0, 0)));
    assert!(wrong(tensor("t", &[1; 5], 0, 0)));
    assert!(wrong(tensor("t", &[0], 0, 0)));
    assert!(wrong(tensor("t", &[u64::MAX, u64::MAX], 0, 0)));
    assert!(wrong(tensor("t", &[33, 2], 2, 0)));
    // llama.cpp would end the process at the first token.
    assert!(wrong(tensor("t", &[32], 1, 0)));
    let float = |value: f32| entry("llama.attention.layer_norm_rms_epsilon", 6, &value.to_le_bytes());
    let with_float = |value| header(3, 0, 2, &[llama.clone(), float(value)].concat());
    assert!(read(&with_float(1e-5)[..], 1000).is_ok());
    for value in [-1e-5, f32::NAN, f32::INFINITY] {
        assert!(matches!(error(&with_float(value)), GgufError::Float { .. }), "{value}");
    }
    assert!(wrong(tensor("t", &[32, 1], 1000, 0)));
    assert!(wrong(tensor("t", &[32], 0, 1)));
    assert!(wrong(tensor("t", &[32], 0, u64::MAX - 31)));
    assert!(wrong(tensor("t", &[1 << 40], 0, 0)));
}

#[test]
fn every_cut_of_a_header_is_refused() {
    let model = quoth_tiny_model::gguf(Kind::Q4_0);
    let data = read(&model[..], model.len() as u64).unwrap().data_offset as usize;
    for cut in (0..data).step_by(13) {
        assert!(read(&model[..cut], cut as u64).is_err(), "{cut}");
    }
    // The tensors, too, must be there.
    let cut = model.len() - 1000;
    assert!(matches!(read(&model[..cut], cut as u64), Err(GgufError::Tensor { .. })));
}

#[test]
fn every_kind_of_weights_loads() {
    for kind in [Kind::F32, Kind::F16, Kind::Q8_0, Kind::Q4_0] {
        let bytes = quoth_tiny_model::gguf(kind);
        let engine = Engine::load(seal(&bytes), options(1)).unwrap();
        let info = engine.info();
        assert_eq!((info.size, info.vocab, info.context, info.chat), (bytes.len() as u64, 576, 1024, true));
        assert_eq!(info.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert!(!common::ask(&engine, serde_json::json!({ "max_tokens": 4 })).output.is_empty());
    }
}

#[test]
fn what_llama_cpp_refuses_is_an_error() {
    let llama = entry("general.architecture", 8, &text("llama"));
    let empty = header(3, 0, 1, &[llama, vec![0; 64]].concat());
    match Engine::load(seal(&empty), options(1)).unwrap_err() {
        EngineError::Refused { why } => assert!(why.contains("llama.context_length"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_have_limits() {
    let refused = |options: EngineOptions| {
        let error = Engine::load(seal(&quoth_tiny_model::gguf(Kind::Q4_0)), options).unwrap_err();
        assert!(matches!(error, EngineError::Option { .. }), "{error:?}");
    };
    let good = options(1);
    refused(EngineOptions { threads: 0, ..good.clone() });
    refused(EngineOptions { threads: MAX_THREADS + 1, ..good.clone() });
    refused(EngineOptions { parallel: 0, ..good.clone() });
    refused(EngineOptions { parallel: MAX_PARALLEL + 1, ..good.clone() });
    refused(EngineOptions { context: MIN_CONTEXT - 1, ..good.clone() });
    // More than the model was trained for.
    refused(EngineOptions { context: 1025, ..good.clone() });
    refused(EngineOptions { batch: 15, ..good.clone() });
    refused(EngineOptions { batch: MAX_BATCH + 1, ..good.clone() });
    refused(EngineOptions { batch: 20, parallel: 21, ..good });
}
