//! One thread owns the context and batches continuously.
//!
//! Each step decodes one token of every running sequence and a share of the waiting prompts. A sequence pauses while
//! its reader lags; one whose reader is gone is freed before the next step. When a step fails, every running generation
//! fails, and the thread goes on with a new context. Because the arithmetic is exact, company in a step changes no
//! tokens, so the schedule is free to be fair.

mod cache;
mod share;
mod slot;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quoth_attestation::sampling::Sampling;
use tokio::sync::mpsc;

pub use self::cache::CacheScope;
use self::cache::Kept;
use self::share::Pace;
use self::slot::{Job, Slot, Wants};
use crate::arithmetic;
use crate::error::EngineError;
use crate::generation::Event;
use crate::limits::{EVENTS, QUEUE, QUEUE_TOKENS};
use crate::llama::FAILED;
use crate::llama::batch::Batch;
use crate::llama::context::Context;
use crate::model::load::Loaded;
use crate::options::EngineOptions;
use crate::run::{Candidates, Run};

/// Tokens of one step that llama.cpp computes together.
const MICRO_BATCH: u32 = 512;
/// How long to wait when every sequence is paused.
const PAUSE: Duration = Duration::from_millis(2);

/// The engine's thread, and the queue to it.
pub(crate) struct Scheduler {
    loaded: Arc<Loaded>,
    queue: Option<Sender<Job>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// The thread has ended, or is about to.
    dead: AtomicBool,
    /// The thread is asked to end.
    stop: AtomicBool,
    /// Requests without a sequence, and their prompts' tokens.
    waiting: AtomicUsize,
    waiting_tokens: AtomicUsize,
}

impl Scheduler {
    /// Makes the context and starts the thread.
    pub(crate) fn start(loaded: Arc<Loaded>, options: &EngineOptions) -> Result<Self, EngineError> {
        let (queue, jobs) = channel();
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
        scope: Option<&CacheScope>,
    ) -> Result<mpsc::Receiver<Event>, EngineError> {
        let run = Run::new(&self.loaded, sampling, logprobs)?;
        let queue = self.queue.as_ref().filter(|_| self.is_alive()).ok_or(EngineError::Stopped)?;
        self.shared.enter(prompt.len())?;
        let (events, receiver) = mpsc::channel(EVENTS);
        let job = Job { prompt: prompt.to_vec(), run, scope: scope.cloned(), events };
        match queue.send(job) {
            Ok(()) => Ok(receiver),
            Err(_) => Err(EngineError::Stopped),
        }
    }
}

impl Shared {
    /// Takes a place in the queue, if there is one.
    fn enter(&self, tokens: usize) -> Result<(), EngineError> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= QUEUE {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(EngineError::Busy { limit: QUEUE });
        }
        if self.waiting_tokens.fetch_add(tokens, Ordering::AcqRel) + tokens > QUEUE_TOKENS {
            self.leave(tokens);
            return Err(EngineError::Busy { limit: QUEUE_TOKENS });
        }
        Ok(())
    }

    fn leave(&self, tokens: usize) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        self.waiting_tokens.fetch_sub(tokens, Ordering::AcqRel);
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

fn context<'a>(loaded: &'a Loaded, options: &EngineOptions) -> Result<Context<'a>, EngineError> {
    arithmetic::context(
        loaded,
        arithmetic::Shape {
            context: options.context,
            sequences: options.parallel,
            batch: options.batch,
            micro_batch: options.batch.min(MICRO_BATCH),
            threads: options.threads,
        },
    )
}

struct Worker<'a> {
    loaded: &'a Loaded,
    context: Context<'a>,
    jobs: Receiver<Job>,
    shared: &'a Shared,
    /// Requests without a sequence, in the order of their coming.
    waiting: Vec<Job>,
    sequences: Vec<Sequence>,
    batch: Batch,
    /// Places in `batch`.
    places: usize,
    candidates: Candidates,
    pace: Pace,
    /// Generations begun.
    begun: u64,
}

/// What a sequence of the context is used for.
enum Sequence {
    Idle(Kept),
    Running(Box<Slot>),
}

impl Sequence {
    fn slot(&self) -> Option<&Slot> {
        match self {
            Self::Running(slot) => Some(slot),
            Self::Idle(_) => None,
        }
    }

    fn slot_mut(&mut self) -> Option<&mut Slot> {
        match self {
            Self::Running(slot) => Some(slot),
            Self::Idle(_) => None,
        }
    }
}

/// Why the thread goes on, or not.
enum Next {
    Step,
    End,
}

impl<'a> Worker<'a> {
    fn new(
        loaded: &'a Loaded,
        context: Context<'a>,
        options: &EngineOptions,
        jobs: Receiver<Job>,
        shared: &'a Shared,
    ) -> Self {
        let places = options.batch.min(context.rows()) as usize;
        Self {
            loaded,
            context,
            jobs,
            shared,
            waiting: Vec::new(),
            sequences: (0..options.parallel).map(|_| Sequence::Idle(Kept::default())).collect(),
            batch: Batch::new(places),
            places,
            candidates: Candidates::new(),
            pace: Pace::default(),
            begun: 0,
        }
    }

    fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.serve()));
        self.shared.dead.store(true, Ordering::Release);
        let error = match outcome {
            Ok(Ok(())) => EngineError::Stopped,
            Ok(Err(error)) => error,
            Err(_) => FAILED,
        };
        for slot in self.sequences.iter_mut().filter_map(Sequence::slot_mut) {
            slot.fail(error.clone());
        }
        self.waiting.extend(self.jobs.try_iter());
        for job in self.waiting {
            job.events.try_send(Event::Failed(EngineError::Stopped)).ok();
        }
    }

    /// Serves until the engine is dropped.
    ///
    /// # Errors
    /// When a step failed and no new context can be made.
    fn serve(&mut self) -> Result<(), EngineError> {
        loop {
            let stepped = self.admit().and_then(|next| match next {
                // A panic is a failure like any other: the context is renewed.
                Next::Step => catch_unwind(AssertUnwindSafe(|| self.step())).unwrap_or(Err(FAILED)).map(|()| true),
                Next::End => Ok(false),
            });
            match stepped {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => self.recover(&error)?,
            }
        }
    }

    /// Fails every running generation, and goes on with a new context. Waiting requests keep their places.
    fn recover(&mut self, error: &EngineError) -> Result<(), EngineError> {
        for sequence in &mut self.sequences {
            if let Sequence::Running(slot) = sequence {
                slot.fail(error.clone());
            }
            *sequence = Sequence::Idle(Kept::default());
        }
        self.context.renew()
    }

    /// Gives idle sequences to waiting requests; waits when there is nothing else to do.
    fn admit(&mut self) -> Result<Next, EngineError> {
        loop {
            if self.shared.stop.load(Ordering::Acquire) {
                return Ok(Next::End);
            }
            self.waiting.extend(self.jobs.try_iter());
            self.waiting.retain(|job| {
                let wanted = !job.events.is_closed();
                if !wanted {
                    self.shared.leave(job.prompt.len());
                }
                wanted
            });
            self.forget()?;
            while let Some(next) = self.next_job() {
                if !self.begin(next)? {
                    return Ok(Next::Step);
                }
            }
            if self.running().next().is_some() {
                return Ok(Next::Step);
            }
            match self.jobs.recv() {
                Ok(job) => self.waiting.push(job),
                Err(_) => return Ok(Next::End),
            }
        }
    }

    /// The request that is served next: the first one of the scope with the fewest running generations. Among such
    /// scopes, the one whose last turn is longest ago.
    fn next_job(&self) -> Option<usize> {
        let had = |job: &Job| {
            let Some(scope) = &job.scope else { return (0, 0) };
            let running = self.running().filter(|slot| slot.scope().is_some_and(|other| other.is(scope))).count();
            (running, scope.last_served())
        };
        (0..self.waiting.len()).min_by_key(|index| had(&self.waiting[*index]))
    }

    /// Gives a waiting request a sequence; false when there is none.
    fn begin(&mut self, index: usize) -> Result<bool, EngineError> {
        let job = &self.waiting[index];
        let idle = self.sequences.iter().enumerate().filter_map(|(number, sequence)| match sequence {
            Sequence::Idle(kept) => Some((number, kept)),
            Sequence::Running(_) => None,
        });
        let Some((number, held)) = cache::choose(idle, job.scope.as_ref(), &job.prompt) else { return Ok(false) };
        let cleared = self.clear(number, held);
        let job = self.waiting.remove(index);
        self.shared.leave(job.prompt.len());
        let held = match cleared {
            Ok(held) => held,
            // The job ends here, or it would be tried again for ever.
            Err(error) => {
                job.events.try_send(Event::Failed(error.clone())).ok();
                return Err(error);
            }
        };
        self.begun += 1;
        if let Some(scope) = &job.scope {
            scope.served(self.begun);
        }
        self.sequences[number] = Sequence::Running(Box::new(Slot::new(number, held, job)));
        Ok(true)
    }

    fn step(&mut self) -> Result<(), EngineError> {
        for number in 0..self.sequences.len() {
            if self.sequences[number].slot().is_some_and(Slot::is_cancelled) {
                self.end(number);
            }
        }
        let start = Instant::now();
        let outputs = self.fill_batch()?;
        let tokens = self.batch.len();
        if tokens == 0 {
            self.wait();
            return Ok(());
        }
        self.context.decode(&mut self.batch)?;
        for (number, row) in outputs {
            let logits = self.context.logits(row)?;
            let Some(slot) = self.sequences[number].slot_mut() else { continue };
            if !slot.advance(logits, &self.loaded.vocab, &mut self.candidates) {
                self.end(number);
            }
        }
        self.pace.measured(tokens, start.elapsed());
        Ok(())
    }

    /// Fills the batch and returns which sequences get logits, and where.
    fn fill_batch(&mut self) -> Result<Vec<(usize, usize)>, EngineError> {
        self.batch.clear();
        let mut outputs = Vec::new();
        let mut prompts = Vec::new();
        for (number, sequence) in self.sequences.iter_mut().enumerate() {
            let Some(slot) = sequence.slot_mut() else { continue };
            match slot.wants() {
                Wants::Decode(id) => {
                    outputs.push((number, add(&mut self.batch, slot, id, true)?));
                }
                Wants::Prefill(wanted) => prompts.push((slot.since, number, wanted)),
                Wants::Pause => {}
            }
        }
        // The earliest comes first.
        prompts.sort();
        let wanted: Vec<usize> = prompts.iter().map(|(_, _, wanted)| *wanted).collect();
        let shares = share::divide(&wanted, self.pace.prompt_tokens(outputs.len(), self.places));
        for ((_, number, wanted), share) in prompts.into_iter().zip(shares) {
            let Some(slot) = self.sequences[number].slot_mut() else { continue };
            for (position, id) in slot.prompt(share).to_vec().into_iter().enumerate() {
                let last = share == wanted && position + 1 == share;
                let row = add(&mut self.batch, slot, id, last)?;
                if last {
                    outputs.push((number, row));
                }
            }
        }
        Ok(outputs)
    }

    /// Every sequence is paused: sleeps a moment, or until there is a new request.
    fn wait(&mut self) {
        if self.running().next().is_none() {
            return;
        }
        match self.jobs.recv_timeout(PAUSE) {
            Ok(job) => self.waiting.push(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(PAUSE),
        }
    }

    fn running(&self) -> impl Iterator<Item = &Slot> {
        self.sequences.iter().filter_map(Sequence::slot)
    }

    /// Ends a generation. Its sequence keeps its tokens for its scope.
    fn end(&mut self, number: usize) {
        let ended = std::mem::replace(&mut self.sequences[number], Sequence::Idle(Kept::default()));
        if let Sequence::Running(slot) = ended {
            let (scope, tokens) = slot.into_tokens();
            self.sequences[number] = Sequence::Idle(Kept::new(scope.as_ref(), tokens, self.begun));
        }
    }

    /// Clears what was kept for scopes that are gone.
    fn forget(&mut self) -> Result<(), EngineError> {
        for number in 0..self.sequences.len() {
            if matches!(&self.sequences[number], Sequence::Idle(kept) if kept.is_stale()) {
                self.clear(number, 0)?;
                self.sequences[number] = Sequence::Idle(Kept::default());
            }
        }
        Ok(())
    }

    /// Removes all but the first `held` tokens of a sequence; returns how many are left. A model whose memory cannot be cut is
    /// cleared.
    fn clear(&mut self, number: usize, held: usize) -> Result<usize, EngineError> {
        for from in [held, 0] {
            if self.context.truncate(number, from)? {
                return Ok(from);
            }
        }
        Err(FAILED)
    }
}

/// Puts a slot's next token into the batch and returns its row.
fn add(batch: &mut Batch, slot: &mut Slot, id: u32, output: bool) -> Result<usize, EngineError> {
    let row = batch.add(slot.sequence, slot.decoded, id, output)?;
    slot.decoded += 1;
    Ok(row)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::generation::Finish;
    use crate::llama::context::tests::model;
    use crate::model::load::Model;
    use crate::request::Parameters;

    /// Long enough that a beginning is kept.
    const PROMPT: [u32; 24] = [7; 24];
    /// Longer than a test reads.
    const ENDLESS: u32 = 900;

    fn start(model: &Model, parallel: u32) -> Scheduler {
        let options = EngineOptions { context: 1024, parallel, batch: 64, ..EngineOptions::new("tiny") };
        Scheduler::start(Arc::clone(&model.loaded), &options).unwrap()
    }

    fn submit(scheduler: &Scheduler, prompt: &[u32], max_tokens: u32, scope: &CacheScope) -> mpsc::Receiver<Event> {
        let ends = (0..scheduler.loaded.vocab.len()).filter(|id| scheduler.loaded.vocab.ends(*id));
        let parameters = Parameters { logit_bias: ends.map(|id| (id, -100.0)).collect(), ..Parameters::default() };
        let sampling = parameters.resolve(3, max_tokens).unwrap();
        scheduler.submit(prompt, &sampling, None, Some(scope)).unwrap()
    }

    /// A running generation after its first event.
    fn running(scheduler: &Scheduler) -> mpsc::Receiver<Event> {
        let mut events = submit(scheduler, &PROMPT, ENDLESS, &CacheScope::new());
        assert!(matches!(events.blocking_recv(), Some(Event::Text { .. })));
        events
    }

    /// Reads to the end: the tokens and how many of the prompt were kept, or the error.
    fn read(mut events: mpsc::Receiver<Event>) -> Result<(Vec<u32>, usize), EngineError> {
        loop {
            match events.blocking_recv().unwrap() {
                Event::Text { .. } => {}
                Event::Finished { reason: Finish::Length, output_tokens, cached_tokens } => {
                    return Ok((output_tokens, cached_tokens));
                }
                Event::Finished { reason: Finish::Stop, .. } => panic!("it has no end"),
                Event::Failed(error) => return Err(error),
            }
        }
    }

    #[test]
    fn a_failed_step_fails_who_runs_and_nobody_else() {
        let (model, scope) = (model(), CacheScope::new());
        let scheduler = start(&model, 2);
        let ask = || read(submit(&scheduler, &PROMPT, 20, &scope));
        let (wanted, cached) = ask().unwrap();
        assert_eq!((wanted.len(), cached), (20, 0));
        assert_eq!(ask(), Ok((wanted.clone(), 23)));
        for round in 0..3 {
            let hit = [running(&scheduler), running(&scheduler)];
            let waiting = submit(&scheduler, &PROMPT, 20, &scope);
            model.loaded.faults.decode.store(true, Ordering::Relaxed);
            for events in hit {
                assert_eq!(read(events), Err(FAILED), "{round}");
            }
            assert_eq!(read(waiting), Ok((wanted.clone(), 0)), "what was kept is forgotten");
            assert_eq!(ask(), Ok((wanted.clone(), 23)), "and kept again");
            assert!(scheduler.is_alive());
        }
        assert_eq!(scheduler.shared.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(scheduler.shared.waiting_tokens.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_no_context_takes_is_an_error_and_the_engine_goes_on() {
        let (model, scope) = (model(), CacheScope::new());
        let scheduler = start(&model, 1);
        let ask = |prompt: &[u32]| read(submit(&scheduler, prompt, 20, &scope));
        let (wanted, _) = ask(&PROMPT).unwrap();
        // Neither can come from a request, whose prompt was checked.
        assert_eq!(ask(&[model.loaded.vocab.len()]), Err(FAILED));
        assert_eq!(ask(&[7; 1025]), Err(FAILED));
        assert_eq!(ask(&PROMPT).map(|(tokens, _)| tokens), Ok(wanted));
    }

    #[test]
    fn without_a_new_context_the_engine_ends() {
        let model = model();
        let scheduler = start(&model, 1);
        let running = running(&scheduler);
        let waiting = submit(&scheduler, &PROMPT, 20, &CacheScope::new());
        model.loaded.faults.renew.store(true, Ordering::Relaxed);
        model.loaded.faults.decode.store(true, Ordering::Relaxed);
        assert_eq!(read(running), Err(FAILED));
        assert_eq!(read(waiting), Err(EngineError::Stopped));
        assert!(!scheduler.is_alive());
    }

    #[test]
    fn the_queue_has_room_for_so_many_requests_and_tokens() {
        let shared = Shared::default();
        assert!((0..QUEUE).all(|_| shared.enter(1).is_ok()));
        assert_eq!(shared.enter(1), Err(EngineError::Busy { limit: QUEUE }));
        shared.leave(1);
        assert_eq!(shared.enter(1), Ok(()));

        let shared = Shared::default();
        assert_eq!(shared.enter(QUEUE_TOKENS), Ok(()));
        assert_eq!(shared.enter(1), Err(EngineError::Busy { limit: QUEUE_TOKENS }));
        shared.leave(QUEUE_TOKENS);
        assert_eq!(shared.enter(QUEUE_TOKENS + 1), Err(EngineError::Busy { limit: QUEUE_TOKENS }));
        assert_eq!((shared.waiting.into_inner(), shared.waiting_tokens.into_inner()), (0, 0));
    }
}
