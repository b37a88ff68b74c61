//! The part `verify`: compares the appraisal of hardware evidence with bare signature checks of the same library, and with
//! other published verifiers.

mod peer;

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_SHA384, UnparsedPublicKey,
};
use quoth_verifier::{HardwareEvidence, Policy, Verifier};

use crate::machine;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::Series;
use peer::Peer;

/// Number of appraisals in a block, and of blocks in a measurement. Blocks alternate with the peer's, so that a change of the
/// processor's speed affects both.
const TIMES: u32 = 40;
const GOES: usize = 12;
/// Lengths of the signed parts of a document, bytes: four certificates and the payload.
const NITRO_LENGTHS: [usize; 5] = [500, 520, 540, 500, 4400];
/// Lengths of the signed parts of a report and of its certificates, bytes.
const REPORT_LENGTHS: [usize; 1] = [672];
const CERTIFICATE_LENGTHS: [usize; 2] = [1250, 750];
const NITRO: &str = "nitro/opengradient-og-evm-2026-02-12-65ce3118.cbor";
const REPORT: &str = "snp/genoa-v5-vcek-lunal-dev-attestation-rs-8fd94192.bin";
const NITRO_PEER: &str = "attestation-doc-validation 0.10.1";
const SNP_PEER: &str = "sev 8.0.0, crypto_nossl";
const CERTIFICATES: [&str; 3] = ["snp/vek/sev-vcek-genoa-a267ef49.der", "snp/ca/sev-genoa.der", "snp/ca/ark-genoa.der"];

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let folder = env::var_os("QUOTH_VECTORS").map_or_else(|| "../shared/vectors".into(), PathBuf::from);
    if ![NITRO, REPORT].iter().all(|name| folder.join(name).is_file()) {
        eprintln!("verify: left out, {} lacks {NITRO} or {REPORT}; set QUOTH_VECTORS", folder.display());
        return Vec::new();
    }
    let policy = Policy::hardware_only();
    let new = || Verifier::new(policy.clone());
    let verifier = new();
    let appraise = |verifier: &Verifier, (evidence, at): &(HardwareEvidence, u64)| {
        assert_eq!(verifier.verify_hardware(evidence, *at).genuine(), Ok(()));
    };
    let cold = |evidence: &_| appraise(&new(), evidence);
    let cold_on_two = |evidence: &_| appraise(&new().concurrent(), evidence);
    let warm = |evidence: &_| appraise(&verifier, evidence);
    let path = |name: &str| folder.join(name);
    let read = |name: &str| fs::read(path(name)).unwrap();
    let nitro = HardwareEvidence::Nitro { document: read(NITRO) };
    let snp = HardwareEvidence::SevSnp {
        report: read(REPORT),
        certificates: CERTIFICATES.map(read).into(),
        crls: Vec::new(),
    };
    let nitro = (nitro, verify_at(&folder, NITRO));
    let snp = (snp, verify_at(&folder, REPORT));
    let nitro_signatures = NITRO_LENGTHS.map(Bare::p384);
    let report_signature = REPORT_LENGTHS.map(Bare::p384);
    let snp_signatures = CERTIFICATE_LENGTHS.map(Bare::rsa);
    let hold = |signatures: &[Bare]| signatures.iter().for_each(Bare::check);
    let program = plan.verify_peers.as_ref().expect("verify needs --verify-peers");
    let mut nitro_peer = Peer::nitro(program, &path(NITRO), nitro.1);
    let mut snp_peer = Peer::snp(program, &path(REPORT), &CERTIFICATES.map(path));

    let mut pairs: [(Series, Series); 8] = Default::default();
    for round in 1..=plan.rounds {
        eprintln!("verify: turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        let snp_cold = || {
            hold(&report_signature);
            hold(&snp_signatures);
        };
        measure_pair(&mut pairs[0], || micros(|| cold(&nitro)), || micros(|| hold(&nitro_signatures)));
        measure_pair(&mut pairs[1], || micros(|| warm(&nitro)), || micros(|| hold(&nitro_signatures[4..])));
        measure_pair(&mut pairs[2], || micros(|| cold(&snp)), || micros(snp_cold));
        measure_pair(&mut pairs[3], || micros(|| warm(&snp)), || micros(|| hold(&report_signature)));
        measure_pair(&mut pairs[4], || micros(|| cold(&nitro)), || nitro_peer.micros(TIMES));
        measure_pair(&mut pairs[5], || micros(|| cold_on_two(&nitro)), || nitro_peer.micros(TIMES));
        measure_pair(&mut pairs[6], || micros(|| cold(&snp)), || snp_peer.micros(TIMES));
        measure_pair(&mut pairs[7], || micros(|| cold_on_two(&snp)), || snp_peer.micros(TIMES));
    }
    let whats = [
        ("a Nitro document, chain and all", "5 P-384 checks", Goal::AtMost(1.05)),
        ("a Nitro document, its chain seen before", "1 P-384 check", Goal::AtMost(1.15)),
        ("an SEV-SNP report, chain and all", "1 P-384 and 2 RSA-4096 checks", Goal::AtMost(1.05)),
        ("an SEV-SNP report, its chain seen before", "1 P-384 check", Goal::AtMost(1.15)),
        ("a Nitro document: the peer's time over Quoth's", NITRO_PEER, Goal::None),
        ("the same, Quoth on two threads, the peer on one", NITRO_PEER, Goal::AtLeast(4.0)),
        ("an SEV-SNP report: the peer's time over Quoth's", SNP_PEER, Goal::None),
        ("the same, Quoth on two threads, the peer on one", SNP_PEER, Goal::AtLeast(9.0)),
    ];
    let row = |((what, peer, goal), (ours, theirs)): ((&str, &str, Goal), &(Series, Series))| Row {
        what: what.into(),
        ours: format!("{:.0} µs", ours.median()),
        peer: format!("{peer}: {:.0} µs", theirs.median()),
        value: if matches!(goal, Goal::AtMost(_)) { ours.over(theirs) } else { theirs.over(ours) },
        goal,
    };
    whats.into_iter().zip(&pairs).map(row).collect()
}

/// Returns the time at which a piece of evidence is valid, by the manifest.
fn verify_at(folder: &Path, name: &str) -> u64 {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("MANIFEST.json")).unwrap()).unwrap();
    let vectors = manifest["vectors"].as_array().unwrap();
    vectors.iter().find(|vector| vector["name"] == name).unwrap()["verify_at"].as_u64().unwrap()
}

/// Measures both sides. Each returns the microseconds of one appraisal.
fn measure_pair((ours, peer): &mut (Series, Series), mut our: impl FnMut() -> f64, mut their: impl FnMut() -> f64) {
    let (mut our_time, mut their_time) = (0.0, 0.0);
    for _ in 0..GOES {
        our_time += our();
        their_time += their();
    }
    ours.push(our_time / GOES as f64);
    peer.push(their_time / GOES as f64);
}

fn micros(work: impl Fn()) -> f64 {
    let start = Instant::now();
    (0..TIMES).for_each(|_| work());
    start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}

/// A valid signature without certificates.
struct Bare {
    message: Vec<u8>,
    key: UnparsedPublicKey<Vec<u8>>,
    signature: Vec<u8>,
}

impl Bare {
    fn p384(length: usize) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let message = vec![7; length];
        let signature = key.sign(&SystemRandom::new(), &message).unwrap().as_ref().into();
        let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key.public_key().as_ref().into());
        Self { message, key, signature }
    }

    fn rsa(length: usize) -> Self {
        let key = RsaKey::generate(KeySize::Rsa4096).unwrap();
        let (message, mut signature) = (vec![7; length], vec![0; key.public_modulus_len()]);
        key.sign(&RSA_PSS_SHA384, &SystemRandom::new(), &message, &mut signature).unwrap();
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, key.public_key().as_ref().into());
        Self { message, key, signature }
    }

    fn check(&self) {
        self.key.verify(&self.message, &self.signature).unwrap();
    }
}
