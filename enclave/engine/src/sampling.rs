//! Resolves a request's parameters: fills in every default, so that the result says all about how tokens are chosen.

use quoth_attestation::FormatError;
use quoth_attestation::sampling::{
    MIN_P_OFF, MIN_TEMPERATURE, PENALTY_OFF, REPEAT_PENALTY_OFF, Sampling, TOP_K_OFF, TOP_P_OFF,
};

use crate::request::Parameters;
use crate::schema::Format;

/// Temperature when a request names none.
const DEFAULT_TEMPERATURE: f32 = 1.0;

impl Parameters {
    /// The sampling of a generation that these parameters ask for. The caller chooses what they may leave open: the seed, and
    /// how many tokens to produce at most.
    ///
    /// # Errors
    /// [`FormatError`] for more or longer values than the format takes. Parameters of a parsed request have none.
    pub fn resolve(&self, seed: u32, max_tokens: u32) -> Result<Sampling, FormatError> {
        let mut sampling = Sampling {
            temperature: match self.temperature.unwrap_or(DEFAULT_TEMPERATURE) {
                small if small < MIN_TEMPERATURE => 0.0,
                temperature => temperature,
            },
            top_p: self.top_p.unwrap_or(TOP_P_OFF),
            top_k: self.top_k.unwrap_or(TOP_K_OFF),
            min_p: self.min_p.unwrap_or(MIN_P_OFF),
            seed,
            presence_penalty: self.presence_penalty.unwrap_or(PENALTY_OFF),
            frequency_penalty: self.frequency_penalty.unwrap_or(PENALTY_OFF),
            repeat_penalty: self.repeat_penalty.unwrap_or(REPEAT_PENALTY_OFF),
            penalty_last_n: 0,
            logit_bias: self.logit_bias.clone().try_into()?,
            stop: self.stop.iter().map(|stop| stop.as_str().try_into()).collect::<Result<Vec<_>, _>>()?.try_into()?,
            max_tokens,
            grammar: match &self.format {
                Format::Text => None,
                Format::Grammar(grammar) => Some(grammar.as_str().try_into()?),
            },
        };
        if sampling.penalises() {
            sampling.penalty_last_n = max_tokens;
        }
        Ok(sampling)
    }
}
