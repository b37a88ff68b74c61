//! Appraising hardware evidence, against nothing but the signatures that it cannot avoid, by the same library.

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

use crate::Plan;
use crate::machine;
use crate::page::{Goal, Row};
use crate::statistics::Series;

/// Appraisals of one measurement.
const TIMES: u32 = 400;
/// Bytes under the signatures: about those of a document's payload.
const MESSAGE: [u8; 4096] = [7; 4096];
const NITRO: &str = "nitro/opengradient-og-evm-2026-02-12-65ce3118.cbor";
const REPORT: &str = "snp/genoa-v5-vcek-lunal-dev-attestation-rs-8fd94192.bin";
const CERTIFICATES: [&str; 3] = ["snp/vek/sev-vcek-genoa-a267ef49.der", "snp/ca/sev-genoa.der", "snp/ca/ark-genoa.der"];

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let folder = env::var_os("QUOTH_VECTORS").map_or_else(|| "../shared/vectors".into(), PathBuf::from);
    if !folder.is_dir() {
        eprintln!("verify: left out, no captured evidence at {}; set QUOTH_VECTORS", folder.display());
        return Vec::new();
    }
    let verifier = Verifier::new(Policy::hardware_only());
    let appraise = |evidence: &HardwareEvidence, at: u64| assert_eq!(verifier.hardware(evidence, at).genuine, Ok(()));
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let nitro = HardwareEvidence::Nitro { document: read(NITRO) };
    let snp = HardwareEvidence::SevSnp {
        report: read(REPORT),
        certificates: CERTIFICATES.map(read).into(),
        crls: Vec::new(),
    };
    let bare = Bare::new();
    let times = [verify_at(&folder, NITRO), verify_at(&folder, REPORT)];

    let mut pairs: [(Series, Series); 2] = Default::default();
    for round in 1..=plan.rounds {
        eprintln!("verify: turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        pairs[0].0.push(micros(|| appraise(&nitro, times[0])));
        pairs[0].1.push(micros(|| (0..5).for_each(|_| bare.p384())));
        pairs[1].0.push(micros(|| appraise(&snp, times[1])));
        pairs[1].1.push(micros(|| {
            bare.p384();
            (0..2).for_each(|_| bare.rsa());
        }));
    }
    let whats = [
        ("a Nitro document, chain and all, cold", "5 P-384 checks"),
        ("an SEV-SNP report, chain and all, cold", "1 P-384 and 2 RSA-4096 checks"),
    ];
    let row = |((what, peer), (ours, bare)): ((&str, &str), &(Series, Series))| Row {
        what: what.into(),
        ours: format!("{:.0} µs", ours.median()),
        peer: format!("{peer}: {:.0} µs", bare.median()),
        value: ours.over(bare),
        goal: Goal::AtMost(1.05),
    };
    whats.into_iter().zip(&pairs).map(row).collect()
}

/// When the manifest says that a piece of evidence verifies.
fn verify_at(folder: &Path, name: &str) -> u64 {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("MANIFEST.json")).unwrap()).unwrap();
    let vectors = manifest["vectors"].as_array().unwrap();
    vectors.iter().find(|vector| vector["name"] == name).unwrap()["verify_at"].as_u64().unwrap()
}

fn micros(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..TIMES).for_each(|_| work());
    start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}

/// Signatures that verify, and nothing around them.
struct Bare {
    p384: UnparsedPublicKey<Vec<u8>>,
    p384_signature: Vec<u8>,
    rsa: UnparsedPublicKey<Vec<u8>>,
    rsa_signature: Vec<u8>,
}

impl Bare {
    fn new() -> Self {
        let random = SystemRandom::new();
        let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let rsa = RsaKey::generate(KeySize::Rsa4096).unwrap();
        let mut rsa_signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PSS_SHA384, &random, &MESSAGE, &mut rsa_signature).unwrap();
        Self {
            p384_signature: p384.sign(&random, &MESSAGE).unwrap().as_ref().into(),
            p384: UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, p384.public_key().as_ref().into()),
            rsa: UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, rsa.public_key().as_ref().into()),
            rsa_signature,
        }
    }

    fn p384(&self) {
        self.p384.verify(&MESSAGE, &self.p384_signature).unwrap();
    }

    fn rsa(&self) {
        self.rsa.verify(&MESSAGE, &self.rsa_signature).unwrap();
    }
}
