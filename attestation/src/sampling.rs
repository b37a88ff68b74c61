//! The sampling parameters of a generation, with every default filled in and the seed drawn (`SPEC.md` §7.1). They say which
//! token follows from which logits, so that a choice can be replayed.

use alloc::vec::Vec;
use core::fmt;

use crate::FormatError;
use crate::bounded::{List, Text};
use crate::cbor::{self, Field, Map, Value};

/// The least temperature that is not 0: dividing logits by less could overflow.
pub const MIN_TEMPERATURE: f32 = 0.001;
/// The greatest temperature.
pub const MAX_TEMPERATURE: f32 = 2.0;
/// The greatest magnitude of `presence_penalty` and `frequency_penalty`.
pub const MAX_PENALTY: f32 = 2.0;
/// The least `repeat_penalty`.
pub const MIN_REPEAT_PENALTY: f32 = 0.01;
/// The greatest `repeat_penalty`.
pub const MAX_REPEAT_PENALTY: f32 = 10.0;
/// Entries of `logit_bias`, at most.
pub const MAX_LOGIT_BIAS: usize = 300;
/// The greatest magnitude of one bias.
pub const MAX_BIAS: f32 = 100.0;
/// Stop strings, at most.
pub const MAX_STOPS: usize = 4;
/// One stop string, bytes, at most.
pub const MAX_STOP: usize = 256;
/// A grammar, bytes, at most.
pub const MAX_GRAMMAR: usize = 512 * 1024;
/// llama.cpp takes this seed for "draw one": no generation has it.
pub const FORBIDDEN_SEED: u32 = u32::MAX;

/// The value of `top_p` that leaves the step out.
pub const TOP_P_OFF: f32 = 1.0;
/// The value of `top_k` that leaves the step out.
pub const TOP_K_OFF: u32 = 0;
/// The value of `min_p` that leaves the step out.
pub const MIN_P_OFF: f32 = 0.0;
/// The value of `presence_penalty` and `frequency_penalty` that has no effect.
pub const PENALTY_OFF: f32 = 0.0;
/// The value of `repeat_penalty` that has no effect.
pub const REPEAT_PENALTY_OFF: f32 = 1.0;

/// An encoding, bytes, at most: a grammar, and room for everything else.
const MAX_BYTES: usize = MAX_GRAMMAR + 64 * 1024;

/// A string that ends an output.
pub type Stop = Text<MAX_STOP>;

/// Sampling parameters as one generation used them.
#[derive(Clone, PartialEq)]
pub struct Sampling {
    /// 0, or [`MIN_TEMPERATURE`] to [`MAX_TEMPERATURE`]. 0 takes the likeliest token and draws nothing.
    pub temperature: f32,
    /// Above 0, to 1.
    pub top_p: f32,
    /// Tokens.
    pub top_k: u32,
    /// 0 to 1.
    pub min_p: f32,
    /// Any number but [`FORBIDDEN_SEED`].
    pub seed: u32,
    /// -[`MAX_PENALTY`] to [`MAX_PENALTY`].
    pub presence_penalty: f32,
    /// -[`MAX_PENALTY`] to [`MAX_PENALTY`].
    pub frequency_penalty: f32,
    /// [`MIN_REPEAT_PENALTY`] to [`MAX_REPEAT_PENALTY`].
    pub repeat_penalty: f32,
    /// How many of the last produced tokens the penalties look at.
    pub penalty_last_n: u32,
    /// Token ids in ascending order, each with a bias of -[`MAX_BIAS`] to [`MAX_BIAS`].
    pub logit_bias: List<(u32, f32), MAX_LOGIT_BIAS>,
    /// Strings that end the output and are not part of it.
    pub stop: List<Stop, MAX_STOPS>,
    /// Tokens to produce, at most.
    pub max_tokens: u32,
    /// The grammar of the output in GBNF. Its start rule is `root`.
    pub grammar: Option<Text<MAX_GRAMMAR>>,
}

impl Sampling {
    /// Whether any penalty has an effect.
    pub fn penalises(&self) -> bool {
        self.presence_penalty != PENALTY_OFF
            || self.frequency_penalty != PENALTY_OFF
            || self.repeat_penalty != REPEAT_PENALTY_OFF
    }

    /// The one encoding of these parameters. [`decode`](Self::decode) reads it if every value is in its range.
    pub fn encode(&self) -> Vec<u8> {
        let bias = self.logit_bias.iter().map(|(id, bias)| (u64::from(*id).into(), bits(*bias)));
        let map = Map::new()
            .with(1, bits(self.temperature))
            .with(2, bits(self.top_p))
            .with(3, u64::from(self.top_k))
            .with(4, bits(self.min_p))
            .with(5, u64::from(self.seed))
            .with(6, bits(self.presence_penalty))
            .with(7, bits(self.frequency_penalty))
            .with(8, bits(self.repeat_penalty))
            .with(9, u64::from(self.penalty_last_n))
            .with(10, Value::Map(bias.collect()))
            .with(11, Value::Array(self.stop.iter().map(Value::from).collect()))
            .with(12, u64::from(self.max_tokens))
            .with_some(13, self.grammar.as_ref());
        cbor::encode(&map.build())
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// [`FormatError`] unless `bytes` are exactly what [`encode`](Self::encode) gives, and every value is in its range.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        cbor::read(bytes, MAX_BYTES, "sampling", |fields| Self {
            temperature: fields
                .required(1, "temperature")
                .float(|value| value == 0.0 || (MIN_TEMPERATURE..=MAX_TEMPERATURE).contains(&value)),
            top_p: fields.required(2, "top_p").float(|value| value > 0.0 && value <= 1.0),
            top_k: fields.required(3, "top_k").word(),
            min_p: fields.required(4, "min_p").float(|value| (0.0..=1.0).contains(&value)),
            seed: seed(fields.required(5, "seed")),
            presence_penalty: fields.required(6, "presence_penalty").float(is_penalty),
            frequency_penalty: fields.required(7, "frequency_penalty").float(is_penalty),
            repeat_penalty: fields
                .required(8, "repeat_penalty")
                .float(|value| (MIN_REPEAT_PENALTY..=MAX_REPEAT_PENALTY).contains(&value)),
            penalty_last_n: fields.required(9, "penalty_last_n").word(),
            logit_bias: List::unchecked(
                fields
                    .required(10, "logit_bias")
                    .entries(MAX_LOGIT_BIAS)
                    .map(|(id, bias)| (id.word(), bias.float(is_bias)))
                    .collect(),
            ),
            stop: fields.required(11, "stop").list(Field::text),
            max_tokens: fields.required(12, "max_tokens").word(),
            grammar: fields.optional(13, "grammar").map(Field::text),
        })
    }
}

impl fmt::Debug for Sampling {
    /// Stop strings, biases and grammars can be as private as the prompt: they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampling").field("max_tokens", &self.max_tokens).finish_non_exhaustive()
    }
}

/// A binary32 as the format has it.
fn bits<'a>(value: f32) -> Value<'a> {
    u64::from(value.to_bits()).into()
}

fn is_penalty(value: f32) -> bool {
    (-MAX_PENALTY..=MAX_PENALTY).contains(&value)
}

fn is_bias(value: f32) -> bool {
    (-MAX_BIAS..=MAX_BIAS).contains(&value)
}

fn seed(field: Field<'_>) -> u32 {
    let seed = field.word();
    field.check(seed != FORBIDDEN_SEED, "seed", "0 to 4294967294");
    seed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn plain() -> Sampling {
        Sampling {
            temperature: 1.0,
            top_p: TOP_P_OFF,
            top_k: TOP_K_OFF,
            min_p: MIN_P_OFF,
            seed: 3,
            presence_penalty: PENALTY_OFF,
            frequency_penalty: PENALTY_OFF,
            repeat_penalty: REPEAT_PENALTY_OFF,
            penalty_last_n: 0,
            logit_bias: List::default(),
            stop: List::default(),
            max_tokens: 5,
            grammar: None,
        }
    }

    fn full() -> Sampling {
        Sampling {
            logit_bias: vec![(5, 1.5), (300, -100.0), (70_000, 0.25)].try_into().unwrap(),
            stop: vec!["a".try_into().unwrap(), "bc".try_into().unwrap()].try_into().unwrap(),
            grammar: Some("root ::= \"a\"".try_into().unwrap()),
            ..plain()
        }
    }

    #[test]
    fn every_value_is_accepted_to_its_limit_and_no_further() {
        let accepts = |change: fn(&mut Sampling)| {
            let mut sampling = full();
            change(&mut sampling);
            Sampling::decode(&sampling.encode()).is_ok_and(|read| read == sampling)
        };
        assert!(accepts(|_| {}));
        for good in [
            (|s| s.temperature = 0.0) as fn(&mut Sampling),
            |s| s.temperature = MIN_TEMPERATURE,
            |s| s.temperature = 2.0,
            |s| s.top_p = f32::from_bits(1),
            |s| s.min_p = 1.0,
            |s| s.seed = FORBIDDEN_SEED - 1,
            |s| s.presence_penalty = -2.0,
            |s| s.frequency_penalty = 2.0,
            |s| s.repeat_penalty = 0.01,
            |s| s.repeat_penalty = 10.0,
            |s| s.logit_bias = (0..300).map(|id| (id, 100.0)).collect::<Vec<_>>().try_into().unwrap(),
            |s| s.stop = vec![Stop::new("x".repeat(256)).unwrap(); 4].try_into().unwrap(),
            |s| s.grammar = Some(Text::new("g".repeat(MAX_GRAMMAR)).unwrap()),
        ] {
            assert!(accepts(good));
        }
        for bad in [
            (|s| s.temperature = 0.0009) as fn(&mut Sampling),
            |s| s.temperature = -0.0,
            |s| s.temperature = 2.0001,
            |s| s.temperature = f32::NAN,
            |s| s.top_p = 0.0,
            |s| s.top_p = f32::NAN,
            |s| s.min_p = -0.0,
            |s| s.presence_penalty = -0.0,
            |s| s.logit_bias[0].1 = -0.0,
            |s| s.top_p = 1.0001,
            |s| s.min_p = -0.1,
            |s| s.min_p = 1.0001,
            |s| s.seed = FORBIDDEN_SEED,
            |s| s.presence_penalty = -2.0001,
            |s| s.frequency_penalty = 2.0001,
            |s| s.repeat_penalty = 0.009,
            |s| s.repeat_penalty = 10.001,
            |s| s.repeat_penalty = f32::INFINITY,
            |s| s.logit_bias[0].1 = -100.001,
            |s| s.logit_bias[0].1 = f32::NAN,
            |s| s.logit_bias[1].0 = 5,
            |s| s.logit_bias.swap(0, 1),
        ] {
            assert!(!accepts(bad));
        }
    }

    #[test]
    fn every_key_is_needed_and_no_other_is_taken() {
        let bytes = full().encode();
        let Value::Map(entries) = cbor::decode(&bytes, MAX_BYTES).unwrap() else { unreachable!() };
        for left_out in 0..12 {
            let mut fewer = entries.clone();
            fewer.remove(left_out);
            assert!(Sampling::decode(&cbor::encode(&Value::Map(fewer))).is_err());
        }
        let mut more = entries.clone();
        more.push((14.into(), 1.into()));
        assert!(Sampling::decode(&cbor::encode(&Value::Map(more))).is_err());
        let mut long = entries;
        long[10].1 = Value::Array(vec!["x".into(); 5]);
        assert!(Sampling::decode(&cbor::encode(&Value::Map(long.clone()))).is_err());
        long[10].1 = Value::Array(vec!["".into()]);
        assert!(Sampling::decode(&cbor::encode(&Value::Map(long.clone()))).is_err());
        let stop = "x".repeat(257);
        long[10].1 = Value::Array(vec![stop.as_str().into()]);
        assert!(Sampling::decode(&cbor::encode(&Value::Map(long))).is_err());
    }

    #[test]
    fn no_part_of_an_encoding_is_one() {
        let bytes = full().encode();
        for cut in 0..bytes.len() {
            assert!(Sampling::decode(&bytes[..cut]).is_err());
        }
        assert!(Sampling::decode(&[&bytes[..], b"\0"].concat()).is_err());
    }

    proptest! {
        #[test]
        fn bytes_that_decode_are_the_only_encoding(at in 0_usize..200, bit in 0_u8..8) {
            let mut bytes = full().encode();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(sampling) = Sampling::decode(&bytes) {
                prop_assert_eq!(sampling.encode(), bytes);
            }
        }
    }
}
