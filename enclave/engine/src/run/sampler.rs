//! One generation's sampler: the chain that [`crate::sampling`] documents, guarded so that no
//! input can reach an assertion of llama.cpp.

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llama_cpp_2::token::logit_bias::LlamaLogitBias;

use super::draw::Draw;
use crate::error::EngineError;
use crate::llama;
use crate::model::load::Loaded;
use crate::model::vocab::{Vocab, token};
use crate::prepare;
use crate::sampling::{DEFAULT_MIN_P, DEFAULT_TOP_K, DEFAULT_TOP_P, Sampling};

/// The chain in parts, so that what goes from one to the next can be checked.
pub(super) struct Sampler {
    bias: Option<LlamaSampler>,
    penalties: Option<LlamaSampler>,
    grammar: Option<LlamaSampler>,
    /// Bytes of an incomplete character, kept beside a grammar: llama.cpp's takes any bytes for
    /// the rest of a character, a closing quote too.
    partial: Vec<u8>,
    /// top_k, top_p and min_p, as far as they are on.
    cuts: Vec<LlamaSampler>,
    /// `None` takes the likeliest token.
    draw: Option<Draw>,
}

/// Space to work in, kept between tokens to spare the allocation.
pub(crate) struct Candidates {
    array: LlamaTokenDataArray,
    logits: Vec<f32>,
    weights: Vec<f32>,
}

impl Candidates {
    pub(crate) fn new() -> Self {
        Self { array: LlamaTokenDataArray::new(Vec::new(), false), logits: Vec::new(), weights: Vec::new() }
    }

    fn fill(&mut self, logits: &[f32]) {
        self.array.data.clear();
        self.array.selected = None;
        self.array.sorted = false;
        self.array.data.extend((0..).zip(logits).map(|(id, logit)| LlamaTokenData::new(token(id), *logit, 0.0)));
    }
}

impl Sampler {
    /// Builds the chain; a grammar that llama.cpp refuses is the request's error.
    pub(super) fn new(loaded: &Loaded, sampling: &Sampling) -> Result<Self, EngineError> {
        let vocab = loaded.vocab.len() as i32;
        let biases: Vec<_> =
            sampling.logit_bias.iter().map(|(id, bias)| LlamaLogitBias::new(token(*id), *bias)).collect();
        let grammar = sampling.grammar.as_deref().map(|grammar| prepare::grammar_sampler(loaded, grammar));
        Ok(Self {
            bias: (!biases.is_empty()).then(|| LlamaSampler::logit_bias(vocab, &biases)),
            penalties: sampling.penalises().then(|| {
                LlamaSampler::penalties(
                    vocab,
                    sampling.penalty_last_n as i32,
                    sampling.repeat_penalty,
                    sampling.frequency_penalty,
                    sampling.presence_penalty,
                )
            }),
            grammar: grammar.transpose()?,
            partial: Vec::new(),
            cuts: if sampling.temperature > 0.0 { cuts(sampling) } else { Vec::new() },
            draw: (sampling.temperature > 0.0).then(|| Draw::new(sampling.seed, sampling.temperature)),
        })
    }

    /// Chooses a token from the logits of one position.
    ///
    /// # Errors
    /// [`EngineError::Logits`] and [`EngineError::Grammar`] end this generation only.
    pub(super) fn choose(
        &mut self,
        logits: &[f32],
        vocab: &Vocab,
        candidates: &mut Candidates,
    ) -> Result<u32, EngineError> {
        // Neither NaN nor infinite; every logit is looked at, which is faster than stopping at the first.
        if !logits.iter().fold(true, |fine, logit| fine & (*logit < f32::INFINITY)) {
            return Err(EngineError::Logits);
        }
        let shaped = self.bias.is_some() || self.penalties.is_some() || self.grammar.is_some();
        if !shaped && self.cuts.is_empty() {
            let chosen = match &mut self.draw {
                Some(draw) => draw.index(logits, &mut candidates.weights).and_then(|index| u32::try_from(index).ok()),
                None => likeliest((0..).zip(logits.iter().copied())),
            };
            return chosen.ok_or(EngineError::Logits);
        }
        candidates.fill(logits);
        let Candidates { array, logits, weights } = candidates;
        for sampler in [&mut self.bias, &mut self.penalties, &mut self.grammar].into_iter().flatten() {
            sampler.apply(array);
        }
        if self.grammar.is_some() {
            for (id, candidate) in (0..).zip(&mut array.data) {
                // A control token matches by its name, which is never shown.
                let hidden = vocab.is_control(id) && !vocab.ends(id);
                if candidate.logit() > f32::NEG_INFINITY && (hidden || !vocab.continues(&self.partial, id)) {
                    candidate.set_logit(f32::NEG_INFINITY);
                }
            }
        }
        let Some(draw) = &mut self.draw else {
            let shaped = array.data.iter().map(|candidate| (candidate.id().0, candidate.logit()));
            return likeliest(shaped).ok_or(EngineError::Grammar);
        };
        if !array.data.iter().any(|candidate| candidate.logit() > f32::NEG_INFINITY) {
            return Err(EngineError::Grammar);
        }
        for cut in &mut self.cuts {
            cut.apply(array);
        }
        logits.clear();
        logits.extend(array.data.iter().map(|candidate| candidate.logit()));
        // What came out of the chain is checked like what went in.
        if logits.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
            return Err(EngineError::Logits);
        }
        let chosen = draw.index(logits, weights).and_then(|index| array.data.get(index)).ok_or(EngineError::Logits)?;
        u32::try_from(chosen.id().0).map_err(|_| EngineError::Logits)
    }

    /// Tells the chain which token was taken. Never called with a token that ends the
    /// generation: a grammar aborts on one it does not allow.
    pub(super) fn accept(&mut self, id: u32, vocab: &Vocab) -> Result<(), EngineError> {
        if let Some(penalties) = &mut self.penalties {
            penalties.try_accept(token(id)).map_err(|_| EngineError::Logits)?;
        }
        if let Some(grammar) = &mut self.grammar {
            llama::asserting(|| grammar.try_accept(token(id))).and_then(Result::ok).ok_or(EngineError::Grammar)?;
            self.partial.extend_from_slice(vocab.piece(id));
            let whole = match std::str::from_utf8(&self.partial) {
                Ok(_) => self.partial.len(),
                Err(error) => error.valid_up_to(),
            };
            self.partial.drain(..whole);
        }
        Ok(())
    }
}

fn cuts(sampling: &Sampling) -> Vec<LlamaSampler> {
    let mut chain = Vec::new();
    if sampling.top_k != DEFAULT_TOP_K {
        chain.push(LlamaSampler::top_k(i32::try_from(sampling.top_k).unwrap_or(i32::MAX)));
    }
    if sampling.top_p != DEFAULT_TOP_P {
        chain.push(LlamaSampler::top_p(sampling.top_p, 1));
    }
    if sampling.min_p != DEFAULT_MIN_P {
        chain.push(LlamaSampler::min_p(sampling.min_p, 1));
    }
    chain
}

/// The first of the largest, unless nothing is above minus infinity.
fn likeliest(logits: impl Iterator<Item = (i32, f32)>) -> Option<u32> {
    let mut best = (-1, f32::NEG_INFINITY);
    for (id, logit) in logits {
        if logit > best.1 {
            best = (id, logit);
        }
    }
    u32::try_from(best.0).ok()
}

/// Log-probabilities: of `chosen`, and of the `count` likeliest tokens, likeliest first, the
/// lowest id among equals. Log-softmax in f64 over the raw logits.
pub(super) fn logprobs(logits: &[f32], chosen: u32, count: u8) -> (f32, Vec<(u32, f32)>) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - f64::from(max)).exp()).sum();
    let norm = f64::from(max) + sum.ln();
    let logprob = |logit: f32| (f64::from(logit) - norm) as f32;
    let count = usize::from(count);
    let mut top: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    for (id, logit) in (0..).zip(logits.iter().copied()) {
        if top.len() < count || top.last().is_some_and(|(_, least)| logit > *least) {
            let at = top.partition_point(|(_, other)| *other >= logit);
            top.insert(at, (id, logit));
            top.truncate(count);
        }
    }
    let own = logits.get(chosen as usize).copied().map_or(f32::NEG_INFINITY, logprob);
    (own, top.into_iter().map(|(id, logit)| (id, logprob(logit))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeliest_takes_the_first_of_equals_and_never_an_impossible_token() {
        assert_eq!(likeliest((0..).zip([1.0, 3.0, 3.0])), Some(1));
        assert_eq!(likeliest((0..).zip([f32::NEG_INFINITY; 3])), None);
    }

    #[test]
    fn logprobs_are_a_distribution() {
        let logits = [0.0f32, 1.0, 2.0, 2.0];
        let (own, top) = logprobs(&logits, 1, 4);
        let total: f64 = top.iter().map(|(_, logprob)| f64::from(*logprob).exp()).sum();
        assert!((total - 1.0).abs() < 1e-6);
        assert_eq!(top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 3, 1, 0]);
        assert_eq!(own, top[2].1);
        assert_eq!(logprobs(&logits, 0, 0).1, []);
        assert_eq!(logprobs(&logits, 0, 2).1.len(), 2);
    }
}
