//! The queue of prompts that wait to be prepared, and the threads that prepare them.
//!
//! Callers take turns, and no caller is served twice at once: a long prompt delays its own caller, and others by no more than one
//! of [`PREPARING`] threads. Abandoned work leaves the queue at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::error::EngineError;
use crate::limits::{PREPARE_QUEUE, PREPARE_QUEUE_CALLER, PREPARING};
use crate::scheduler::CacheScope;

/// Tells a job whether its result is still wanted.
#[derive(Clone, Default)]
pub(crate) struct Ticket(Arc<AtomicBool>);

impl Ticket {
    pub(crate) fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn give_up(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The queue, and its threads. They end when this is dropped, after what they are at.
pub(crate) struct Queue {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// One lane for each caller with waiting jobs, the next to be served first.
    lanes: VecDeque<Lane>,
    /// Callers who are being served.
    served: Vec<CacheScope>,
    stop: bool,
}

struct Lane {
    /// None for a job that belongs to no caller, which has a lane of its own.
    caller: Option<CacheScope>,
    jobs: VecDeque<Job>,
}

struct Job {
    ticket: Ticket,
    work: Box<dyn FnOnce() + Send>,
}

impl Queue {
    pub(crate) fn start() -> Result<Self, EngineError> {
        let mut queue = Self { shared: Arc::default(), threads: Vec::new() };
        for _ in 0..PREPARING {
            let shared = Arc::clone(&queue.shared);
            let thread = std::thread::Builder::new().name("prepare".into()).spawn(move || shared.serve());
            queue.threads.push(thread.map_err(|error| EngineError::io("spawn", &error))?);
        }
        Ok(queue)
    }

    /// Runs `work` when it is its caller's turn. Dropping the future gives it up.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when the queue, or the caller's part of it, is full; [`EngineError::Stopped`]; what `work` returns.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        caller: Option<&CacheScope>,
        work: impl FnOnce(&Ticket) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let ticket = Ticket::default();
        let own = ticket.clone();
        let work = Box::new(move || drop(reply.send(work(&own))));
        self.shared.enter(caller, Job { ticket: ticket.clone(), work })?;
        let _waiting = Waiting { shared: &self.shared, ticket };
        answer.await.map_err(|_| EngineError::Stopped)?
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // The last handle of an engine may go with a job.
            if thread.thread().id() != std::thread::current().id() {
                thread.join().ok();
            }
        }
    }
}

/// Somebody who waits for a job.
struct Waiting<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.ticket.give_up();
        let given_up = self.shared.lock().forget();
        // What a job holds is freed outside of the lock.
        drop(given_up);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, caller: Option<&CacheScope>, job: Job) -> Result<(), EngineError> {
        self.lock().enter(caller, job)?;
        self.changed.notify_one();
        Ok(())
    }

    /// Does one job after the other until the queue is dropped.
    fn serve(&self) {
        let mut state = self.lock();
        while !state.stop {
            let Some((caller, job)) = state.next() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            // A job that panics has dropped its reply, which is all that its caller needs to know.
            let _ = catch_unwind(AssertUnwindSafe(job.work));
            state = self.lock();
            if let Some(caller) = caller {
                state.served.retain(|other| !other.is(&caller));
                self.changed.notify_one();
            }
        }
    }
}

impl State {
    fn enter(&mut self, caller: Option<&CacheScope>, job: Job) -> Result<(), EngineError> {
        if self.stop {
            return Err(EngineError::Stopped);
        }
        if self.lanes.iter().map(|lane| lane.jobs.len()).sum::<usize>() >= PREPARE_QUEUE {
            return Err(EngineError::Busy { limit: PREPARE_QUEUE });
        }
        let own = |lane: &&mut Lane| lane.caller.as_ref().zip(caller).is_some_and(|(other, caller)| other.is(caller));
        match self.lanes.iter_mut().find(own) {
            Some(lane) if lane.jobs.len() >= PREPARE_QUEUE_CALLER => {
                return Err(EngineError::Busy { limit: PREPARE_QUEUE_CALLER });
            }
            Some(lane) => lane.jobs.push_back(job),
            None => self.lanes.push_back(Lane { caller: caller.cloned(), jobs: [job].into() }),
        }
        Ok(())
    }

    /// The first job of the first caller who is not being served; the caller's others then wait behind everybody else's.
    fn next(&mut self) -> Option<(Option<CacheScope>, Job)> {
        let free = |lane: &Lane| {
            !lane.caller.as_ref().is_some_and(|caller| self.served.iter().any(|served| served.is(caller)))
        };
        let index = self.lanes.iter().position(free)?;
        let mut lane = self.lanes.remove(index)?;
        let (caller, job) = (lane.caller.clone(), lane.jobs.pop_front()?);
        if !lane.jobs.is_empty() {
            self.lanes.push_back(lane);
        }
        self.served.extend(caller.clone());
        Some((caller, job))
    }

    /// Takes out abandoned jobs.
    fn forget(&mut self) -> Vec<Job> {
        let mut given_up = Vec::new();
        for lane in &mut self.lanes {
            let (gone, wanted) = lane.jobs.drain(..).partition(|job| job.ticket.is_given_up());
            lane.jobs = wanted;
            given_up.extend::<VecDeque<Job>>(gone);
        }
        self.lanes.retain(|lane| !lane.jobs.is_empty());
        given_up
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc::channel;

    use super::*;

    fn job(done: &Arc<Mutex<Vec<u32>>>, number: u32) -> Job {
        let done = Arc::clone(done);
        Job { ticket: Ticket::default(), work: Box::new(move || done.lock().unwrap().push(number)) }
    }

    fn next(state: &mut State) -> Option<CacheScope> {
        let (caller, job) = state.next()?;
        (job.work)();
        caller
    }

    #[test]
    fn callers_take_turns_and_are_served_once_at_a_time() {
        let (mut state, done) = (State::default(), Arc::default());
        let (a, b) = (CacheScope::new(), CacheScope::new());
        for (caller, number) in [(Some(&a), 1), (Some(&a), 2), (Some(&a), 3), (Some(&b), 4), (None, 5), (None, 6)] {
            state.enter(caller, job(&done, number)).unwrap();
        }
        assert!(next(&mut state).unwrap().is(&a) && next(&mut state).unwrap().is(&b));
        assert!(next(&mut state).is_none() && next(&mut state).is_none());
        assert_eq!(*done.lock().unwrap(), [1, 4, 5, 6]);
        assert!(state.next().is_none(), "only those wait who are being served");
        state.served.clear();
        next(&mut state).unwrap();
        assert!(state.next().is_none());
        assert_eq!(*done.lock().unwrap(), [1, 4, 5, 6, 2]);
    }

    #[test]
    fn the_queue_and_each_caller_have_a_limit() {
        let (mut state, done) = (State::default(), Arc::default());
        let greedy = CacheScope::new();
        for number in 0..PREPARE_QUEUE_CALLER {
            state.enter(Some(&greedy), job(&done, number as u32)).unwrap();
        }
        let limit = PREPARE_QUEUE_CALLER;
        assert_eq!(state.enter(Some(&greedy), job(&done, 0)), Err(EngineError::Busy { limit }));
        for _ in PREPARE_QUEUE_CALLER..PREPARE_QUEUE {
            state.enter(Some(&CacheScope::new()), job(&done, 0)).unwrap();
        }
        let limit = PREPARE_QUEUE;
        assert_eq!(state.enter(Some(&CacheScope::new()), job(&done, 0)), Err(EngineError::Busy { limit }));
        assert_eq!(state.enter(None, job(&done, 0)), Err(EngineError::Busy { limit }));
        // What is given up makes room at once.
        state.lanes[0].jobs[0].ticket.give_up();
        assert_eq!(state.forget().len(), 1);
        state.enter(Some(&greedy), job(&done, 0)).unwrap();
    }

    #[tokio::test]
    async fn a_job_that_panics_costs_its_own_caller_the_answer() {
        let queue = Queue::start().unwrap();
        for _ in 0..2 * PREPARING {
            let outcome = queue.run(None, |_| -> Result<(), EngineError> { panic!("as tests do") }).await;
            assert_eq!(outcome, Err(EngineError::Stopped));
        }
        assert_eq!(queue.run(None, |_| Ok(7)).await, Ok(7));
    }

    #[tokio::test]
    async fn what_is_given_up_before_it_begins_never_runs() {
        let queue = Arc::new(Queue::start().unwrap());
        let caller = CacheScope::new();
        let (release, held) = channel::<()>();
        let (begun, running) = oneshot::channel();
        let holding = tokio::spawn({
            let (queue, caller) = (Arc::clone(&queue), caller.clone());
            async move {
                let hold = move |_: &Ticket| {
                    begun.send(()).ok();
                    held.recv().ok();
                    Ok(())
                };
                queue.run(Some(&caller), hold).await
            }
        });
        running.await.unwrap();
        let ran = Arc::new(AtomicBool::new(false));
        let waiting = Box::pin(queue.run(Some(&caller), {
            let ran = Arc::clone(&ran);
            move |_| {
                ran.store(true, Ordering::Release);
                Ok(())
            }
        }));
        let waiting = polled(waiting).await;
        assert!(waiting.is_some(), "its caller is being served");
        // Others are not held up by that caller.
        assert_eq!(queue.run(Some(&CacheScope::new()), |_| Ok(1)).await, Ok(1));
        drop(waiting);
        release.send(()).unwrap();
        holding.await.unwrap().unwrap();
        assert_eq!(queue.run(Some(&caller), |_| Ok(2)).await, Ok(2));
        assert!(!ran.load(Ordering::Acquire));
    }

    /// Polls a future once; gives it back when it is not ready.
    async fn polled<F: Future + Unpin>(mut future: F) -> Option<F> {
        let ready =
            std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(context)));
        ready.await.is_pending().then_some(future)
    }
}
