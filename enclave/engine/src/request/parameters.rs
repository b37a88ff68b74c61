//! How a caller asked to sample.

use crate::schema::Format;

/// How a caller asked to sample, before the model is known. [`resolve`](Self::resolve) fills in what is absent.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Parameters {
    /// 0 to 2; 0 takes the likeliest token.
    pub temperature: Option<f32>,
    /// Above 0, to 1.
    pub top_p: Option<f32>,
    /// 0 is off.
    pub top_k: Option<u32>,
    /// 0 to 1.
    pub min_p: Option<f32>,
    /// Below 0xFFFF_FFFF.
    pub seed: Option<u32>,
    /// -2 to 2.
    pub presence_penalty: Option<f32>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// Above 0, to 10.
    pub repeat_penalty: Option<f32>,
    /// Token ids and their bias, by id.
    pub logit_bias: Vec<(u32, f32)>,
    /// Strings that end the output and are not part of it.
    pub stop: Vec<String>,
    /// Most tokens to produce.
    pub max_tokens: Option<u32>,
    /// What the output must look like.
    pub format: Format,
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Stop strings, biases and schemas can be as private as the prompt.
        f.debug_struct("Parameters").field("max_tokens", &self.max_tokens).finish_non_exhaustive()
    }
}
