//! The queue of prompts that wait to be prepared, and the threads that prepare them.
//!
//! Scopes take turns, and none is served twice at once. So a long prompt delays its own scope, and takes only one of
//! [`PREPARING`] threads from others. Abandoned work leaves the queue at once.

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

/// The queue and its threads. When it is dropped, they finish their current jobs and end.
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
    /// One lane for each scope with waiting jobs, in the order of service.
    lanes: VecDeque<Lane>,
    /// Scopes that are being served.
    served: Vec<CacheScope>,
    stop: bool,
}

struct Lane {
    /// None for a job without a scope, which has a lane of its own.
    scope: Option<CacheScope>,
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

    /// Runs `work` when it is its scope's turn. Dropping the future cancels it.
    ///
    /// # Errors [`EngineError::Busy`] if the queue, or the scope's part of it, is full; [`EngineError::Stopped`]; what
    /// `work` returns.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        scope: Option<&CacheScope>,
        work: impl FnOnce(&Ticket) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let ticket = Ticket::default();
        let own = ticket.clone();
        let work = Box::new(move || drop(reply.send(work(&own))));
        self.shared.enter(scope, Job { ticket: ticket.clone(), work })?;
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

/// A waiter for a job.
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

    fn enter(&self, scope: Option<&CacheScope>, job: Job) -> Result<(), EngineError> {
        self.lock().enter(scope, job)?;
        self.changed.notify_one();
        Ok(())
    }

    /// Does one job after the other until the queue is dropped.
    fn serve(&self) {
        let mut state = self.lock();
        while !state.stop {
            let Some((scope, job)) = state.next() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            // A job that panics has dropped its reply, which tells its caller enough.
            let _ = catch_unwind(AssertUnwindSafe(job.work));
            state = self.lock();
            if let Some(scope) = scope {
                state.served.retain(|other| !other.is(&scope));
                self.changed.notify_one();
            }
        }
    }
}

impl State {
    fn enter(&mut self, scope: Option<&CacheScope>, job: Job) -> Result<(), EngineError> {
        if self.stop {
            return Err(EngineError::Stopped);
        }
        if self.lanes.iter().map(|lane| lane.jobs.len()).sum::<usize>() >= PREPARE_QUEUE {
            return Err(EngineError::Busy { limit: PREPARE_QUEUE });
        }
        let own = |lane: &&mut Lane| lane.scope.as_ref().zip(scope).is_some_and(|(other, scope)| other.is(scope));
        match self.lanes.iter_mut().find(own) {
            Some(lane) if lane.jobs.len() >= PREPARE_QUEUE_CALLER => {
                return Err(EngineError::Busy { limit: PREPARE_QUEUE_CALLER });
            }
            Some(lane) => lane.jobs.push_back(job),
            None => self.lanes.push_back(Lane { scope: scope.cloned(), jobs: [job].into() }),
        }
        Ok(())
    }

    /// Takes the first job of the first scope that is not being served. The scope's other jobs then wait behind all
    /// others.
    fn next(&mut self) -> Option<(Option<CacheScope>, Job)> {
        let free =
            |lane: &Lane| !lane.scope.as_ref().is_some_and(|scope| self.served.iter().any(|served| served.is(scope)));
        let index = self.lanes.iter().position(free)?;
        let mut lane = self.lanes.remove(index)?;
        let (scope, job) = (lane.scope.clone(), lane.jobs.pop_front()?);
        if !lane.jobs.is_empty() {
            self.lanes.push_back(lane);
        }
        self.served.extend(scope.clone());
        Some((scope, job))
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
        let (scope, job) = state.next()?;
        (job.work)();
        scope
    }

    #[test]
    fn callers_take_turns_and_are_served_once_at_a_time() {
        let (mut state, done) = (State::default(), Arc::default());
        let (a, b) = (CacheScope::new(), CacheScope::new());
        for (scope, number) in [(Some(&a), 1), (Some(&a), 2), (Some(&a), 3), (Some(&b), 4), (None, 5), (None, 6)] {
            state.enter(scope, job(&done, number)).unwrap();
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
        // A cancelled job makes room at once.
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
        let scope = CacheScope::new();
        let (release, held) = channel::<()>();
        let (begun, running) = oneshot::channel();
        let holding = tokio::spawn({
            let (queue, scope) = (Arc::clone(&queue), scope.clone());
            async move {
                let hold = move |_: &Ticket| {
                    begun.send(()).ok();
                    held.recv().ok();
                    Ok(())
                };
                queue.run(Some(&scope), hold).await
            }
        });
        running.await.unwrap();
        let ran = Arc::new(AtomicBool::new(false));
        let waiting = Box::pin(queue.run(Some(&scope), {
            let ran = Arc::clone(&ran);
            move |_| {
                ran.store(true, Ordering::Release);
                Ok(())
            }
        }));
        let waiting = polled(waiting).await;
        assert!(waiting.is_some(), "its scope is being served");
        // Others need not wait for that scope.
        assert_eq!(queue.run(Some(&CacheScope::new()), |_| Ok(1)).await, Ok(1));
        drop(waiting);
        release.send(()).unwrap();
        holding.await.unwrap().unwrap();
        assert_eq!(queue.run(Some(&scope), |_| Ok(2)).await, Ok(2));
        assert!(!ran.load(Ordering::Acquire));
    }

    /// Polls a future once; gives it back when it is not ready.
    async fn polled<F: Future + Unpin>(mut future: F) -> Option<F> {
        let ready =
            std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(context)));
        ready.await.is_pending().then_some(future)
    }
}
