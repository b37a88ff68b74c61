//! Whole nodes in forged enclaves: what a genuine document must also bind and measure.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::statement::{Clock, Keys, Model, Platform, Software, Statement, Validity};

use super::forge::*;
use crate::trust::Trust;
use crate::{CLOCK_SKEW, HardwareEvidence, Policy, Refusal, Time, VerifiedNode, Verifier};

const LIVE: Time = Time::Live { now: NOW };

fn nonce() -> Nonce {
    Nonce::new([0xee; 16]).unwrap()
}

fn statement() -> Statement {
    Statement {
        instance: [9; 16],
        platform: Platform::Nitro,
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
    }
}

/// An honest enclave's document for [`statement`] and [`nonce`]. Its parent has a role, and its image a signer.
fn enclave() -> Forge {
    let mut forge = Forge::new();
    let statement = statement();
    let mut registers = registers();
    for index in [3, 4, 8] {
        registers[index].1 = bytes(&[index as u8; 48]);
    }
    forge.set("pcrs", &map(&registers));
    forge.set("public_key", &bytes(&statement.keys.receipt));
    forge.set("user_data", &bytes(&node_binding(&Digest::of(&statement.encode()), Some(&nonce()))));
    forge.set("nonce", &bytes(nonce().as_bytes()));
    forge
}

/// A verifier that trusts this forge's root, with `pins` as `[nitro]`.
fn verifier(forge: &Forge, pins: &str) -> Verifier {
    let [pcr0, pcr1, pcr2] = ["a0", "a1", "a2"].map(|byte| byte.repeat(48));
    let policy = format!(
        "version = 1\nplatforms = [\"nitro\"]\n[models]\naccept = \"any\"\n[[image]]\nname = \"demo\"\n\
         pcr0 = \"{pcr0}\"\npcr1 = \"{pcr1}\"\npcr2 = \"{pcr2}\"\n[nitro]\n{pins}"
    );
    let trust = Trust { aws: [Digest::of(&forge.ders()[ROOT])].into(), ..Trust::default() };
    Verifier::trusting(Policy::from_toml(&policy).unwrap(), trust)
}

fn appraise(forge: &Forge, pins: &str, time: Time) -> Result<VerifiedNode, &'static str> {
    let (statement, quote) = (statement().encode(), forge.signed());
    let evidence = Evidence {
        statement: statement.try_into().unwrap(),
        quote: quote.try_into().unwrap(),
        nonce: Some(nonce()),
        certificates: Default::default(),
        crls: Default::default(),
    };
    verifier(forge, pins).verify_node(&evidence.encode(), Some(&nonce()), time).map_err(|refusal| refusal.code())
}

/// `accepted` or the code of the refusal, for a node whose document was changed before it was signed.
fn bent(bend: impl FnOnce(&mut Forge)) -> &'static str {
    let mut forge = enclave();
    bend(&mut forge);
    appraise(&forge, "", LIVE).map_or_else(|code| code, |_| "accepted")
}

fn pin(register: u64, value: u8) -> String {
    format!("pcr{register} = [\"{}\", \"{}\"]\n", "fe".repeat(48), hex::encode([value; 48]))
}

#[test]
fn an_honest_node_is_accepted_and_every_check_is_named() {
    let node = appraise(&enclave(), &[pin(3, 3), pin(4, 4), pin(8, 8)].concat(), LIVE).unwrap();
    assert_eq!((node.platform(), node.image()), (Platform::Nitro, Some("demo")));
    let codes: Vec<_> = node.checks().iter().map(|check| check.code).collect();
    for code in [
        "nitro.chain.root",
        "nitro.chain.validity",
        "nitro.chain.module",
        "nitro.cose.signature",
        "evidence.nonce",
        "evidence.binding",
        "evidence.public_key",
        "measurement.debug",
        "measurement.unknown",
        "measurement.pin",
    ] {
        assert!(codes.contains(&code), "{code}");
    }
    assert_eq!(codes.iter().filter(|code| **code == "measurement.pin").count(), 3);
    // Long after its certificates expired, at the time that the hypervisor signed.
    let archived = appraise(&enclave(), "", Time::Archived { at: NOW + 12 * 3600 }).unwrap();
    assert_eq!(archived.time_basis(), "the time that the Nitro hypervisor signed into the document");
}

#[test]
fn a_document_binds_this_statement_key_and_nonce() {
    assert_eq!(bent(|_| {}), "accepted");
    assert_eq!(bent(|forge| forge.set("user_data", NULL)), "evidence.binding");
    assert_eq!(bent(|forge| forge.set("user_data", &bytes(&[7; 64]))), "evidence.binding");
    assert_eq!(bent(|forge| forge.set("public_key", &bytes(&[7; 32]))), "evidence.public_key");
    assert_eq!(bent(|forge| forge.set("nonce", NULL)), "evidence.nonce");
    assert_eq!(bent(|forge| forge.chain[LEAF].signer += OTHERS), "nitro.chain.signature");
    let early = NOW - 60 - CLOCK_SKEW;
    assert_eq!(bent(|forge| forge.set("timestamp", &uint(early * 1000))), "accepted");
    assert_eq!(bent(|forge| forge.set("timestamp", &uint(early * 1000 - 1))), "statement.time_window");
}

#[test]
fn registers_of_signer_and_instance_are_pinned() {
    let judge = |pins: &str| appraise(&enclave(), pins, LIVE).map_or_else(|code| code, |_| "accepted");
    for register in [3, 4, 8] {
        assert_eq!(judge(&pin(register, register as u8)), "accepted");
        assert_eq!(judge(&pin(register, 0xfd)), "measurement.pin");
    }
    // Registers that the document omits are zero, and a policy cannot pin zero.
    let mut without = enclave();
    without.set("pcrs", &map(&registers()[..3]));
    assert_eq!(appraise(&without, "", LIVE).err(), None);
    assert_eq!(appraise(&without, &pin(8, 8), LIVE).err(), Some("measurement.pin"));
    // The same without a statement.
    let forge = enclave();
    let document = HardwareEvidence::Nitro { document: forge.signed() };
    let accepted = |pins: &str| {
        let verdict = verifier(&forge, pins).verify_hardware(&document, NOW);
        assert_eq!(verdict.genuine(), Ok(()));
        verdict.accepted().map(String::from).map_err(Refusal::code)
    };
    assert_eq!(accepted(&pin(8, 8)), Ok("demo".into()));
    assert_eq!(accepted(&pin(8, 9)), Err("measurement.pin"));
}
