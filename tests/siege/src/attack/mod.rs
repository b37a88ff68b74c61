//! The part `attack`: runs all attacks at once and compares honest callers with those on a quiet node.

mod crowd;
mod dead;
mod details;
mod ends;
mod field;
mod honest;
mod idle;
mod nested;
mod poison;
mod quotes;
mod refusals;
mod session;
mod slow_bodies;
mod slow_reader;
mod zero_window;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::time::sleep;

use crate::args::Plan;
use crate::caller::Target;
use crate::loopback::Silent;
use crate::report::{Figure, Outcome};
use crate::site::{Setup, Site};
use crate::watch::{Sample, Watch};
use crowd::Crowd;
use field::Field;
use honest::Honest;

/// Default duration of the attack, seconds.
const SECONDS: u64 = 120;
/// Number of honest callers.
const HONEST: usize = 8;
/// Number of the caller that the attackers use.
const ATTACKER: usize = HONEST;
/// Maximum number of connections of the node. One process can hold them all.
const CONNECTIONS: usize = 400;
/// Memory of an enclave with default settings, MiB.
const BUDGET: f64 = 512.0;
/// Maximum ratio of the 99th percentile of honest requests to that on a quiet node.
const SLOWER: f64 = 3.0;
/// Time limit for the node to recover after the attack.
const CALM: Duration = Duration::from_secs(90);
/// Number of additional descriptors that may be open after recovery.
const SPARE: f64 = 64.0;
const LOOK: Duration = Duration::from_millis(100);

pub(crate) async fn measure(plan: &Plan) -> Outcome {
    let seconds = Duration::from_secs(plan.seconds.unwrap_or(SECONDS));
    let mut figures = Vec::new();
    for (name, has_tokens) in [("open node", false), ("node with tokens", true)] {
        eprintln!("attack: {name}");
        figures.extend(besiege(plan, name, has_tokens, seconds).await);
    }
    let attacks = if plan.attacks.is_empty() { "all attacks".to_owned() } else { plan.attacks.join(", ") };
    let how = format!(
        "{HONEST} honest callers, {} s quiet, then {} s beside {attacks}; the node allows {CONNECTIONS} connections.",
        plan.quiet,
        seconds.as_secs()
    );
    (how, figures)
}

/// Measures one node, first quiet and then under attack.
async fn besiege(plan: &Plan, name: &str, has_tokens: bool, seconds: Duration) -> Vec<Figure> {
    let silent = Silent::start().await;
    let callers =
        if has_tokens { (0..=ATTACKER).map(|number| format!("caller-{number}")).collect() } else { Vec::new() };
    let site = Site::start(Setup {
        limits: vec![format!("connections = {CONNECTIONS}")],
        dead: Some(silent.port()),
        callers,
        any_model: true,
        local: false,
    })
    .await;
    let began = Instant::now();
    let targets: Vec<_> = (0..HONEST).map(|number| site.target(site.node.port(), number)).collect();
    let quiet = honest::ask_for(&targets, Duration::from_secs(plan.quiet)).await;
    let enclave = site.node.enclave();
    let before = Sample::of(enclave, began);

    let watch = Watch::start(vec![enclave, site.node.host()], LOOK);
    let field = Arc::new(Field::new(&site, ATTACKER, CONNECTIONS));
    let crowd = Crowd::start(&field, &plan.attacks);
    let attacked = honest::ask_for(&targets, seconds).await;
    drop(crowd);
    let left = Instant::now();
    let lives = site.node.enclave_lives();
    let (after, calm) = if lives { calm(enclave, &targets, before, began).await } else { (None, false) };
    let samples = watch.stop();
    eprintln!("attack: {name}: what the attackers saw: {}", field.seen.listed());

    let highest = |process: usize, of: fn(&Sample) -> f64| samples[process].iter().map(of).fold(0.0, f64::max);
    let peak = highest(0, |sample| sample.peak) / 1024.0;
    let figure =
        |what: &str, value: String, goal: &str, met: bool| Figure::judged(format!("{name}: {what}"), value, goal, met);
    let plain = |what: &str, value: String| Figure::plain(format!("{name}: {what}"), value);
    let mut figures = honest_figures(name, &quiet, &attacked);
    let (sent, arrived) = (field.refusals_sent.load(Ordering::Relaxed), field.refusals_arrived.load(Ordering::Relaxed));
    let unproven = field.unproven_ends.load(Ordering::Relaxed);
    figures.extend([
        figure("the enclave lives", if lives { "yes" } else { "no" }.into(), "yes", lives),
        figure("peak memory of the enclave", format!("{peak:.0} MiB"), "≤ 512 MiB", peak > 0.0 && peak <= BUDGET),
        plain(
            "most descriptors of enclave and host",
            format!("{:.0}, {:.0}", highest(0, |sample| sample.descriptors), highest(1, |sample| sample.descriptors)),
        ),
        figure(
            "as before once the attackers have left",
            match (calm, after, before) {
                (true, ..) => format!("after {:.0} s", left.elapsed().as_secs_f64()),
                (false, Some(after), Some(before)) => {
                    let (now, then) = (after.descriptors, before.descriptors);
                    format!("no: honest requests fail, or {now:.0} descriptors after {then:.0} are too many")
                }
                (false, ..) => "no".into(),
            },
            "within 90 s",
            calm,
        ),
        plain("requests of the attackers", field.seen.total().to_string()),
    ]);
    if Crowd::has("refusals", &plan.attacks) {
        let met = sent > 0 && arrived == sent;
        figures.push(figure("refusals over HTTP/2 that arrived", format!("{arrived} of {sent}"), "all", met));
    }
    if Crowd::has("ends", &plan.attacks) {
        figures.push(figure("final events without a receipt", unproven.to_string(), "0", unproven == 0));
    }
    figures
}

fn honest_figures(name: &str, quiet: &Honest, attacked: &Honest) -> Vec<Figure> {
    let ratio = attacked.times.percentile(0.99) / quiet.times.percentile(0.99).max(f64::MIN_POSITIVE);
    let share = attacked.proven() as f64 / attacked.asked().max(1) as f64 * 100.0;
    let pair = |of: fn(&Honest) -> f64| format!("{:.1} ms, {:.1} ms", of(quiet), of(attacked));
    vec![
        Figure::plain(
            format!("{name}: honest requests, quiet and attacked"),
            format!("{}, {}", quiet.asked(), attacked.asked()),
        ),
        Figure::judged(
            format!("{name}: honest requests that succeeded beside the attacks"),
            if attacked.failures.total() == 0 {
                format!("{share:.2} %")
            } else {
                format!("{share:.2} % ({})", attacked.failures.listed())
            },
            "100 %",
            attacked.asked() > 0 && attacked.failures.total() == 0,
        ),
        Figure::none_of(format!("{name}: honest requests that failed on the quiet node"), quiet.failures.total()),
        Figure::plain(format!("{name}: median, quiet and attacked"), pair(|honest| honest.times.percentile(0.5))),
        Figure::judged(
            format!("{name}: p99, quiet and attacked, ratio"),
            format!("{}, {ratio:.2}", pair(|honest| honest.times.percentile(0.99))),
            "≤ 3",
            quiet.proven() > 0 && attacked.proven() > 0 && ratio <= SLOWER,
        ),
        Figure::plain(
            format!("{name}: p99 of a new verified connection, quiet and attacked"),
            pair(|honest| honest.connects.percentile(0.99)),
        ),
    ]
}

/// Waits until all honest callers succeed and the enclave has freed what the attackers held.
async fn calm(enclave: Pid, targets: &[Arc<Target>], before: Option<Sample>, began: Instant) -> (Option<Sample>, bool) {
    let left = Instant::now();
    loop {
        let honest = honest::ask_for(targets, Duration::from_secs(2)).await;
        let now = Sample::of(enclave, began);
        let released = match (before, now) {
            (Some(before), Some(now)) => now.descriptors <= before.descriptors + SPARE,
            _ => false,
        };
        if honest.proven() > 0 && honest.failures.total() == 0 && released {
            return (now, true);
        }
        if left.elapsed() > CALM || now.is_none() {
            return (now, false);
        }
        sleep(LOOK).await;
    }
}
