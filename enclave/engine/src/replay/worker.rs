//! Computes the pass: as many outputs in a step as fit, logits in bounded portions.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::lane::Lane;
use super::recorded::{Recorded, Replay, ReplayOptions};
use crate::arithmetic::{self, Shape};
use crate::error::EngineError;
use crate::limits::{MAX_CONTEXT, REPLAY_LOGITS};
use crate::llama::batch::Batch;
use crate::llama::context::Context;
use crate::model::load::Loaded;
use crate::model::memory;
use crate::run::Candidates;

/// A pass over a list of outputs.
pub(super) struct Worker<'a> {
    loaded: &'a Arc<Loaded>,
    context: Context<'a>,
    batch: Batch,
    places: usize,
    /// Positions of one step that may have logits.
    most_logits: usize,
    outputs: &'a [Recorded],
    /// By sequence.
    lanes: Vec<Option<Lane<'a>>>,
    done: Vec<Option<Replay>>,
    candidates: Candidates,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        loaded: &'a Arc<Loaded>,
        options: ReplayOptions,
        outputs: &'a [Recorded],
    ) -> Result<Self, EngineError> {
        let longest = outputs.iter().map(Recorded::length).max().unwrap_or(1);
        let sequences = u32::try_from(outputs.len()).unwrap_or(u32::MAX).clamp(1, options.parallel);
        // Long outputs are computed fewer at a time.
        let fits =
            |count: &u32| memory::check(&loaded.model, u32::try_from(longest).unwrap_or(u32::MAX), *count).is_ok();
        let sequences = (1..=sequences).rev().find(fits).unwrap_or(1);
        let context = context(loaded, options, longest, sequences)?;
        let places = options.batch.min(context.rows()) as usize;
        Ok(Self {
            loaded,
            context,
            batch: Batch::new(places),
            places,
            most_logits: most_logits(loaded),
            outputs,
            lanes: (0..sequences).map(|_| None).collect(),
            done: outputs.iter().map(|_| None).collect(),
            candidates: Candidates::new(),
        })
    }

    pub(super) fn run(mut self, progress: &mut dyn FnMut(usize)) -> Result<Vec<Replay>, EngineError> {
        let mut next = 0;
        loop {
            for sequence in 0..self.lanes.len() {
                while self.lanes[sequence].is_none() && next < self.outputs.len() {
                    match Lane::begin(self.loaded, next, &self.outputs[next]) {
                        Ok(lane) => self.lanes[sequence] = Some(lane),
                        Err(replay) => self.done[next] = Some(*replay),
                    }
                    next += 1;
                }
            }
            if self.lanes.iter().all(Option::is_none) {
                return Ok(self.done.into_iter().flatten().collect());
            }
            progress(self.step()?);
        }
    }

    /// Computes one batch and looks at its logits; returns how many tokens there were.
    fn step(&mut self) -> Result<usize, EngineError> {
        let mut wanted = Vec::new();
        self.batch.clear();
        for (sequence, lane) in self.lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            while self.batch.len() < self.places && wanted.len() < self.most_logits {
                let Some((position, id, logits)) = lane.next() else { break };
                let row = self.batch.add(sequence, position, id, logits)?;
                if logits {
                    wanted.push((sequence, row));
                }
            }
        }
        self.context.decode(&mut self.batch)?;
        for (sequence, row) in wanted {
            // Tokens after one that differs are ignored.
            let Some(lane) = &mut self.lanes[sequence] else { continue };
            let logits = self.context.logits(row)?;
            if let Some(verdict) = lane.judge(logits, &self.loaded.vocab, &mut self.candidates) {
                let lane = self.lanes[sequence].take();
                if let Some((index, replay)) = lane.map(|lane| lane.finish(verdict)) {
                    self.done[index] = Some(replay);
                }
                clear(&mut self.context, sequence)?;
            }
        }
        Ok(self.batch.len())
    }
}

/// The digest of the logits after each of `tokens`.
pub(super) fn fingerprint(loaded: &Loaded, options: ReplayOptions, tokens: &[u32]) -> Result<[u8; 32], EngineError> {
    let bounds = |actual| EngineError::Option { option: "tokens", actual, min: 1, max: MAX_CONTEXT.into() };
    if tokens.is_empty() || tokens.iter().any(|id| *id >= loaded.vocab.len()) {
        return Err(bounds(0));
    }
    let mut context = context(loaded, options, tokens.len(), 1)?;
    let places = (options.batch.min(context.rows()) as usize).min(most_logits(loaded));
    let mut batch = Batch::new(places);
    let mut hash = Sha256::new();
    for (part, first) in tokens.chunks(places).zip((0..).step_by(places)) {
        batch.clear();
        for (position, id) in (first..).zip(part) {
            batch.add(0, position, *id, true)?;
        }
        context.decode(&mut batch)?;
        for row in 0..batch.len() {
            hash.update(arithmetic::print(context.logits(row)?));
        }
    }
    Ok(hash.finalize().into())
}

fn context(
    loaded: &Loaded,
    options: ReplayOptions,
    longest: usize,
    sequences: u32,
) -> Result<Context<'_>, EngineError> {
    let (min, max) = (1, MAX_CONTEXT.min(loaded.model.n_ctx_train()));
    let context = u32::try_from(longest).unwrap_or(u32::MAX);
    if context > max {
        return Err(EngineError::Option { option: "tokens", actual: context.into(), min, max: max.into() });
    }
    memory::check(&loaded.model, context, sequences)?;
    let ReplayOptions { threads, batch, micro_batch, .. } = options;
    arithmetic::context(loaded, Shape { context, sequences, batch, micro_batch, threads })
}

fn most_logits(loaded: &Loaded) -> usize {
    (REPLAY_LOGITS / (loaded.vocab.len().max(1) as usize * size_of::<f32>())).max(1)
}

fn clear(context: &mut Context<'_>, sequence: usize) -> Result<(), EngineError> {
    match context.truncate(sequence, 0)? {
        true => Ok(()),
        false => Err(EngineError::Decode { status: 0 }),
    }
}
