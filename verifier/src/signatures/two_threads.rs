//! Shares checks with a second thread. The caller never waits for it, because the second thread may get no processor for
//! longer than all the checks take.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::thread;

use crate::crypto::{OwnedCheck, SignatureCheck};

pub(super) fn check(checks: Vec<SignatureCheck<'_>>) -> Vec<(SignatureCheck<'_>, bool)> {
    let answers = share(checks.iter().map(OwnedCheck::of), OwnedCheck::holds, thread::Builder::new());
    checks.into_iter().zip(answers).collect()
}

/// Runs `tasks` on two threads, started in this order.
fn share<T, R>(tasks: impl Iterator<Item = T>, work: fn(&T) -> R, second: thread::Builder) -> Vec<R>
where
    T: Send + Sync + 'static,
    R: Copy + Send + Sync + 'static,
{
    let tasks = tasks.map(|task| Task { task, done: OnceLock::new() }).collect();
    let shared = Arc::new(Shared { tasks, next: AtomicUsize::new(0), work });
    // The caller's thread takes the costliest, because it need not be started first.
    let first = shared.take();
    let others = Arc::clone(&shared);
    // If the second thread does not start, this one runs all tasks.
    let _ = second.spawn(move || others.work_from(others.take()));
    shared.work_from(first);
    // The second thread may still be running one task; then run it here.
    let answer = |Task { task, done }: &Task<T, R>| done.get().copied().unwrap_or_else(|| work(task));
    shared.tasks.iter().map(answer).collect()
}

struct Shared<T, R> {
    tasks: Vec<Task<T, R>>,
    /// Number of tasks taken.
    next: AtomicUsize,
    work: fn(&T) -> R,
}

struct Task<T, R> {
    task: T,
    done: OnceLock<R>,
}

impl<T, R> Shared<T, R> {
    fn take(&self) -> Option<&Task<T, R>> {
        self.tasks.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs this task and then others while there are any.
    fn work_from<'a>(&'a self, mut turn: Option<&'a Task<T, R>>) {
        while let Some(Task { task, done }) = turn {
            // Only this thread took the task.
            let _ = done.set((self.work)(task));
            turn = self.take();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Barrier;
    use std::thread::{Builder, ThreadId};

    use super::*;

    fn here<T>(_: &T) -> ThreadId {
        thread::current().id()
    }

    #[test]
    fn every_task_is_done_and_keeps_its_place() {
        for count in 0..40 {
            let done = share(0..count, |task| task * task, Builder::new());
            assert_eq!(done, (0..count).map(|task| task * task).collect::<Vec<usize>>());
        }
    }

    #[test]
    fn two_threads_share_and_the_caller_never_waits() {
        let (begun, through) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let caller = thread::current().id();
        let task = |place| (place, caller, Arc::clone(&begun), Arc::clone(&through));
        let work = |(place, caller, begun, through): &(usize, ThreadId, Arc<Barrier>, Arc<Barrier>)| {
            let second = here(place) != *caller;
            // After both have met, the second thread has done one task; it finishes this one after the caller has all results.
            if *place == 0 || *place == 2 && second {
                begun.wait();
            }
            if *place == 2 && second {
                through.wait();
            }
            here(place)
        };
        let done = share((0..3).map(task), work, Builder::new());
        assert!(done[0] == caller && done[1] != caller && done[2] == caller);
        through.wait();
    }

    #[test]
    fn without_a_second_thread_the_first_does_everything() {
        // A stack too large for any address space.
        let done = share(0..5, here::<i32>, Builder::new().stack_size(1 << 60));
        assert_eq!(done, [thread::current().id(); 5]);
    }
}
