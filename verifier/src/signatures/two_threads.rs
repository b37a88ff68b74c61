//! Checks that the caller's thread shares with a second one, for which it never waits: that may be without a processor for
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

/// Does `tasks`, begun in this order by whichever thread is free.
fn share<T, R>(tasks: impl Iterator<Item = T>, work: fn(&T) -> R, second: thread::Builder) -> Vec<R>
where
    T: Send + Sync + 'static,
    R: Copy + Send + Sync + 'static,
{
    let tasks = tasks.map(|task| Task { task, done: OnceLock::new() }).collect();
    let shared = Arc::new(Shared { tasks, next: AtomicUsize::new(0), work });
    // The costliest is for the thread that need not be started first.
    let first = shared.take();
    let others = Arc::clone(&shared);
    // Without a second thread this one does them all.
    let _ = second.spawn(move || others.work_from(others.take()));
    shared.work_from(first);
    // One may have been begun by the second thread and not be finished.
    let answer = |Task { task, done }: &Task<T, R>| done.get().copied().unwrap_or_else(|| work(task));
    shared.tasks.iter().map(answer).collect()
}

struct Shared<T, R> {
    tasks: Vec<Task<T, R>>,
    /// How many were taken.
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

    /// Does this one and, as long as there are any, others.
    fn work_from<'a>(&'a self, mut turn: Option<&'a Task<T, R>>) {
        while let Some(Task { task, done }) = turn {
            // Nobody else has taken it.
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
    fn two_threads_share_and_the_caller_waits_for_nobody() {
        let (begun, through) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let caller = thread::current().id();
        let task = |place| (place, caller, Arc::clone(&begun), Arc::clone(&through));
        let work = |(place, caller, begun, through): &(usize, ThreadId, Arc<Barrier>, Arc<Barrier>)| {
            let second = here(place) != *caller;
            // When both have met the second thread has done one; this one it finishes when the caller has got all.
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
        // No address space has room for such a stack.
        let done = share(0..5, here::<i32>, Builder::new().stack_size(1 << 60));
        assert_eq!(done, [thread::current().id(); 5]);
    }
}
