//! From bytes to a verdict about a node, one named step after the other.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::cose::{Possession, Signed};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::measurement::Pcr;
use quoth_attestation::statement::{Platform, Statement};

use super::{Check, Node};
use crate::ed25519::ReceiptKey;
use crate::nitro::{Document, Naming, Validity};
use crate::receipt::nonce_text;
use crate::verifier::{CLOCK_SKEW, Time};
use crate::{Policy, Refusal, VerifiedNode};

pub(crate) fn appraise(
    policy: &Policy,
    evidence: &[u8],
    nonce: Option<&Nonce>,
    time: Time,
) -> Result<VerifiedNode, Refusal> {
    let evidence = Evidence::decode(evidence)?;
    let statement = Statement::decode(&evidence.statement)?;
    let mut appraisal = Appraisal {
        policy,
        digest: evidence.statement_digest(),
        evidence: &evidence,
        statement: &statement,
        time,
        checks: Vec::new(),
    };
    appraisal.platform()?;
    appraisal.nonce(nonce)?;
    let receipt_key = ReceiptKey::new(&statement.keys.receipt).ok_or(Refusal::StatementReceiptKey)?;
    let image = match statement.platform {
        Platform::Simulated => Some(appraisal.simulated()?),
        Platform::None => appraisal.possession(&receipt_key).map(|()| None)?,
        // `platform` has refused the others.
        actual => return Err(Refusal::PlatformUnsupported { actual }),
    };
    appraisal.window()?;
    appraisal.config()?;
    let (digest, checks) = (appraisal.digest, appraisal.checks);
    let (time_basis, models) = (time_basis(statement.platform, time), policy.models().clone());
    Ok(VerifiedNode::new(Node { statement, digest, receipt_key, image, time_basis, checks, models }))
}

struct Appraisal<'a> {
    policy: &'a Policy,
    evidence: &'a Evidence,
    statement: &'a Statement,
    digest: Digest,
    time: Time,
    checks: Vec<Check>,
}

impl Appraisal<'_> {
    fn platform(&mut self) -> Result<(), Refusal> {
        let actual = self.statement.platform;
        let expected = self.policy.platforms().map(Platform::name).collect::<Vec<_>>().join(", ");
        if !self.policy.platforms().any(|platform| platform == actual) {
            return Err(Refusal::PlatformNotAllowed { expected, actual });
        }
        if matches!(actual, Platform::Nitro | Platform::SevSnp) {
            return Err(Refusal::PlatformUnsupported { actual });
        }
        self.held("platform.not_allowed", "the policy accepts this platform", expected, actual.name());
        Ok(())
    }

    /// Is the bundle the answer to this question?
    fn nonce(&mut self, asked: Option<&Nonce>) -> Result<(), Refusal> {
        let (Some(asked), found) = (asked, self.evidence.nonce.as_ref()) else {
            return Ok(());
        };
        let (expected, actual) = (nonce_text(Some(asked)), nonce_text(found));
        match found == Some(asked) {
            true => self.held("evidence.nonce", "the quote was made for this question", expected, actual),
            false => return Err(Refusal::EvidenceNonce { expected, actual }),
        }
        Ok(())
    }

    /// A document in Nitro's layout under a root that the policy names. Returns the image that it measures.
    fn simulated(&mut self) -> Result<String, Refusal> {
        self.no_endorsements()?;
        let document = Document::parse(&self.evidence.quote)?;
        let validity = match self.time {
            Time::Live { now } => Validity { at: now, skew: CLOCK_SKEW },
            Time::Archived { .. } => Validity { at: document.signed_at(), skew: 0 },
        };
        let attested = document.verify(self.policy.roots(), Naming::Plain, validity)?;
        self.held("nitro.chain.root", "the document is signed under an accepted root", "signed", "signed");
        self.age(attested.timestamp / 1000)?;
        self.binding(attested.user_data)?;
        let nonce = self.evidence.nonce.as_ref();
        if attested.nonce != nonce.map(Nonce::as_bytes) {
            return Err(Refusal::EvidenceNonce { expected: nonce_text(nonce), actual: optional_hex(attested.nonce) });
        }
        let key = &self.statement.keys.receipt[..];
        let (expected, actual) = (hex::encode(key), optional_hex(attested.public_key));
        if attested.public_key != Some(key) {
            return Err(Refusal::EvidencePublicKey { expected, actual });
        }
        self.held("evidence.public_key", "the document carries the receipt key", expected, actual);
        self.measurements(&attested.registers)
    }

    /// Platform `none`: the key that the policy pins has signed the binding.
    fn possession(&mut self, key: &ReceiptKey) -> Result<(), Refusal> {
        self.no_endorsements()?;
        let actual = hex::encode(self.statement.keys.receipt);
        if !self.policy.receipt_keys().contains(&self.statement.keys.receipt) {
            return Err(Refusal::EvidenceReceiptKey { actual });
        }
        let expected = self.policy.receipt_keys().iter().map(hex::encode).collect::<Vec<_>>().join(" or ");
        self.held("evidence.receipt_key", "the policy pins this receipt key", expected, actual);
        let possession = Signed::<Possession>::decode(&self.evidence.quote)?;
        if !key.signed(&possession) {
            return Err(Refusal::EvidencePossession);
        }
        self.held("evidence.possession", "the receipt key has signed the evidence", "signed", "signed");
        self.binding(Some(&possession.claims().binding))
    }

    fn no_endorsements(&self) -> Result<(), Refusal> {
        match self.evidence.certificates.len() + self.evidence.crls.len() {
            0 => Ok(()),
            count => Err(Refusal::EvidenceEndorsements { count }),
        }
    }

    fn binding(&mut self, found: Option<&[u8]>) -> Result<(), Refusal> {
        let binding = node_binding(&self.digest, self.evidence.nonce.as_ref());
        let (expected, actual) = (hex::encode(binding), optional_hex(found));
        match found == Some(&binding[..]) {
            true => self.held("evidence.binding", "the quote binds this statement and its keys", expected, actual),
            false => return Err(Refusal::EvidenceBinding { expected, actual }),
        }
        Ok(())
    }

    /// `signed_at`: Unix seconds, as the platform says.
    fn age(&mut self, signed_at: u64) -> Result<(), Refusal> {
        if let Time::Live { now } = self.time {
            if signed_at > now.saturating_add(CLOCK_SKEW) {
                return Err(Refusal::EvidenceFuture { now, actual: signed_at });
            }
            let (limit, actual) = (self.policy.max_evidence_age(), now.saturating_sub(signed_at));
            if actual > limit.saturating_add(CLOCK_SKEW) {
                return Err(Refusal::EvidenceAge { limit, actual });
            }
            let (limit, actual) = (limit.to_string() + " s", actual.to_string() + " s");
            self.held("evidence.age", "the evidence is fresh", limit, actual);
        }
        // Nobody can quote a statement before it is made, nor needs to after it has ended.
        let Statement { issued, not_after, .. } = *self.statement;
        if signed_at.saturating_add(CLOCK_SKEW) < issued || signed_at > not_after.saturating_add(CLOCK_SKEW) {
            return Err(Refusal::StatementTimeWindow { issued, not_after, at: signed_at });
        }
        Ok(())
    }

    fn measurements(&mut self, registers: &[Pcr; 3]) -> Result<String, Refusal> {
        if registers.iter().all(|register| *register == [0; 48]) {
            return Err(Refusal::MeasurementDebug);
        }
        let [pcr0, pcr1, pcr2] = registers.map(hex::encode);
        let actual = alloc::format!("pcr0={pcr0} pcr1={pcr1} pcr2={pcr2}");
        let Some(name) = self.policy.image(registers).map(String::from) else {
            return Err(Refusal::MeasurementUnknown { expected: self.policy.image_count(), actual });
        };
        self.held("measurement.unknown", "the measured image is one that the policy lists", name.clone(), actual);
        Ok(name)
    }

    fn window(&mut self) -> Result<(), Refusal> {
        let Statement { issued, not_after, .. } = *self.statement;
        let (at, skew) = match self.time {
            Time::Live { now } => (now, CLOCK_SKEW),
            Time::Archived { at } => (at, 0),
        };
        if at.saturating_add(skew) < issued || at > not_after.saturating_add(skew) {
            return Err(Refusal::StatementTimeWindow { issued, not_after, at });
        }
        let window = alloc::format!("{issued} to {not_after}");
        self.held("statement.time_window", "the statement is valid", window, at.to_string());
        Ok(())
    }

    fn config(&mut self) -> Result<(), Refusal> {
        let actual = self.statement.config;
        match self.policy.config() {
            Some(accept) if !accept.accepts(&actual) => return Err(Refusal::ConfigNotAccepted { actual }),
            Some(_) => {
                let what = "the policy accepts this configuration";
                self.held("config.not_accepted", what, actual.to_string(), actual.to_string());
            }
            // The registers measure it.
            None => {}
        }
        Ok(())
    }

    fn held(&mut self, code: &'static str, what: &'static str, expected: impl Into<String>, found: impl Into<String>) {
        self.checks.push(Check { code, what, expected: expected.into(), found: found.into() });
    }
}

fn optional_hex(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "none".to_string(), hex::encode)
}

fn time_basis(platform: Platform, time: Time) -> &'static str {
    match (time, platform) {
        (Time::Live { .. }, _) => "the verifying machine's clock",
        (Time::Archived { .. }, Platform::Simulated) => {
            "the time in the simulated platform's document, and the node's own clock: its host vouches for both"
        }
        (Time::Archived { .. }, _) => "the node's own clock: its host vouches for it",
    }
}
