//! Runs requests on connections, one after the other, for a slice of time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::Connection;

/// Returns the number of answered requests. Returns `None` if one of them was refused.
pub(crate) fn requests(
    connections: &mut [Connection],
    time: Duration,
    ask: impl Fn(&mut Connection) -> Option<()> + Sync,
) -> Option<usize> {
    let stop = AtomicBool::new(false);
    let until_stopped = |connection: &mut Connection| {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            ask(connection)?;
            count += 1;
        }
        Some(count)
    };
    std::thread::scope(|scope| {
        let until_stopped = &until_stopped;
        let askers: Vec<_> =
            connections.iter_mut().map(|connection| scope.spawn(move || until_stopped(connection))).collect();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        askers.into_iter().map(|asker| asker.join().unwrap()).sum()
    })
}
