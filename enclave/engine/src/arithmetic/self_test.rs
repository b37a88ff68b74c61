//! Tests that this engine keeps `exact-1` with this model on this processor. A fixed probe is computed token by token
//! by one thread, then in every other way that serving could compute it. Every bit of every logit must be the same.

use sha2::{Digest, Sha256};

use super::context::{Shape, context};
use crate::error::EngineError;
use crate::llama::batch::Batch;
use crate::llama::context::Context;
use crate::model::load::Loaded;

/// Tokens of the probe: more than a kernel takes together, and few enough to be quick.
const PROBE: usize = 12;
/// Sequences that run beside the probe.
const COMPANY: u32 = 3;

/// The digest of one position's logits.
type Print = [u8; 32];

/// Runs the probe.
///
/// # Errors
/// [`EngineError::NotExact`] with what made a difference.
pub(crate) fn self_test(loaded: &Loaded, threads: u32) -> Result<(), EngineError> {
    let shape = Shape { context: PROBE as u32 * 2, sequences: 1, batch: 1, micro_batch: 1, threads: 1 };
    let probe = probe(loaded, 1);
    let wanted = Subject::new(loaded, shape)?.one_by_one(&probe)?;
    let expect = |axis, found: Vec<Print>| match found == wanted[PROBE - found.len()..] {
        true => Ok(()),
        false => Err(EngineError::NotExact { axis }),
    };

    let (size, sequences) = (PROBE as u32 * (COMPANY + 1), COMPANY + 1);
    let shape = Shape { batch: size, micro_batch: size, sequences, threads, ..shape };
    let mut subject = Subject::new(loaded, shape)?;
    expect("threads", subject.one_by_one(&probe)?)?;
    subject.keep(0)?;
    expect("a whole prompt at once", subject.step(&[(0, &probe)])?)?;
    subject.keep(PROBE - 5)?;
    expect("a cached beginning", subject.step(&[(0, &probe[PROBE - 5..])])?)?;
    subject.keep(0)?;
    let mut cut = subject.step(&[(0, &probe[..3])])?;
    cut.extend(subject.step(&[(0, &probe[3..])])?);
    expect("a prompt in pieces", cut)?;
    subject.keep(0)?;
    let others: Vec<Vec<u32>> = (0..COMPANY).map(|number| self::probe(loaded, 2 + number)).collect();
    expect("company", subject.accompanied(&probe, &others)?)
}

/// Ordinary tokens, always the same for one vocabulary.
fn probe(loaded: &Loaded, seed: u32) -> Vec<u32> {
    let vocab = &loaded.vocab;
    let plain = |id: &u32| !vocab.is_control(*id) && !vocab.ends(*id);
    let mut state = u64::from(seed);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % vocab.len().max(1)
    };
    // If a vocabulary has hardly any plain tokens, other tokens are used.
    (0..PROBE).map(|_| (0..64).map(|_| next()).find(plain).unwrap_or(0)).collect()
}

/// A context, and how many tokens each sequence has decoded.
struct Subject<'a> {
    context: Context<'a>,
    batch: Batch,
    decoded: Vec<usize>,
}

impl<'a> Subject<'a> {
    fn new(loaded: &'a Loaded, shape: Shape) -> Result<Self, EngineError> {
        let context = context(loaded, shape)?;
        let batch = Batch::new(shape.batch as usize);
        Ok(Self { context, batch, decoded: vec![0; shape.sequences as usize] })
    }

    /// Removes all but the first `held` tokens of the first sequence, and all tokens of the others.
    fn keep(&mut self, held: usize) -> Result<(), EngineError> {
        for (sequence, decoded) in self.decoded.iter_mut().enumerate() {
            *decoded = if sequence == 0 { held } else { 0 };
            if self.context.truncate(sequence, *decoded) != Ok(true) {
                return Err(EngineError::NotExact { axis: "a cached beginning" });
            }
        }
        Ok(())
    }

    /// Decodes these tokens of these sequences together. Returns the prints of the first sequence.
    fn step(&mut self, parts: &[(usize, &[u32])]) -> Result<Vec<Print>, EngineError> {
        self.batch.clear();
        let mut own = Vec::new();
        for (sequence, tokens) in parts {
            for id in *tokens {
                let row = self.batch.add(*sequence, self.decoded[*sequence], *id, true)?;
                if *sequence == 0 {
                    own.push(row);
                }
                self.decoded[*sequence] += 1;
            }
        }
        self.context.decode(&mut self.batch)?;
        own.into_iter().map(|row| self.context.logits(row).map(print)).collect()
    }

    fn one_by_one(&mut self, tokens: &[u32]) -> Result<Vec<Print>, EngineError> {
        let steps = tokens.chunks(1).map(|one| self.step(&[(0, one)]));
        Ok(steps.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Others begin before, with and after the probe, and run at another speed.
    fn accompanied(&mut self, probe: &[u32], others: &[Vec<u32>]) -> Result<Vec<Print>, EngineError> {
        let mut prints = Vec::new();
        self.step(&[(1, &others[0][..4])])?;
        for (at, one) in probe.chunks(1).enumerate() {
            let mut parts = vec![(0, one)];
            for (number, tokens) in others.iter().enumerate() {
                let left = &tokens[self.decoded[number + 1]..];
                if at >= number * 3 && !left.is_empty() {
                    parts.push((number + 1, &left[..left.len().min(1 + number)]));
                }
            }
            prints.extend(self.step(&parts)?);
        }
        Ok(prints)
    }
}

/// The digest of every bit of these logits.
pub(crate) fn print(logits: &[f32]) -> Print {
    let mut hash = Sha256::new();
    let mut bytes = Vec::with_capacity(4096);
    for part in logits.chunks(1024) {
        bytes.clear();
        bytes.extend(part.iter().flat_map(|logit| logit.to_bits().to_le_bytes()));
        hash.update(&bytes);
    }
    hash.finalize().into()
}
