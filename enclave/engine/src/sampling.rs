//! The sampling parameters of a generation, with every default filled in and the seed drawn.
//!
//! # The chain For every token, in this order: `logit_bias`, penalties, grammar (and with it the exclusion of control
//! tokens and of those that cannot continue as UTF-8), `top_k`, `top_p`, `min_p`, temperature, one draw seeded with
//! `seed` (`SPEC.md` §7.1 fixes its every bit). A step whose value is its "off" value is left out. Temperature 0
//! replaces all after the grammar by the likeliest token, the lowest id among equals, and draws nothing. Penalties look
//! at produced tokens only, the last `penalty_last_n` of them. So the choice can be replayed from the logits.
//!
//! # Encoding
//! Deterministic CBOR (RFC 8949 §4.2.1); floats as the bits of an IEEE 754 binary32 in an
//! unsigned integer, so that no two encoders can differ:
//! ```cddl
//! sampling = {
//!   1 => float-bits,                  ; temperature, 0 or 0.001 to 2
//!   2 => float-bits,                  ; top_p, above 0, to 1; 1 is off
//!   3 => uint .size 4,                ; top_k; 0 is off
//!   4 => float-bits,                  ; min_p, 0 to 1; 0 is off
//!   5 => uint .le 4294967294,         ; seed
//!   6 => float-bits,                  ; presence_penalty, -2 to 2; 0 is off
//!   7 => float-bits,                  ; frequency_penalty, -2 to 2; 0 is off
//!   8 => float-bits,                  ; repeat_penalty, 0.01 to 10; 1 is off
//!   9 => uint .size 4,                ; penalty_last_n, tokens
//!   10 => { * uint .size 4 => float-bits }, ; logit_bias by token id, -100 to 100
//!   11 => [ * tstr ],                 ; stop strings, as given
//!   12 => uint .size 4,               ; max_tokens
//!   ? 13 => tstr,                     ; grammar, GBNF, start rule `root`
//! }
//! float-bits = uint .size 4
//! ```

use ciborium::Value;

use crate::limits::{
    MAX_BIAS, MAX_GRAMMAR_BYTES, MAX_LOGIT_BIAS, MAX_PENALTY, MAX_REPEAT_PENALTY, MAX_STOP_BYTES, MAX_STOPS,
    MAX_TEMPERATURE, MIN_REPEAT_PENALTY, MIN_TEMPERATURE,
};
use crate::request::Parameters;
use crate::schema::Format;

/// Temperature when a request names none.
pub const DEFAULT_TEMPERATURE: f32 = 1.0;
/// `top_p` when a request names none: off.
pub const DEFAULT_TOP_P: f32 = 1.0;
/// `top_k` when a request names none: off.
pub const DEFAULT_TOP_K: u32 = 0;
/// `min_p` when a request names none: off.
pub const DEFAULT_MIN_P: f32 = 0.0;
/// `presence_penalty` and `frequency_penalty` when a request names none: off.
pub const DEFAULT_PENALTY: f32 = 0.0;
/// `repeat_penalty` when a request names none: off.
pub const DEFAULT_REPEAT_PENALTY: f32 = 1.0;
/// llama.cpp reads this seed as "draw your own": it can never be used.
pub const FORBIDDEN_SEED: u32 = u32::MAX;

/// Sampling parameters as used by one generation.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Sampling {
    /// 0 or 0.001 to 2; 0 takes the likeliest token.
    pub temperature: f32,
    /// Above 0, to 1.
    pub top_p: f32,
    /// 0 is off.
    pub top_k: u32,
    /// 0 to 1.
    pub min_p: f32,
    /// Below [`FORBIDDEN_SEED`].
    pub seed: u32,
    /// -2 to 2.
    pub presence_penalty: f32,
    /// -2 to 2.
    pub frequency_penalty: f32,
    /// 0.01 to 10.
    pub repeat_penalty: f32,
    /// How many of the last produced tokens the penalties see.
    pub penalty_last_n: u32,
    /// Token ids and their bias, by id.
    pub logit_bias: Vec<(u32, f32)>,
    /// Strings that end the output and are not part of it.
    pub stop: Vec<String>,
    /// Most tokens to produce.
    pub max_tokens: u32,
    /// GBNF that the output obeys, start rule `root`.
    pub grammar: Option<String>,
}

/// Bytes that are not the one encoding of a [`Sampling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the encoding of sampling parameters")]
pub struct SamplingDecodeError;

impl Sampling {
    /// Fills in what `asked` leaves open.
    pub fn resolve(asked: &Parameters, seed: u32, max_tokens: u32) -> Self {
        let presence_penalty = asked.presence_penalty.unwrap_or(DEFAULT_PENALTY);
        let frequency_penalty = asked.frequency_penalty.unwrap_or(DEFAULT_PENALTY);
        let repeat_penalty = asked.repeat_penalty.unwrap_or(DEFAULT_REPEAT_PENALTY);
        let mut sampling = Self {
            temperature: match asked.temperature.unwrap_or(DEFAULT_TEMPERATURE) {
                small if small < MIN_TEMPERATURE => 0.0,
                temperature => temperature,
            },
            top_p: asked.top_p.unwrap_or(DEFAULT_TOP_P),
            top_k: asked.top_k.unwrap_or(DEFAULT_TOP_K),
            min_p: asked.min_p.unwrap_or(DEFAULT_MIN_P),
            seed,
            presence_penalty,
            frequency_penalty,
            repeat_penalty,
            penalty_last_n: 0,
            logit_bias: asked.logit_bias.clone(),
            stop: asked.stop.clone(),
            max_tokens,
            grammar: match &asked.format {
                Format::Text => None,
                Format::Grammar(grammar) => Some(grammar.clone()),
            },
        };
        if sampling.penalises() {
            sampling.penalty_last_n = max_tokens;
        }
        sampling
    }

    /// Whether any penalty has an effect.
    pub(crate) fn penalises(&self) -> bool {
        self.presence_penalty != DEFAULT_PENALTY
            || self.frequency_penalty != DEFAULT_PENALTY
            || self.repeat_penalty != DEFAULT_REPEAT_PENALTY
    }

    /// The one encoding of these parameters.
    pub fn to_cbor(&self) -> Vec<u8> {
        let bits = |float: f32| Value::from(float.to_bits());
        let bias = self.logit_bias.iter().map(|(id, bias)| (Value::from(*id), bits(*bias)));
        let stop = self.stop.iter().map(|stop| Value::from(stop.as_str()));
        let mut map = vec![
            (Value::from(1), bits(self.temperature)),
            (Value::from(2), bits(self.top_p)),
            (Value::from(3), Value::from(self.top_k)),
            (Value::from(4), bits(self.min_p)),
            (Value::from(5), Value::from(self.seed)),
            (Value::from(6), bits(self.presence_penalty)),
            (Value::from(7), bits(self.frequency_penalty)),
            (Value::from(8), bits(self.repeat_penalty)),
            (Value::from(9), Value::from(self.penalty_last_n)),
            (Value::from(10), Value::Map(bias.collect())),
            (Value::from(11), Value::Array(stop.collect())),
            (Value::from(12), Value::from(self.max_tokens)),
        ];
        if let Some(grammar) = &self.grammar {
            map.push((Value::from(13), Value::from(grammar.as_str())));
        }
        let mut out = Vec::new();
        ciborium::into_writer(&Value::Map(map), &mut out).expect("in memory"); // safe: a Vec takes every write
        out
    }

    /// Reads [`Sampling::to_cbor`]'s output back.
    ///
    /// # Errors
    /// [`SamplingDecodeError`] unless `bytes` is exactly what encoding the result gives, with
    /// every value within the bounds of [`crate::limits`].
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, SamplingDecodeError> {
        const MAX_BYTES: usize = MAX_GRAMMAR_BYTES + (64 << 10);
        if bytes.len() > MAX_BYTES {
            return Err(SamplingDecodeError);
        }
        let value: Value = ciborium::de::from_reader_with_recursion_limit(bytes, 4).map_err(|_| SamplingDecodeError)?;
        let sampling = decode(&value).ok_or(SamplingDecodeError)?;
        match sampling.in_bounds() && sampling.to_cbor() == bytes {
            true => Ok(sampling),
            false => Err(SamplingDecodeError),
        }
    }

    fn in_bounds(&self) -> bool {
        let within = |value: f32, min: f64, max: f64| (min..=max).contains(&f64::from(value));
        (self.temperature == 0.0 || within(self.temperature, MIN_TEMPERATURE.into(), MAX_TEMPERATURE))
            && within(self.top_p, f64::MIN_POSITIVE, 1.0)
            && within(self.min_p, 0.0, 1.0)
            && within(self.presence_penalty, -MAX_PENALTY, MAX_PENALTY)
            && within(self.frequency_penalty, -MAX_PENALTY, MAX_PENALTY)
            && within(self.repeat_penalty, MIN_REPEAT_PENALTY as f32 as f64, MAX_REPEAT_PENALTY)
            && self.seed != FORBIDDEN_SEED
            && self.logit_bias.len() <= MAX_LOGIT_BIAS
            && self.logit_bias.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && self.logit_bias.iter().all(|(_, bias)| within(*bias, -MAX_BIAS, MAX_BIAS))
            && self.stop.len() <= MAX_STOPS
            && self.stop.iter().all(|stop| (1..=MAX_STOP_BYTES).contains(&stop.len()))
            && self.grammar.as_ref().is_none_or(|grammar| grammar.len() <= MAX_GRAMMAR_BYTES * 2)
    }
}

impl std::fmt::Debug for Sampling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Stop strings, biases and schemas can be as private as the prompt.
        f.debug_struct("Sampling").field("max_tokens", &self.max_tokens).finish_non_exhaustive()
    }
}

fn decode(value: &Value) -> Option<Sampling> {
    let Value::Map(map) = value else { return None };
    let keys = map.iter().map(|(key, _)| as_u32(key)).collect::<Option<Vec<_>>>()?;
    if !(keys.iter().copied().eq(1..=12) || keys.iter().copied().eq(1..=13)) {
        return None;
    }
    let field = |key: usize| map.get(key - 1).map(|(_, value)| value);
    let uint = |key| field(key).and_then(as_u32);
    let float = |key| uint(key).map(f32::from_bits);
    let bias = field(10)?.as_map()?.iter().map(|(id, bits)| Some((as_u32(id)?, f32::from_bits(as_u32(bits)?))));
    let stop = field(11)?.as_array()?.iter().map(|stop| stop.as_text().map(str::to_owned));
    Some(Sampling {
        temperature: float(1)?,
        top_p: float(2)?,
        top_k: uint(3)?,
        min_p: float(4)?,
        seed: uint(5)?,
        presence_penalty: float(6)?,
        frequency_penalty: float(7)?,
        repeat_penalty: float(8)?,
        penalty_last_n: uint(9)?,
        logit_bias: bias.collect::<Option<_>>()?,
        stop: stop.collect::<Option<_>>()?,
        max_tokens: uint(12)?,
        grammar: match field(13) {
            None => None,
            Some(grammar) => Some(grammar.as_text()?.to_owned()),
        },
    })
}

fn as_u32(value: &Value) -> Option<u32> {
    value.as_integer().and_then(|integer| u32::try_from(integer).ok())
}
