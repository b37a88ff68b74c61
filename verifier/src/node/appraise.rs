//! Appraises a node's evidence in named steps.

use alloc::string::{String, ToString};

use quoth_attestation::Digest;
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::cose::{Possession, Signed};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::statement::{Platform, Statement};

use super::Node;
use crate::checks::Checks;
use crate::ed25519::ReceiptKey;
use crate::hardware;
use crate::nitro::{Anchor, Attested, Document, Naming};
use crate::text::{joined, nonce_text, optional_hex};
use crate::time::{CLOCK_SKEW, Time};
use crate::trust::Trust;
use crate::x509::Validity;
use crate::{Policy, Refusal, VerifiedNode};

/// The source of the rules for bindings.
const BINDING: &str = "SPEC.md §3";

pub(crate) fn appraise(
    policy: &Policy,
    trust: &Trust,
    evidence: &[u8],
    nonce: Option<&Nonce>,
    time: Time,
) -> Result<VerifiedNode, Refusal> {
    let evidence = Evidence::decode(evidence)?;
    let statement = Statement::decode(&evidence.statement)?;
    let mut appraisal = Appraisal {
        policy,
        trust,
        digest: evidence.statement_digest(),
        evidence: &evidence,
        statement: &statement,
        time,
        checks: Checks::default(),
    };
    hardware::allowed(policy, statement.platform, &mut appraisal.checks)?;
    appraisal.nonce(nonce)?;
    let receipt_key = ReceiptKey::new(&statement.keys.receipt).ok_or(Refusal::StatementReceiptKey)?;
    let image = match statement.platform {
        Platform::Nitro => Some(appraisal.nitro()?),
        Platform::SevSnp => Some(appraisal.sev_snp()?),
        Platform::Simulated => Some(appraisal.simulated()?),
        Platform::None => appraisal.possession(&receipt_key).map(|()| None)?,
    };
    appraisal.window()?;
    appraisal.config()?;
    let (digest, checks) = (appraisal.digest, appraisal.checks.into_list());
    let time_basis = time_basis(statement.platform, time);
    let (models, upstreams) = (policy.models().clone(), policy.upstreams().clone());
    Ok(VerifiedNode::new(Node { statement, digest, receipt_key, image, time_basis, checks, models, upstreams }))
}

struct Appraisal<'a> {
    policy: &'a Policy,
    trust: &'a Trust,
    evidence: &'a Evidence,
    statement: &'a Statement,
    digest: Digest,
    time: Time,
    checks: Checks,
}

impl Appraisal<'_> {
    /// Checks that the bundle answers this request.
    fn nonce(&mut self, asked: Option<&Nonce>) -> Result<(), Refusal> {
        let (Some(asked), found) = (asked, self.evidence.nonce.as_ref()) else {
            return Ok(());
        };
        let (expected, actual) = (nonce_text(Some(asked)), nonce_text(found));
        match found == Some(asked) {
            true => {
                self.checks.held("evidence.nonce", "the quote was made for this question", BINDING, expected, actual)
            }
            false => return Err(Refusal::EvidenceNonce { expected, actual }),
        }
        Ok(())
    }

    /// Appraises a document of the NSM. Returns the image that it measures.
    fn nitro(&mut self) -> Result<String, Refusal> {
        self.no_endorsements()?;
        let validity = self.validity();
        let found = hardware::nitro_genuine(&self.evidence.quote, validity, self.trust, &mut self.checks)?;
        self.document(&found)?;
        hardware::nitro_accepted(self.policy, &found, &mut self.checks)
    }

    /// Appraises a document in Nitro's layout under a root that the policy names. Returns the image that it measures.
    fn simulated(&mut self) -> Result<String, Refusal> {
        self.no_endorsements()?;
        let document = Document::parse(&self.evidence.quote)?;
        let validity = self.validity()(document.signed_at());
        let anchor = Anchor { roots: self.policy.roots(), naming: Naming::Plain };
        let found = document.verify(anchor, validity, &self.trust.signatures)?;
        let what = "the document is signed under an accepted root";
        self.checks.held("nitro.chain.root", what, "the policy, [simulated]", "signed", "signed");
        self.document(&found)?;
        hardware::registers(self.policy, &found.registers, &mut self.checks)
    }

    /// When a document's certificates must be valid, given its signing time.
    fn validity(&self) -> impl FnOnce(u64) -> Validity + use<> {
        let time = self.time;
        move |signed_at| match time {
            Time::Live { now } => Validity { at: now, skew: CLOCK_SKEW },
            Time::Archived { .. } => Validity { at: signed_at, skew: 0 },
        }
    }

    /// Checks what a document of either kind binds.
    fn document(&mut self, found: &Attested<'_>) -> Result<(), Refusal> {
        self.age(found.timestamp / 1000)?;
        self.binding(found.user_data)?;
        let nonce = self.evidence.nonce.as_ref();
        if found.nonce != nonce.map(Nonce::as_bytes) {
            return Err(Refusal::EvidenceNonce { expected: nonce_text(nonce), actual: optional_hex(found.nonce) });
        }
        let key = &self.statement.keys.receipt[..];
        let (expected, actual) = (hex::encode(key), optional_hex(found.public_key));
        if found.public_key != Some(key) {
            return Err(Refusal::EvidencePublicKey { expected, actual });
        }
        self.checks.held("evidence.public_key", "the document carries the receipt key", BINDING, expected, actual);
        Ok(())
    }

    /// Appraises an SEV-SNP report endorsed by AMD, which contains no time. Returns the image that it measures.
    fn sev_snp(&mut self) -> Result<String, Refusal> {
        let validity = match self.time {
            Time::Live { now } => Validity { at: now, skew: CLOCK_SKEW },
            Time::Archived { at } => Validity { at, skew: 0 },
        };
        let Evidence { quote, certificates, crls, .. } = self.evidence;
        let certificates: alloc::vec::Vec<&[u8]> = certificates.iter().map(|certificate| &certificate[..]).collect();
        let crls: alloc::vec::Vec<&[u8]> = crls.iter().map(|crl| &crl[..]).collect();
        let found = hardware::snp_genuine(quote, &certificates, &crls, validity, self.trust, &mut self.checks)?;
        self.binding(Some(&found.report.report_data))?;
        hardware::snp_accepted(self.policy, &found, validity, &mut self.checks)
    }

    /// Platform `none`: checks that the key that the policy pins signed the binding.
    fn possession(&mut self, key: &ReceiptKey) -> Result<(), Refusal> {
        self.no_endorsements()?;
        let actual = hex::encode(self.statement.keys.receipt);
        if !self.policy.receipt_keys().contains(&self.statement.keys.receipt) {
            return Err(Refusal::EvidenceReceiptKey { actual });
        }
        let expected = joined(&mut self.policy.receipt_keys().iter().map(hex::encode), " or ");
        self.checks.held(
            "evidence.receipt_key",
            "the policy pins this receipt key",
            "the policy, [none]",
            expected,
            actual,
        );
        let possession = Signed::<Possession>::decode(&self.evidence.quote)?;
        if !key.signed(&possession) {
            return Err(Refusal::EvidencePossession);
        }
        self.checks.held(
            "evidence.possession",
            "the receipt key has signed the evidence",
            "SPEC.md §4",
            "signed",
            "signed",
        );
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
            true => self.checks.held(
                "evidence.binding",
                "the quote binds this statement and its keys",
                BINDING,
                expected,
                actual,
            ),
            false => return Err(Refusal::EvidenceBinding { expected, actual }),
        }
        Ok(())
    }

    /// `signed_at`: Unix seconds, by the platform's clock.
    fn age(&mut self, signed_at: u64) -> Result<(), Refusal> {
        if let Time::Live { now } = self.time {
            hardware::age(self.policy, now, signed_at, &mut self.checks)?;
        }
        // A quote is made after its statement, and is not needed after the statement expires.
        let (issued, not_after) = (self.statement.issued(), self.statement.not_after());
        if signed_at.saturating_add(CLOCK_SKEW) < issued || signed_at > not_after.saturating_add(CLOCK_SKEW) {
            return Err(Refusal::StatementTimeWindow { issued, not_after, at: signed_at });
        }
        Ok(())
    }

    fn window(&mut self) -> Result<(), Refusal> {
        let (issued, not_after) = (self.statement.issued(), self.statement.not_after());
        let (at, skew) = match self.time {
            Time::Live { now } => (now, CLOCK_SKEW),
            Time::Archived { at } => (at, 0),
        };
        if at.saturating_add(skew) < issued || at > not_after.saturating_add(skew) {
            return Err(Refusal::StatementTimeWindow { issued, not_after, at });
        }
        let window = alloc::format!("{issued} to {not_after}");
        self.checks.held("statement.time_window", "the statement is valid", "SPEC.md §2", window, at.to_string());
        Ok(())
    }

    fn config(&mut self) -> Result<(), Refusal> {
        let actual = self.statement.config;
        match self.policy.config() {
            Some(accept) if !accept.accepts(&actual) => {
                return Err(Refusal::ConfigNotAccepted { actual: actual.into() });
            }
            Some(_) => {
                let what = "the policy accepts this configuration";
                self.checks.held(
                    "config.not_accepted",
                    what,
                    "the policy, [config]",
                    actual.to_string(),
                    actual.to_string(),
                );
            }
            // The registers measure it.
            None => {}
        }
        Ok(())
    }
}

fn time_basis(platform: Platform, time: Time) -> &'static str {
    match (time, platform) {
        (Time::Live { .. }, _) => "the verifying machine's clock",
        (Time::Archived { .. }, Platform::Simulated) => {
            "the time in the simulated platform's document, and the node's own clock: its host vouches for both"
        }
        (Time::Archived { .. }, Platform::Nitro) => "the time that the Nitro hypervisor signed into the document",
        (Time::Archived { .. }, _) => "the node's own clock: its host vouches for it",
    }
}
