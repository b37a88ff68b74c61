//! One generation's sampler: the chain of SPEC.md §7.1. Its input and output are checked.

use std::sync::Arc;

use quoth_attestation::sampling::{MIN_P_OFF, Sampling, TOP_K_OFF, TOP_P_OFF};

use super::draw::Draw;
use crate::error::EngineError;
use crate::llama::sampler as llama;
use crate::model::load::Loaded;
use crate::model::vocab::Vocab;
use crate::prepare;

/// The chain in parts, so that what goes from one to the next can be checked.
pub(super) struct Sampler {
    bias: Option<llama::Sampler>,
    penalties: Option<llama::Sampler>,
    grammar: Option<llama::Sampler>,
    /// Bytes of an incomplete character, kept beside a grammar. llama.cpp's grammar takes any bytes as the rest of a
    /// character, even a closing quote.
    partial: Vec<u8>,
    /// top_k, top_p and min_p, as far as they are on.
    cuts: Vec<llama::Sampler>,
    /// `None` takes the likeliest token.
    draw: Option<Draw>,
}

/// Space to work in, kept between tokens to spare the allocation.
pub(crate) struct Candidates {
    chain: llama::Candidates,
    logits: Vec<f32>,
    weights: Vec<f32>,
}

impl Candidates {
    pub(crate) fn new() -> Self {
        Self { chain: llama::Candidates::new(), logits: Vec::new(), weights: Vec::new() }
    }
}

impl Sampler {
    /// Builds the chain; a grammar that llama.cpp refuses is the request's error.
    pub(super) fn new(loaded: &Arc<Loaded>, sampling: &Sampling) -> Result<Self, EngineError> {
        let bias = || llama::Sampler::bias(loaded, &sampling.logit_bias);
        let penalties = || llama::Sampler::penalties(loaded, sampling);
        let grammar = sampling.grammar.as_deref().map(|grammar| prepare::grammar_sampler(loaded, grammar));
        Ok(Self {
            bias: (!sampling.logit_bias.is_empty()).then(bias).transpose()?,
            penalties: sampling.penalises().then(penalties).transpose()?,
            grammar: grammar.transpose()?,
            partial: Vec::new(),
            cuts: if sampling.temperature > 0.0 { cuts(sampling)? } else { Vec::new() },
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
        let Candidates { chain, logits: kept, weights } = candidates;
        chain.fill(logits);
        for sampler in [&mut self.bias, &mut self.penalties].into_iter().flatten() {
            sampler.apply(chain)?;
        }
        if let Some(grammar) = &mut self.grammar {
            grammar.apply(chain).map_err(|_| EngineError::Grammar)?;
            for (id, candidate) in (0..).zip(&mut chain.list) {
                // A control token matches by its name, which is never shown.
                let hidden = vocab.is_control(id) && !vocab.ends(id);
                if candidate.logit > f32::NEG_INFINITY && (hidden || !vocab.continues(&self.partial, id)) {
                    candidate.logit = f32::NEG_INFINITY;
                }
            }
        }
        let Some(draw) = &mut self.draw else {
            let shaped = chain.list.iter().map(|candidate| (candidate.id, candidate.logit));
            return likeliest(shaped).ok_or(EngineError::Grammar);
        };
        if !chain.list.iter().any(|candidate| candidate.logit > f32::NEG_INFINITY) {
            return Err(EngineError::Grammar);
        }
        for cut in &mut self.cuts {
            cut.apply(chain)?;
        }
        kept.clear();
        kept.extend(chain.list.iter().map(|candidate| candidate.logit));
        // The chain's output is checked like its input.
        if kept.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
            return Err(EngineError::Logits);
        }
        let chosen = draw.index(kept, weights).and_then(|index| chain.list.get(index)).ok_or(EngineError::Logits)?;
        u32::try_from(chosen.id).map_err(|_| EngineError::Logits)
    }

    /// Tells the chain which token was taken. Never called with a token that ends the
    /// generation: a grammar fails on one it does not allow.
    pub(super) fn accept(&mut self, id: u32, vocab: &Vocab) -> Result<(), EngineError> {
        if let Some(penalties) = &mut self.penalties {
            penalties.accept(id)?;
        }
        if let Some(grammar) = &mut self.grammar {
            grammar.accept(id).map_err(|_| EngineError::Grammar)?;
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

fn cuts(sampling: &Sampling) -> Result<Vec<llama::Sampler>, EngineError> {
    let mut chain = Vec::new();
    if sampling.top_k != TOP_K_OFF {
        chain.push(llama::Sampler::top_k(sampling.top_k)?);
    }
    if sampling.top_p != TOP_P_OFF {
        chain.push(llama::Sampler::top_p(sampling.top_p)?);
    }
    if sampling.min_p != MIN_P_OFF {
        chain.push(llama::Sampler::min_p(sampling.min_p)?);
    }
    Ok(chain)
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
