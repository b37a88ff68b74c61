//! Whole nodes on forged machines: what a genuine report must also bind.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::statement::{Clock, Keys, Model, Platform, Software, Statement, Validity};

use super::forge::{Forge, List, NOW, roots};
use crate::trust::Trust;
use crate::{CLOCK_SKEW, Policy, Time, VerifiedNode, Verifier};

/// A node on an honest Genoa machine. Tests can change everything before it is quoted.
struct Machine {
    forge: Forge,
    statement: Statement,
    nonce: Option<Nonce>,
    /// Policy text beside `[snp]`.
    rules: &'static str,
    /// Policy text in `[[image]]`.
    image: &'static str,
}

impl Machine {
    fn new() -> Self {
        let statement = Statement {
            instance: [9; 16],
            platform: Platform::SevSnp,
            keys: Keys {
                // The base point of Ed25519.
                receipt: core::array::from_fn(|index| if index == 0 { 0x58 } else { 0x66 }),
                tls: Digest::of(b"tls key"),
                seal: None,
                settlement: None,
                operator_evm: None,
                other: Default::default(),
            },
            config: Digest::of(b"config"),
            software: Software {
                name: "quoth-enclave".try_into().unwrap(),
                version: "0.1.0".try_into().unwrap(),
                commit: "0".repeat(40).try_into().unwrap(),
                engine: Some("test".try_into().unwrap()),
            },
            models: vec![Model { name: "tiny".try_into().unwrap(), sha256: Digest::of(b"tiny"), size: 4 }]
                .try_into()
                .unwrap(),
            upstreams: Default::default(),
            operator: None,
            validity: Validity::new(NOW - 60, NOW + 24 * 3600).unwrap(),
            clock: Clock::Host,
        };
        Self { forge: Forge::new(), statement, nonce: Some(nonce()), rules: "crl = false", image: "" }
    }

    /// The evidence. `bend` changes the report data that binds it, last.
    fn evidence(&mut self, bend: impl FnOnce(&mut [u8; 64])) -> Evidence {
        let statement = self.statement.encode();
        let mut data = node_binding(&Digest::of(&statement), self.nonce.as_ref());
        bend(&mut data);
        self.forge.put(0x50, &data);
        let (certificates, crls) = self.forge.endorsements();
        let blobs = |ders: Vec<Vec<u8>>| ders.into_iter().map(|der| der.try_into().unwrap()).collect::<Vec<_>>();
        Evidence {
            statement: statement.try_into().unwrap(),
            quote: self.forge.signed().try_into().unwrap(),
            nonce: self.nonce.clone(),
            certificates: blobs(certificates).try_into().unwrap(),
            crls: crls.into_iter().map(|der| der.try_into().unwrap()).collect::<Vec<_>>().try_into().unwrap(),
        }
    }

    fn appraise(&self, evidence: &Evidence, asked: Option<&Nonce>, time: Time) -> Result<VerifiedNode, &'static str> {
        let policy = String::from(
            "version = 1\nplatforms = [\"sev-snp\"]\n[models]\naccept = \"any\"\n[[image]]\nname = \"demo\"\n\
             snp_launch = [\"MEASUREMENT\"]\nIMAGE\n[snp]\nRULES\n[snp.floor.genoa]\nbootloader = 4\ntee = 0\n\
             snp = 24\nmicrocode = 200\n",
        );
        let policy =
            policy.replace("MEASUREMENT", &"3e".repeat(48)).replace("RULES", self.rules).replace("IMAGE", self.image);
        let trust = Trust { amd: roots, ..Trust::default() };
        let verifier = Verifier::trusting(Policy::from_toml(&policy).unwrap(), trust);
        verifier.verify_node(&evidence.encode(), asked, time).map_err(|refusal| refusal.code())
    }
}

const LIVE: Time = Time::Live { now: NOW };

fn nonce() -> Nonce {
    Nonce::new([0xee; 16]).unwrap()
}

/// `accepted` or the code of the refusal, for a node that was changed before it was quoted.
fn bent(bend: impl FnOnce(&mut Machine)) -> &'static str {
    let mut machine = Machine::new();
    bend(&mut machine);
    let evidence = machine.evidence(|_| {});
    machine.appraise(&evidence, None, LIVE).map_or_else(|code| code, |_| "accepted")
}

#[test]
fn an_honest_node_is_accepted_and_every_check_is_named() {
    let mut machine = Machine::new();
    let evidence = machine.evidence(|_| {});
    let node = machine.appraise(&evidence, Some(&nonce()), LIVE).unwrap();
    assert_eq!((node.platform(), node.image()), (Platform::SevSnp, Some("demo")));
    assert_eq!(node.time_basis(), "the verifying machine's clock");
    let codes: Vec<_> = node.checks().iter().map(|check| check.code).collect();
    for code in ["snp.chain.root", "snp.report.signature", "snp.vek.chip", "evidence.binding", "measurement.unknown"] {
        assert!(codes.contains(&code), "{code}");
    }
    assert!(!codes.contains(&"snp.crl.revoked"), "no list was there");
    assert!(node.host_may_run_acpi(), "the policy knows nothing of this kernel");
    let archived = machine.appraise(&evidence, None, Time::Archived { at: NOW }).unwrap();
    assert!(archived.time_basis().contains("the node's own clock"), "{}", archived.time_basis());
}

/// A verdict repeats what a policy knows of an image's kernel.
#[test]
fn verdicts_name_kernels_that_run_no_host_bytecode() {
    let mut machine = Machine::new();
    machine.image = "acpi = \"static\"";
    let evidence = machine.evidence(|_| {});
    let node = machine.appraise(&evidence, None, LIVE).unwrap();
    assert!(!node.host_may_run_acpi());
    assert!(node.checks().iter().any(|check| check.code == "image.acpi"));
}

#[test]
fn a_revocation_list_that_holds_is_named() {
    let mut machine = Machine::new();
    machine.rules = "crl = true";
    machine.forge.list = Some(List {
        issuer: "ARK-Genoa",
        revoked: None,
        this_update: "20261201000000Z",
        next_update: "20270301000000Z",
        by_root: true,
    });
    let evidence = machine.evidence(|_| {});
    let node = machine.appraise(&evidence, None, LIVE).unwrap();
    for code in ["snp.crl.revoked", "snp.crl.stale"] {
        assert!(node.checks().iter().any(|check| check.code == code), "{code}");
    }
}

#[test]
fn report_data_is_the_binding_byte_for_byte() {
    type Bend = fn(&mut [u8; 64]);
    let bends: [Bend; 4] =
        [|data| data[32..].fill(0), |data| data[..32].fill(0), |data| data[63] ^= 1, |data| data.rotate_right(1)];
    for bend in bends {
        let mut machine = Machine::new();
        let evidence = machine.evidence(bend);
        assert_eq!(machine.appraise(&evidence, None, LIVE).unwrap_err(), "evidence.binding");
    }
}

#[test]
fn a_report_is_of_one_statement_and_one_nonce() {
    let mut machine = Machine::new();
    let honest = machine.evidence(|_| {});
    let judge = |evidence: &Evidence, asked: Option<&Nonce>| machine.appraise(evidence, asked, LIVE).err();
    assert_eq!(judge(&honest, Some(&nonce())), None);
    let other = Nonce::new([0xef; 16]).unwrap();
    assert_eq!(judge(&honest, Some(&other)), Some("evidence.nonce"));
    let renamed = Evidence { nonce: Some(other.clone()), ..honest.clone() };
    assert_eq!(judge(&renamed, Some(&other)), Some("evidence.binding"));
    assert_eq!(judge(&Evidence { nonce: None, ..honest.clone() }, None), Some("evidence.binding"));
    let mut stolen = machine.statement.clone();
    stolen.keys.tls = Digest::of(b"another key");
    assert_eq!(
        judge(&Evidence { statement: stolen.encode().try_into().unwrap(), ..honest.clone() }, None),
        Some("evidence.binding")
    );
    let reversed: Vec<_> = honest.certificates.iter().rev().cloned().collect();
    let swapped = Evidence { certificates: reversed.try_into().unwrap(), ..honest.clone() };
    assert!(judge(&swapped, None).is_some_and(|code| code.starts_with("snp.chain")), "VEK, intermediate, root");
    let [vek, intermediate, _] = &honest.certificates[..] else { unreachable!() };
    let short =
        Evidence { certificates: vec![vek.clone(), intermediate.clone()].try_into().unwrap(), ..honest.clone() };
    assert_eq!(judge(&short, None), Some("snp.chain.length"));
}

#[test]
fn the_policy_rules_nodes_as_it_rules_guests() {
    assert_eq!(bent(|_| {}), "accepted");
    assert_eq!(bent(|machine| machine.forge.put(0x90, &[0x3f])), "measurement.unknown");
    assert_eq!(bent(|machine| machine.forge.put(0x30, &1u32.to_le_bytes())), "snp.vmpl");
    assert_eq!(bent(|machine| machine.forge.put(0x08, &0xa0000u64.to_le_bytes())), "snp.policy.debug");
    assert_eq!(bent(|machine| machine.forge.put(0x40, &0u64.to_le_bytes())), "snp.platform_info");
    assert_eq!(bent(|machine| machine.rules = "crl = true"), "snp.crl.stale");
    assert_eq!(
        bent(|machine| machine.statement.validity = Validity::new(NOW + 2 * CLOCK_SKEW, NOW + 24 * 3600).unwrap()),
        "statement.time_window"
    );
    let ended = |machine: &mut Machine| {
        machine.statement.validity = Validity::new(NOW - 3 * CLOCK_SKEW, NOW - 2 * CLOCK_SKEW).unwrap();
    };
    assert_eq!(bent(ended), "statement.time_window");
    assert_eq!(bent(|machine| machine.statement.platform = Platform::Nitro), "platform.not_allowed");
}
