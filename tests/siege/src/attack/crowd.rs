//! The attackers, on a thread of their own, so that they do not delay the honest callers' tasks. Attackers have machines of
//! their own; here they share the node's processors, so their thread has a low priority: what slows the node down is what
//! it does for them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::field::Field;
use super::{dead, details, ends, idle, nested, poison, quotes, refusals, slow_bodies, slow_reader, zero_window};

/// Between an attack that broke off and its next try: a node that refuses connections is asked again all the time.
const RETRY: Duration = Duration::from_millis(500);

/// A low priority: a ninth of the time of others (setpriority(2), sched(7)).
const NICE: i32 = 10;

/// Running attacks. They end with this value.
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
        // Last, and a little later: they leave no connection to any other attacker.
        crowd.start("idle", field.connections, idle::run);
        Self { runtime: Some(runtime) }
    }

    /// Whether the attack `name` is among those with these names.
    pub(super) fn has(name: &str, names: &[String]) -> bool {
        names.is_empty() || names.iter().any(|wanted| wanted == name)
    }
}

/// On Linux, the priority of no process is that of the calling thread.
fn step_back() {
    // Failure leaves the attackers stronger.
    let _ = setpriority_process(None, NICE);
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait, as a runtime must not where tasks run.
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
    /// So many attackers of one kind, each of which attacks again whenever it is shaken off.
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
