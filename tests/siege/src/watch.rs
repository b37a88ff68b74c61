//! Samples memory, descriptors and threads of processes over time, and finds growth.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// The resources of a process at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Seconds since the watch began.
    pub(crate) at: f64,
    /// Anonymous resident memory (`RssAnon`), KiB.
    pub(crate) memory: f64,
    /// Peak of the resident memory (`VmHWM`), KiB.
    pub(crate) peak: f64,
    /// Number of open descriptors.
    pub(crate) descriptors: f64,
    /// Number of threads.
    pub(crate) threads: f64,
}

impl Sample {
    /// Takes a sample of a process. Returns `None` if it has ended.
    pub(crate) fn of(process: Pid, since: Instant) -> Option<Self> {
        let folder = format!("/proc/{}", process.as_raw_nonzero());
        let status = fs::read_to_string(format!("{folder}/status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        Some(Self {
            at: since.elapsed().as_secs_f64(),
            memory: number("RssAnon:")?,
            peak: number("VmHWM:")?,
            descriptors: fs::read_dir(format!("{folder}/fd")).ok()?.count() as f64,
            threads: number("Threads:")?,
        })
    }
}

/// Samples processes on a separate thread until it is stopped.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Vec<Sample>>>>,
}

impl Watch {
    /// Starts to take samples every `period`.
    pub(crate) fn start(processes: Vec<Pid>, period: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            let (since, mut samples) = (Instant::now(), vec![Vec::new(); processes.len()]);
            while !stopped.load(Ordering::Relaxed) {
                for (process, samples) in processes.iter().zip(&mut samples) {
                    samples.extend(Sample::of(*process, since));
                }
                std::thread::park_timeout(period);
            }
            samples
        };
        Self { stop, thread: Some(std::thread::spawn(work)) }
    }

    /// Stops, and returns the samples of each process in the given order.
    pub(crate) fn stop(mut self) -> Vec<Vec<Sample>> {
        self.end().unwrap_or_default()
    }

    fn end(&mut self) -> Option<Vec<Vec<Sample>>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take()?;
        thread.thread().unpark();
        thread.join().ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

/// The change of a quantity over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    /// Mean of the first quarter of the samples.
    pub(crate) first: f64,
    /// Mean of the last quarter.
    pub(crate) last: f64,
    /// Growth of the fitted line (least squares) from the first to the last sample.
    pub(crate) growth: f64,
}

impl Trend {
    /// Computes the trend of one field of the samples. Returns `None` for fewer than four samples.
    pub(crate) fn of(samples: &[Sample], field: impl Fn(&Sample) -> f64) -> Option<Self> {
        let quarter = samples.len() / 4;
        let [start, .., end] = samples else { return None };
        if quarter == 0 {
            return None;
        }
        let mean = |samples: &[Sample], field: &dyn Fn(&Sample) -> f64| {
            samples.iter().map(field).sum::<f64>() / samples.len() as f64
        };
        let (middle, level) = (mean(samples, &|sample| sample.at), mean(samples, &field));
        let along: f64 = samples.iter().map(|sample| (sample.at - middle) * (field(sample) - level)).sum();
        let spread: f64 = samples.iter().map(|sample| (sample.at - middle).powi(2)).sum();
        let slope = if spread > 0.0 { along / spread } else { 0.0 };
        Some(Self {
            first: mean(&samples[..quarter], &field),
            last: mean(&samples[samples.len() - quarter..], &field),
            growth: slope * (end.at - start.at),
        })
    }

    /// Returns whether neither the fitted line nor the last quarter rises by more than `allowed`.
    pub(crate) fn is_flat(&self, allowed: f64) -> bool {
        self.growth <= allowed && self.last - self.first <= allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(f64) -> f64) -> Vec<Sample> {
        let sample = |at: f64| Sample { at, memory: memory(at), peak: 0.0, descriptors: 0.0, threads: 0.0 };
        (0..100).map(|at| sample(f64::from(at))).collect()
    }

    #[test]
    fn a_line_is_fitted_exactly() {
        let trend = Trend::of(&samples(|at| 50.0 + 2.0 * at), |sample| sample.memory).unwrap();
        assert!((trend.growth - 198.0).abs() < 1e-6, "{trend:?}");
        assert_eq!((trend.first, trend.last), (74.0, 224.0));
        assert!(trend.is_flat(198.1) && !trend.is_flat(197.9));
    }

    #[test]
    fn what_only_swings_or_falls_is_flat() {
        let swinging = samples(|at| if (at as u64).is_multiple_of(2) { 10.0 } else { 20.0 });
        assert!(Trend::of(&swinging, |sample| sample.memory).unwrap().is_flat(1.0));
        assert!(Trend::of(&samples(|at| 100.0 - at), |sample| sample.memory).unwrap().is_flat(0.0));
    }

    #[test]
    fn few_samples_show_no_trend() {
        assert_eq!(Trend::of(&samples(|_| 1.0)[..3], |sample| sample.memory), None);
        assert!(Trend::of(&samples(|_| 1.0)[..4], |sample| sample.memory).is_some());
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let watch = Watch::start(vec![rustix::process::getpid()], Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(20));
        let samples = watch.stop();
        assert!(samples[0].iter().all(|sample| sample.memory > 0.0 && sample.threads >= 1.0), "{samples:?}");
        assert!(!samples[0].is_empty());
    }
}
