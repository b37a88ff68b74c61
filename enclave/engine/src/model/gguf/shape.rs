//! Checks what a header says about the model's shape, so that llama.cpp does not divide by zero or accept impossible
//! sizes.

use super::error::GgufError;
use super::header::Header;
use crate::limits::{MAX_CONTEXT_TRAINED, MAX_HEADS, MAX_LAYERS, MAX_WIDTH};

/// Bounds of what every architecture names, where it names them.
const MEASURES: [(&str, u64, u64); 6] = [
    ("block_count", 1, MAX_LAYERS),
    ("embedding_length", 1, MAX_WIDTH),
    ("context_length", 1, MAX_CONTEXT_TRAINED),
    ("attention.head_count", 0, MAX_HEADS),
    ("attention.head_count_kv", 0, MAX_HEADS),
    ("rope.dimension_count", 0, MAX_WIDTH),
];

/// Checks measures against their bounds, and against each other and the embedding's tensor.
pub(super) fn check(header: &Header) -> Result<(), GgufError> {
    let measure = |key| header.measures.get(key).copied();
    for (key, min, max) in MEASURES {
        if let Some(actual) = measure(key).filter(|actual| !(min..=max).contains(actual)) {
            return Err(GgufError::Measure { key, actual, min, max });
        }
    }
    if let (Some(heads), Some(shared)) = (measure("attention.head_count"), measure("attention.head_count_kv"))
        && shared > 0
        && !heads.is_multiple_of(shared)
    {
        return contradiction("heads, and heads of keys and values that they share", heads, shared);
    }
    if let Some(odd) = measure("rope.dimension_count").filter(|rotated| !rotated.is_multiple_of(2)) {
        return contradiction("rotated dimensions come in pairs", odd, 2);
    }
    let Some(embedding) = header.tensors.iter().find(|tensor| tensor.name == "token_embd.weight") else {
        return Ok(());
    };
    let rows = embedding.shape.get(1).copied().unwrap_or(1);
    if let Some(width) = measure("embedding_length").filter(|width| *width != embedding.shape[0]) {
        return contradiction("embedding_length, and a row of token_embd.weight", width, embedding.shape[0]);
    }
    match header.tokens {
        Some(tokens) if tokens != rows => contradiction("tokens, and rows of token_embd.weight", tokens, rows),
        _ => Ok(()),
    }
}

/// Returns `key` if no model has `value` there: every number must be finite, and ggml asserts that epsilons are not
/// negative.
pub(super) fn wrong_float(key: &str, value: f32) -> Option<&str> {
    let negative = value < 0.0 && (key.ends_with("epsilon") || key.ends_with("freq_base"));
    (!value.is_finite() || negative).then_some(key)
}

fn contradiction(what: &'static str, one: u64, other: u64) -> Result<(), GgufError> {
    Err(GgufError::Contradiction { what, one, other })
}

/// The byte that a token of an RWKV vocabulary stands for, if it is one: itself, `\n` and the like, or `\x` and two
/// digits, in lower case as llama.cpp reads them.
pub(super) fn single_byte(token: &[u8]) -> Option<u8> {
    match *token {
        [byte] if byte != b'\\' => Some(byte),
        [b'\\', b't'] => Some(b'\t'),
        [b'\\', b'n'] => Some(b'\n'),
        [b'\\', b'r'] => Some(b'\r'),
        [b'\\', byte] if byte != b'x' => Some(byte),
        [b'\\', b'x', high, low] => {
            let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
            u8::try_from(digit(high)? << 4 | digit(low)?).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{single_byte, wrong_float};

    #[test]
    fn bytes_as_rwkv_writes_them() {
        let read = |text: &str| single_byte(text.as_bytes());
        assert_eq!(read("a"), Some(b'a'));
        assert_eq!(read("\\n"), Some(b'\n'));
        assert_eq!(read("\\\\"), Some(b'\\'));
        assert_eq!(read("\\xff"), Some(0xFF));
        for other in ["", "\\", "ab", "\\x", "\\x1", "\\xg0", "\\xFF", "é"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn numbers_of_an_architecture_are_numbers() {
        let epsilon = "attention.layer_norm_rms_epsilon";
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e-30] {
            assert_eq!(wrong_float(epsilon, value), Some(epsilon), "{value}");
        }
        assert_eq!(wrong_float(epsilon, 0.0), None);
        assert_eq!(wrong_float("rope.scaling.yarn_ext_factor", -1.0), None);
        assert!(wrong_float("rope.freq_base", -10_000.0).is_some());
    }
}
