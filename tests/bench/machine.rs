//! The machine: its description, its load, and the usage of a process.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// The machine is quiet if other work uses less than this share of it.
const QUIET: f64 = 0.10;
/// Length of one measurement of the load.
const LOOK: Duration = Duration::from_millis(500);
/// How long to wait for a quiet machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time limit for a server to listen.
const START: Duration = Duration::from_secs(60);

/// Waits until the machine is quiet. Prints a warning and returns if that takes too long.
pub(crate) fn wait_until_quiet() {
    let start = Instant::now();
    loop {
        let before = cpu_times();
        std::thread::sleep(LOOK);
        let after = cpu_times();
        let busy = (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64;
        if busy < QUIET {
            return;
        }
        if start.elapsed() > PATIENCE {
            eprintln!("other work uses {:.0} % of this machine: what follows is noisy", busy * 100.0);
            return;
        }
    }
}

/// Returns processor model, cores and memory in one line.
pub(crate) fn describe() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&processor, "model name").unwrap_or_else(|| "unknown processor".into());
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores, {:.0} GiB of memory, Linux", memory.unwrap_or_default() / 1048576.0)
}

/// Returns the anonymous memory of a process, KiB.
pub(crate) fn memory(process: Pid) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap();
    let own = field(&status, "RssAnon").unwrap();
    own.split(' ').next().unwrap().parse().unwrap()
}

/// Returns a port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until a server listens on a port.
pub(crate) fn wait_for_port(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < START, "no server listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processor time of each thread of a process, nanoseconds.
pub(crate) struct Usage(BTreeMap<String, u64>);

impl Usage {
    pub(crate) fn of(process: Pid) -> Self {
        Self::without(process, &[])
    }

    /// Reads the times without the threads that have these names.
    pub(crate) fn without(process: Pid, names: &[&str]) -> Self {
        let tasks = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).unwrap();
        let run = tasks.flatten().filter_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            if names.contains(&name.trim_end()) {
                return None;
            }
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((task.file_name().into_string().ok()?, text.split(' ').next()?.parse().ok()?))
        });
        Self(run.collect())
    }

    /// Returns the processor time since `earlier`. Returns `None` if a thread has ended, because its time is lost.
    pub(crate) fn since(&self, earlier: &Self) -> Option<Duration> {
        let all_live = earlier.0.keys().all(|task| self.0.contains_key(task));
        let total = |usage: &Self| usage.0.values().sum::<u64>();
        all_live.then(|| Duration::from_nanos(total(self) - total(earlier)))
    }
}

/// Returns busy ticks and all ticks of the processors.
fn cpu_times() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let ticks: Vec<u64> =
        text.lines().next().unwrap().split_whitespace().skip(1).take(8).map(|tick| tick.parse().unwrap()).collect();
    let all: u64 = ticks.iter().sum();
    // Idle, and waiting for a disk.
    (all - ticks[3] - ticks[4], all)
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
