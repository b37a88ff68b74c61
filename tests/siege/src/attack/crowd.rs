//! Runs the attackers on a separate thread, so that they do not delay the honest callers' tasks.
//!
//! Real attackers have their own machines. Here they share the node's processors, so their thread has a low priority.
//! Then the node is slowed down only by the work that it does for them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::field::Field;
use super::{dead, details, ends, idle, nested, poison, quotes, refusals, slow_bodies, slow_reader, zero_window};

/// Pause between a failed attack and the next try. A node that refuses connections is tried again all the time.
const RETRY: Duration = Duration::from_millis(500);

/// A low priority: a ninth of the time of others (setpriority(2), sched(7)).
const NICE: i32 = 10;

/// Running attacks. They end when this value is dropped.
pub(super) struct Crowd {
    runtime: Option<Runtime>,
}

impl Crowd {
    /// Starts the attacks with these names, or all of them.
    pub(super) fn start(field: &Arc<Field>, names: &[String]) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().on_thread_start(step_back).build();
        let runtime = runtime.unwrap();
        let crowd = Starter { runtime: &runtime, field, names };
        crowd.start("zero-window", zero_window::CONNECTIONS, zero_window::run);
        crowd.start("slow-reader", slow_reader::CONNECTIONS, slow_reader::run);
        crowd.start("slow-bodies", slow_bodies::CONNECTIONS, slow_bodies::run);
        crowd.start("dead-provider", 1, dead::run);
        crowd.start("nested", 1, nested::run);
        crowd.start("poison", 1, poison::run);
        crowd.start("quotes", quotes::CONNECTIONS, quotes::run);
        crowd.start("details", details::CONNECTIONS, details::run);
        crowd.start("refusals", 1, refusals::run);
        crowd.start("ends", 1, ends::run);
        // These start last and a little later, because they take all connections.
        crowd.start("idle", field.connections, idle::run);
        Self { runtime: Some(runtime) }
    }

    /// Returns whether the attack `name` is selected. No names mean all attacks.
    pub(super) fn has(name: &str, names: &[String]) -> bool {
        names.is_empty() || names.iter().any(|wanted| wanted == name)
    }
}

/// Sets the priority of the calling thread. On Linux, process id 0 means the calling thread.
fn step_back() {
    // On failure the attackers are only stronger.
    let _ = setpriority_process(None, NICE);
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not block, because a runtime must not wait inside a task.
            runtime.shutdown_background();
        }
    }
}

struct Starter<'a> {
    runtime: &'a Runtime,
    field: &'a Arc<Field>,
    names: &'a [String],
}

impl Starter<'_> {
    /// Starts attackers of one kind. Each attacks again whenever the node ends its attack.
    fn start<F>(&self, name: &str, attackers: usize, attack: impl Fn(Arc<Field>) -> F + Copy + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if !Crowd::has(name, self.names) {
            return;
        }
        for _ in 0..attackers {
            let field = Arc::clone(self.field);
            self.runtime.spawn(async move {
                loop {
                    attack(Arc::clone(&field)).await;
                    sleep(RETRY).await;
                }
            });
        }
    }
}
