//! One thread owns the context and batches continuously.
//!
//! Each step decodes one token of every running sequence and a share of the waiting prompts.
//! A sequence pauses while its reader lags; one whose reader is gone is freed before the next
//! step. Nothing reaches llama.cpp unchecked: a batch too large or a bad position would abort
//! the process.

mod draw;
mod sampler;
mod slot;
mod text;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_batch::LlamaBatch;
use tokio::sync::mpsc;

use self::sampler::{Candidates, Sampler};
use self::slot::{Job, Slot, Wants};
use crate::engine::{EngineOptions, Event};
use crate::error::EngineError;
use crate::limits::{EVENTS, QUEUE};
use crate::model::load::Loaded;
use crate::model::vocab::token;
use crate::sampling::Sampling;

/// Prompt tokens of one step while other sequences are generating: keeps their pace even.
const PREFILL_BESIDE_OTHERS: usize = 128;
/// Tokens of one step that llama.cpp computes together.
const MICRO_BATCH: u32 = 512;
/// How long to wait when every sequence is paused.
const PAUSE: Duration = Duration::from_millis(2);
/// llama.cpp rounds a sequence's share of the context up to this many tokens.
const CONTEXT_STEP: u32 = 256;

/// The engine's thread, and the way to it.
pub(crate) struct Scheduler {
    loaded: Arc<Loaded>,
    queue: Option<SyncSender<Box<Job>>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// The thread has ended, or is about to.
    dead: AtomicBool,
    /// The thread is asked to end.
    stop: AtomicBool,
}

impl Scheduler {
    /// Makes the context and starts the thread.
    pub(crate) fn start(loaded: Arc<Loaded>, options: &EngineOptions) -> Result<Self, EngineError> {
        let (queue, jobs) = sync_channel(QUEUE);
        let (ready, started) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let (model, flags, options) = (Arc::clone(&loaded), Arc::clone(&shared), options.clone());
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
            let context = match context(&model, &options) {
                Ok(context) => context,
                Err(error) => return drop(ready.send(Err(error))),
            };
            ready.send(Ok(())).ok();
            Worker::new(&model, context, &options, jobs, &flags).run();
        });
        let thread = thread.map_err(|error| EngineError::io("spawn", &error))?;
        started.recv().map_err(|_| EngineError::Load { what: "make a context" })??;
        Ok(Self { loaded, queue: Some(queue), shared, thread: Some(thread) })
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.shared.dead.load(Ordering::Acquire)
    }

    /// Queues a request whose prompt and bounds have been checked.
    pub(crate) fn submit(
        &self,
        prompt: &[u32],
        sampling: &Sampling,
        logprobs: Option<u8>,
    ) -> Result<mpsc::Receiver<Event>, EngineError> {
        let (events, receiver) = mpsc::channel(EVENTS);
        let job = Box::new(Job {
            prompt: prompt.to_vec(),
            stop: sampling.stop.clone(),
            max_tokens: sampling.max_tokens,
            logprobs,
            sampler: Sampler::new(&self.loaded, sampling)?,
            events,
        });
        match self.queue.as_ref().filter(|_| self.is_alive()).map(|queue| queue.try_send(job)) {
            Some(Ok(())) => Ok(receiver),
            Some(Err(TrySendError::Full(_))) => Err(EngineError::Busy { limit: QUEUE }),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(EngineError::Stopped),
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn context<'a>(loaded: &'a Loaded, options: &EngineOptions) -> Result<LlamaContext<'a>, EngineError> {
    let micro_batch = options.batch.min(MICRO_BATCH);
    let parameters = parameters(options.context, options.parallel, options.batch, micro_batch, options.threads);
    loaded
        .model
        .new_context(loaded.backend, parameters)
        .map_err(|_| EngineError::Load { what: "make a context for this model" })
}

/// Every context computes by the same arithmetic profile, [`crate::PROFILE`].
pub(crate) fn parameters(
    context: u32,
    sequences: u32,
    batch: u32,
    micro_batch: u32,
    threads: u32,
) -> LlamaContextParams {
    let share = context.next_multiple_of(CONTEXT_STEP);
    LlamaContextParams::default()
        .with_n_ctx(std::num::NonZeroU32::new(share.saturating_mul(sequences)))
        .with_n_seq_max(sequences)
        .with_n_batch(batch)
        .with_n_ubatch(micro_batch)
        .with_n_threads(threads as i32)
        .with_n_threads_batch(threads as i32)
        .with_flash_attention_policy(llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED)
        .with_kv_unified(false)
        .with_type_k(KvCacheType::F16)
        .with_type_v(KvCacheType::F16)
        .with_offload_kqv(false)
        .with_op_offload(false)
        .with_no_perf(true)
}

struct Worker<'a> {
    loaded: &'a Loaded,
    context: LlamaContext<'a>,
    jobs: Receiver<Box<Job>>,
    shared: &'a Shared,
    /// By sequence.
    slots: Vec<Option<Slot>>,
    batch: LlamaBatch<'static>,
    /// Places in `batch`.
    places: usize,
    candidates: Candidates,
    /// Slot whose prompt is served first in the next step.
    turn: usize,
}

/// Why the thread goes on, or not.
enum Next {
    Step,
    End,
}

impl<'a> Worker<'a> {
    fn new(
        loaded: &'a Loaded,
        context: LlamaContext<'a>,
        options: &EngineOptions,
        jobs: Receiver<Box<Job>>,
        shared: &'a Shared,
    ) -> Self {
        let places = options.batch.min(context.n_batch()) as usize;
        Self {
            loaded,
            context,
            jobs,
            shared,
            slots: (0..options.parallel).map(|_| None).collect(),
            batch: LlamaBatch::new(places, 1),
            places,
            candidates: Candidates::new(),
            turn: 0,
        }
    }

    fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                match self.admit() {
                    Next::End => return Ok(()),
                    Next::Step => self.step()?,
                }
            }
        }));
        self.shared.dead.store(true, Ordering::Release);
        let error = match outcome {
            Ok(Ok(())) => EngineError::Stopped,
            Ok(Err(error)) => error,
            Err(_) => EngineError::Decode { status: 0 },
        };
        for slot in self.slots.iter_mut().flatten() {
            slot.fail(error.clone());
        }
        while let Ok(job) = self.jobs.try_recv() {
            job.events.try_send(Event::Failed(EngineError::Stopped)).ok();
        }
    }

    /// Gives free sequences to waiting requests; waits when there is nothing else to do.
    fn admit(&mut self) -> Next {
        loop {
            if self.shared.stop.load(Ordering::Acquire) {
                return Next::End;
            }
            let idle = self.slots.iter().all(Option::is_none);
            let Some(sequence) = self.slots.iter().position(Option::is_none) else { return Next::Step };
            let job = match idle {
                true => self.jobs.recv().map_err(|_| TryRecvError::Disconnected),
                false => self.jobs.try_recv(),
            };
            match job {
                Ok(job) if job.events.is_closed() => {}
                Ok(job) => self.slots[sequence] = Some(Slot::new(sequence as i32, job)),
                Err(TryRecvError::Disconnected) if idle => return Next::End,
                Err(_) => return Next::Step,
            }
        }
    }

    fn step(&mut self) -> Result<(), EngineError> {
        for sequence in 0..self.slots.len() {
            if self.slots[sequence].as_ref().is_some_and(Slot::is_cancelled) {
                self.free(sequence)?;
            }
        }
        let outputs = self.fill_batch()?;
        if self.batch.n_tokens() == 0 {
            return self.wait();
        }
        self.context.decode(&mut self.batch).map_err(|error| EngineError::Decode { status: status(&error) })?;
        for (sequence, index) in outputs {
            let logits = self.context.get_logits_ith(index);
            let Some(slot) = &mut self.slots[sequence] else { continue };
            if !slot.advance(logits, &self.loaded.vocab, &mut self.candidates) {
                self.free(sequence)?;
            }
        }
        Ok(())
    }

    /// Fills the batch and returns which sequences get logits, and where.
    fn fill_batch(&mut self) -> Result<Vec<(usize, i32)>, EngineError> {
        self.batch.clear();
        let mut outputs = Vec::new();
        for (sequence, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            if let Wants::Decode(id) = slot.wants() {
                outputs.push((sequence, self.batch.n_tokens()));
                add(&mut self.batch, slot, id, true)?;
            }
        }
        let mut room = self.places.saturating_sub(outputs.len());
        if !outputs.is_empty() {
            room = room.min(PREFILL_BESIDE_OTHERS);
        }
        let count = self.slots.len();
        for offset in 0..count {
            let sequence = (self.turn + offset) % count;
            let Some(slot) = &mut self.slots[sequence] else { continue };
            let Wants::Prefill(wanted) = slot.wants() else { continue };
            let share = wanted.min(room);
            for (position, id) in slot.prompt(share).to_vec().into_iter().enumerate() {
                let last = share == wanted && position + 1 == share;
                if last {
                    outputs.push((sequence, self.batch.n_tokens()));
                }
                add(&mut self.batch, slot, id, last)?;
            }
            room -= share;
            if room == 0 {
                // Whoever was cut short goes on first, so that long prompts finish one by one.
                self.turn = if share == wanted { (sequence + 1) % count } else { sequence };
                break;
            }
        }
        Ok(outputs)
    }

    /// Every sequence is paused: sleeps a moment, or until there is a new request.
    fn wait(&mut self) -> Result<(), EngineError> {
        let Some(sequence) = self.slots.iter().position(Option::is_none) else {
            std::thread::sleep(PAUSE);
            return Ok(());
        };
        if self.slots.iter().all(Option::is_none) {
            return Ok(());
        }
        match self.jobs.recv_timeout(PAUSE) {
            Ok(job) => self.slots[sequence] = Some(Slot::new(sequence as i32, job)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(PAUSE),
        }
        Ok(())
    }

    fn free(&mut self, sequence: usize) -> Result<(), EngineError> {
        self.slots[sequence] = None;
        match self.context.clear_kv_cache_seq(Some(sequence as u32), None, None) {
            Ok(true) => Ok(()),
            _ => Err(EngineError::Decode { status: 0 }),
        }
    }
}

/// Puts a slot's next token into the batch.
fn add(batch: &mut LlamaBatch<'_>, slot: &mut Slot, id: u32, output: bool) -> Result<(), EngineError> {
    let position = i32::try_from(slot.decoded).map_err(|_| EngineError::Decode { status: 0 })?;
    batch.add(token(id), position, &[slot.sequence], output).map_err(|_| EngineError::Decode { status: 0 })?;
    slot.decoded += 1;
    Ok(())
}

pub(crate) fn status(error: &DecodeError) -> i32 {
    match error {
        DecodeError::NoKvCacheSlot => 1,
        DecodeError::NTokensZero => -1,
        DecodeError::Unknown(status) => *status,
    }
}
