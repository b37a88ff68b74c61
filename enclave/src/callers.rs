//! Who may ask, and how much: access tokens, stored as hashes, each with its own limits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use quoth_attestation::token::{self, TokenHash};

use crate::config::{self, Settings};
use crate::metrics::{Counted, Gauge};
use crate::secrets::Secrets;
use crate::shares::Party;

/// The callers that the configuration names. If it names none, anyone may ask.
pub struct Callers(BTreeMap<String, CallerState>);

struct CallerState {
    settings: config::Caller,
    party: Party,
    rate: Option<Rate>,
    running: Gauge,
    admitted: AtomicU64,
    limited: AtomicU64,
}

/// A request that was admitted, until it has ended.
#[derive(Default)]
pub struct Admitted {
    /// The caller whose shares the request uses. None if anyone may ask.
    pub party: Option<Party>,
    _running: Option<Counted>,
}

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// It has no token.
    NoToken,
    /// Its token belongs to no caller.
    WrongToken,
    /// Its caller has asked too often.
    TooOften {
        /// Requests a minute that are allowed.
        allowed: u32,
        /// How long to wait for the next one.
        wait: Duration,
    },
    /// Its caller has too many requests at one time.
    TooMany {
        /// Requests that are allowed at one time.
        allowed: u64,
    },
}

impl Callers {
    /// Creates callers without requests yet.
    pub fn new(settings: &Settings) -> Self {
        let caller = |(place, settings): (usize, &config::Caller)| CallerState {
            settings: settings.clone(),
            party: Party::Caller(place),
            rate: settings.requests_per_minute.map(|rate| Rate::new(rate.get())),
            running: Gauge::default(),
            admitted: AtomicU64::new(0),
            limited: AtomicU64::new(0),
        };
        let callers = settings.callers.iter().enumerate();
        Self(callers.map(|(place, settings)| (settings.name.clone(), caller((place, settings)))).collect())
    }

    /// Admits a request, or says why not.
    pub fn admit(&self, token: Option<&str>, secrets: &Secrets) -> Result<Admitted, NotAdmitted> {
        if self.0.is_empty() {
            return Ok(Admitted::default());
        }
        let token = token.ok_or(NotAdmitted::NoToken)?;
        let caller = self.holder(token, secrets).ok_or(NotAdmitted::WrongToken)?;
        let admitted = caller.admit(Instant::now());
        let counter = if admitted.is_ok() { &caller.admitted } else { &caller.limited };
        counter.fetch_add(1, Relaxed);
        admitted
    }

    /// Whether the token is valid, without regard to limits.
    pub fn knows(&self, token: Option<&str>, secrets: &Secrets) -> bool {
        self.0.is_empty() || token.is_some_and(|token| self.holder(token, secrets).is_some())
    }

    /// The caller that holds this token.
    fn holder(&self, token: &str, secrets: &Secrets) -> Option<&CallerState> {
        let caller = self.0.get(token::name(token)?)?;
        caller.hash(secrets)?.is_of(token).then_some(caller)
    }

    /// Counters for each caller, in Prometheus text.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let mut family = |name: &str, counter: fn(&CallerState) -> &AtomicU64| {
            // safe to ignore, here and below: writing into a String cannot fail
            let _ = writeln!(text, "# TYPE {name} counter");
            for (caller, counted) in &self.0 {
                let _ = writeln!(text, "{name}{{caller=\"{caller}\"}} {}", counter(counted).load(Relaxed));
            }
        };
        if !self.0.is_empty() {
            family("quoth_caller_admitted_total", |caller| &caller.admitted);
            family("quoth_caller_limited_total", |caller| &caller.limited);
        }
        text
    }
}

impl CallerState {
    /// The operator's hash comes before the configuration's, so a token can be changed without a restart.
    fn hash(&self, secrets: &Secrets) -> Option<TokenHash> {
        secrets.get(&self.settings.name).and_then(|text| text.parse().ok()).or(self.settings.token)
    }

    fn admit(&self, now: Instant) -> Result<Admitted, NotAdmitted> {
        let allowed = self.settings.concurrent.map_or(u64::MAX, u64::from);
        let running = self.running.enter_below(allowed).ok_or(NotAdmitted::TooMany { allowed })?;
        if let Some(rate) = &self.rate {
            rate.take(now).map_err(|wait| NotAdmitted::TooOften { allowed: rate.a_minute, wait })?;
        }
        Ok(Admitted { party: Some(self.party), _running: Some(running) })
    }
}

/// A rate per minute that allows bursts (the generic cell rate algorithm, ITU-T I.371).
struct Rate {
    a_minute: u32,
    /// When everything taken so far will have been earned.
    earned: Mutex<Option<Instant>>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Rate {
    fn new(a_minute: u32) -> Self {
        Self { a_minute, earned: Mutex::default() }
    }

    /// Takes one, or says how long to wait for it.
    fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut earned = self.earned.lock().unwrap_or_else(PoisonError::into_inner);
        let after = earned.unwrap_or(now).max(now) + MINUTE / self.a_minute;
        match after.checked_duration_since(now + MINUTE).filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(wait),
            None => {
                *earned = Some(after);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Config;

    fn node(callers: &str) -> (Callers, Secrets) {
        let file = format!(
            "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n[[upstream]]\nname = \"p\"\nhost = \"p.example\"\n\
             api = \"openai\"\nmodels = [\"*\"]\n{callers}"
        );
        let settings = Config::parse(file.into_bytes()).unwrap().settings;
        (Callers::new(&settings), Secrets::new(&settings).unwrap())
    }

    fn caller(name: &str, rest: &str) -> (String, String) {
        let token = token::token(name, &[name.len() as u8; 32]).to_string();
        let hash = TokenHash::of(&token, [1; 16]);
        (token, format!("[[caller]]\nname = \"{name}\"\ntoken = \"{hash}\"\n{rest}\n"))
    }

    #[test]
    fn without_callers_everyone_may_ask() {
        let (callers, secrets) = node("");
        assert!(callers.knows(None, &secrets));
        assert!(callers.admit(None, &secrets).is_ok() && callers.admit(Some("sk-any"), &secrets).is_ok());
        assert_eq!(callers.metrics(), "");
    }

    #[test]
    fn tokens_let_their_callers_in_and_nobody_else() {
        let ((one, first), (two, second)) = (caller("a", ""), caller("bb", ""));
        let (callers, secrets) = node(&(first + &second));
        assert!(callers.admit(Some(&one), &secrets).is_ok() && callers.admit(Some(&two), &secrets).is_ok());
        assert_eq!(callers.admit(None, &secrets).err(), Some(NotAdmitted::NoToken));
        assert!(callers.knows(Some(&one), &secrets) && !callers.knows(None, &secrets));
        for wrong in [&one[..one.len() - 1], &one.replace("_a_", "_bb_"), &one.replace("_a_", "_c_"), "sk-1", ""] {
            assert_eq!(callers.admit(Some(wrong), &secrets).err(), Some(NotAdmitted::WrongToken), "{wrong}");
            assert!(!callers.knows(Some(wrong), &secrets), "{wrong}");
        }
        assert!(callers.metrics().contains("quoth_caller_admitted_total{caller=\"a\"} 1\n"));
    }

    #[test]
    fn so_many_at_one_time() {
        let ((token, file), (other, others)) = (caller("a", "concurrent = 2"), caller("bb", ""));
        let (callers, secrets) = node(&(file + &others));
        let admit = || callers.admit(Some(&token), &secrets);
        let (one, two) = (admit().unwrap(), admit().unwrap());
        assert_eq!(admit().err(), Some(NotAdmitted::TooMany { allowed: 2 }));
        assert!(callers.admit(Some(&other), &secrets).is_ok(), "each has limits of its own");
        drop(one);
        let three = admit().unwrap();
        assert!(admit().is_err());
        drop((two, three));
        assert!(callers.metrics().contains("quoth_caller_limited_total{caller=\"a\"} 2\n"));
    }

    #[test]
    fn so_many_a_minute() {
        let (rate, start) = (Rate::new(60), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        (0..60).for_each(|_| rate.take(at(0)).unwrap());
        assert_eq!(rate.take(at(0)), Err(Duration::from_secs(1)));
        assert_eq!(rate.take(at(400)), Err(Duration::from_millis(600)), "a refused request costs nothing");
        assert_eq!((rate.take(at(1000)), rate.take(at(1000))), (Ok(()), Err(Duration::from_secs(1))));
        // A pause earns at most a minute's worth.
        (0..60).for_each(|_| rate.take(at(600_000)).unwrap());
        assert!(rate.take(at(600_000)).is_err());
    }

    #[test]
    fn a_rate_is_refused_with_the_time_to_wait() {
        let (token, file) = caller("a", "requests_per_minute = 1");
        let (callers, secrets) = node(&file);
        callers.admit(Some(&token), &secrets).unwrap();
        let Err(NotAdmitted::TooOften { allowed: 1, wait }) = callers.admit(Some(&token), &secrets) else { panic!() };
        assert!((50..=60).contains(&wait.as_secs()));
    }
}
