//! Forges whole AMD-like evidence: report, certificates, revocation list. Tests can change each part before it is signed.

extern crate std;

use alloc::vec;
use alloc::vec::Vec;
use std::sync::{Mutex, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PSS_SHA384, RsaEncoding};
use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{Signature, SigningKey as P384Key};
use quoth_attestation::Digest;

use super::super::{Attested, Family, SnpRefusal, SnpRules, verify};
use crate::checks::Checks;
use crate::signatures::tests::every_way;
use crate::x509::Validity;
pub(super) use crate::x509::forge::{der, extension, hexed, p384_info, rsa_info, time};

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const NOT_BEFORE: &str = "20240101000000Z";
pub(super) const NOT_AFTER: &str = "20400101000000Z";
/// RSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes.
pub(super) const PSS: &str = "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086\
                   480165030402020500a203020130";
/// The same with a salt of 32.
pub(super) const PSS_SALT: &str = "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d0609608\
                        6480165030402020500a203020120";
/// The same with MGF1 over SHA-256.
pub(super) const PSS_MGF: &str = "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086\
                       480165030402010500a203020130";
/// Without parameters.
pub(super) const PSS_BARE: &str = "300b06092a864886f70d01010a";
/// sha384WithRSAEncryption.
pub(super) const PKCS1: &str = "300d06092a864886f70d01010c0500";

/// Keys take seconds to generate, so all tests share one set.
pub(super) struct Keys {
    pub(super) root: RsaKey,
    pub(super) intermediate: RsaKey,
    pub(super) short: RsaKey,
    pub(super) vek: P384Key,
}

pub(super) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        root: RsaKey::generate(KeySize::Rsa4096).unwrap(),
        intermediate: RsaKey::generate(KeySize::Rsa4096).unwrap(),
        short: RsaKey::generate(KeySize::Rsa2048).unwrap(),
        vek: P384Key::from_slice(&[7; 48]).unwrap(),
    })
}

/// Roots that tests generated, with their families.
pub(super) static ROOTS: Mutex<Vec<(Digest, Family)>> = Mutex::new(Vec::new());

pub(super) fn roots(digest: &Digest) -> Option<Family> {
    let roots = ROOTS.lock().unwrap();
    roots.iter().find(|(root, _)| root == digest).map(|(_, family)| *family)
}

pub(super) fn name(common: &str) -> Vec<u8> {
    let attribute = der(0x30, &[&hexed("0603550403"), &der(0x0c, &[common.as_bytes()])]);
    der(0x30, &[&der(0x31, &[&attribute])])
}

/// An extension under AMD's arc, 1.3.6.1.4.1.3704.1.
pub(super) fn amd(below: &[u8], value: &[u8]) -> Vec<u8> {
    let oid = der(0x06, &[&hexed("2b060104019c7801"), below]);
    der(0x30, &[&oid, &der(0x04, &[value])])
}

pub(super) fn number(value: u8) -> Vec<u8> {
    match value {
        0x80.. => der(0x02, &[&[0, value]]),
        _ => der(0x02, &[&[value]]),
    }
}

pub(super) fn sign(key: &RsaKey, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

/// The parts of a certificate.
#[derive(Clone)]
pub(super) struct Sheet {
    pub(super) subject: &'static str,
    pub(super) issuer: &'static str,
    pub(super) serial: Vec<u8>,
    pub(super) not_before: &'static str,
    pub(super) not_after: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) info: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
}

impl Sheet {
    pub(super) fn der(&self, issuer: &RsaKey) -> Vec<u8> {
        let algorithm = hexed(self.algorithm);
        let validity = der(0x30, &[&time(self.not_before), &time(self.not_after)]);
        let extensions = der(0xa3, &[&der(0x30, &[&self.extensions.concat()])]);
        let body = der(
            0x30,
            &[
                &hexed("a003020102"),
                &der(0x02, &[&self.serial]),
                &algorithm,
                &name(self.issuer),
                &validity,
                &name(self.subject),
                &self.info,
                &extensions,
            ],
        );
        let encoding: &'static dyn RsaEncoding =
            if self.algorithm == PKCS1 { &RSA_PKCS1_SHA384 } else { &RSA_PSS_SHA384 };
        let signature = sign(issuer, encoding, &body);
        der(0x30, &[&body, &algorithm, &der(0x03, &[&[0], &signature])])
    }
}

/// The parts of a revocation list.
#[derive(Clone)]
pub(super) struct List {
    pub(super) issuer: &'static str,
    pub(super) revoked: Option<Vec<u8>>,
    pub(super) this_update: &'static str,
    pub(super) next_update: &'static str,
    pub(super) by_root: bool,
}

impl List {
    pub(super) fn der(&self) -> Vec<u8> {
        let algorithm = hexed(PSS);
        let entry = |serial: &Vec<u8>| der(0x30, &[&der(0x30, &[&der(0x02, &[serial]), &time(NOT_BEFORE)])]);
        let body = der(
            0x30,
            &[
                &number(1),
                &algorithm,
                &name(self.issuer),
                &time(self.this_update),
                &time(self.next_update),
                &self.revoked.as_ref().map(entry).unwrap_or_default(),
            ],
        );
        let key = if self.by_root { &keys().root } else { &keys().intermediate };
        let signature = sign(key, &RSA_PSS_SHA384, &body);
        der(0x30, &[&body, &algorithm, &der(0x03, &[&[0], &signature])])
    }
}

/// All parts of one piece of evidence; tests can change each before it is signed.
pub(super) struct Forge {
    pub(super) family: Family,
    pub(super) report: Vec<u8>,
    pub(super) vek: Sheet,
    pub(super) intermediate: Sheet,
    pub(super) root: Sheet,
    pub(super) vek_issuer: &'static RsaKey,
    pub(super) list: Option<List>,
    /// Number of certificates to omit, from the root on.
    pub(super) short: usize,
}

pub(super) const TCB: [u8; 8] = [4, 0, 0, 0, 0, 0, 24, 200];
pub(super) const TURIN_TCB: [u8; 8] = [1, 4, 0, 24, 0, 0, 0, 200];
pub(super) const CHIP: [u8; 64] = [0xc5; 64];

impl Forge {
    /// An honest Genoa machine that signs with its VCEK.
    pub(super) fn new() -> Self {
        Self::of(Family::Genoa, false)
    }

    pub(super) fn of(family: Family, vlek: bool) -> Self {
        let keys = keys();
        let turin = family == Family::Turin;
        let (root, intermediate, cloud) = match family {
            Family::Milan => ("ARK-Milan", "SEV-Milan", "SEV-VLEK-Milan"),
            Family::Genoa => ("ARK-Genoa", "SEV-Genoa", "SEV-VLEK-Genoa"),
            Family::Turin => ("ARK-Turin", "SEV-Turin", "SEV-VLEK-Turin"),
        };
        let intermediate = if vlek { cloud } else { intermediate };
        let authority = |path: &str| {
            vec![extension("0603551d13", true, &hexed(path)), extension("0603551d0f", true, &hexed("03020106"))]
        };
        let sheet = |subject, issuer, serial: &[u8], info, extensions| Sheet {
            subject,
            issuer,
            serial: serial.to_vec(),
            not_before: NOT_BEFORE,
            not_after: NOT_AFTER,
            algorithm: PSS,
            info,
            extensions,
        };
        let product = der(0x16, &[family.title().as_bytes()]);
        let mut own = vec![amd(&[1], &number(turin.into())), amd(&[2], &product)];
        let levels: &[(u8, u8)] = match turin {
            true => &[(9, 1), (1, 4), (2, 0), (3, 24), (5, 0), (6, 0), (7, 0), (8, 200)],
            false => &[(1, 4), (2, 0), (4, 0), (5, 0), (6, 0), (7, 0), (3, 24), (8, 200)],
        };
        own.extend(levels.iter().map(|(below, level)| amd(&[3, *below], &number(*level))));
        let chip = if turin { &CHIP[..8] } else { &CHIP[..] };
        own.push(if vlek { amd(&[5], b"\x16\x05cloud") } else { amd(&[4], chip) });
        Self {
            family,
            report: report(family, vlek),
            vek: sheet(if vlek { "SEV-VLEK" } else { "SEV-VCEK" }, intermediate, &[0], p384_info(&keys.vek), own),
            intermediate: sheet(
                intermediate,
                root,
                &[2, 0, 2],
                rsa_info(&keys.intermediate),
                authority("30060101ff020100"),
            ),
            root: sheet(root, root, &[2, 0, 0], rsa_info(&keys.root), authority("30030101ff")),
            vek_issuer: &keys.intermediate,
            list: None,
            short: 0,
        }
    }

    /// Replaces or removes one of AMD's extensions.
    pub(super) fn level(&mut self, below: &[u8], value: Option<Vec<u8>>) {
        let old = self.vek.extensions.iter().position(|extension| {
            let oid = der(0x06, &[&hexed("2b060104019c7801"), below]);
            extension.windows(oid.len()).any(|window| window == oid)
        });
        let old = old.expect("an extension to replace");
        match value {
            Some(value) => self.vek.extensions[old] = amd(below, &value),
            None => drop(self.vek.extensions.remove(old)),
        }
    }

    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.report[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Certificates and revocation lists. [`roots`] knows the root from now on.
    pub(super) fn endorsements(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let keys = keys();
        let root = self.root.der(&keys.root);
        ROOTS.lock().unwrap().push((Digest::of(&root), self.family));
        let mut certificates = vec![self.vek.der(self.vek_issuer), self.intermediate.der(&keys.root), root];
        certificates.truncate(certificates.len() - self.short);
        (certificates, self.list.iter().map(List::der).collect())
    }

    /// Judges the evidence, with the signatures checked in every way.
    pub(super) fn verify(&self) -> Result<Attested, SnpRefusal> {
        let (report, (certificates, lists)) = (self.signed(), self.endorsements());
        let [verdict, others @ ..] = every_way().map(|signatures| {
            verify(&report, &certificates, &lists, roots, Validity { at: NOW, skew: 0 }, &signatures)
        });
        others.into_iter().for_each(|other| assert_eq!(other.err(), verdict.as_ref().err().cloned()));
        verdict
    }

    pub(super) fn signed(&self) -> Vec<u8> {
        let mut report = self.report.clone();
        let signature: Signature = keys().vek.sign(&report[..0x2a0]);
        let (r, s) = signature.split_bytes();
        for (at, scalar) in [(0x2a0, r), (0x2a0 + 72, s)] {
            let little: Vec<u8> = scalar.iter().rev().copied().collect();
            report[at..at + 48].copy_from_slice(&little);
        }
        report
    }

    /// The code of the refusal, or `genuine`.
    pub(super) fn code(&self) -> &'static str {
        self.verify().map_or_else(|refusal| refusal.code(), |_| "genuine")
    }

    /// The code of the refusal under these rules, or `accepted`. The evidence must be genuine.
    pub(super) fn ruled(&self, rules: &SnpRules) -> &'static str {
        let found = self.verify().map_err(|refusal| refusal.code()).expect("a genuine report");
        let checked = rules.check(&found, Validity { at: NOW, skew: 0 }, &mut Checks::default());
        checked.map_or_else(|refusal| refusal.code(), |()| "accepted")
    }
}

/// A report that satisfies every rule, not yet signed.
pub(super) fn report(family: Family, vlek: bool) -> Vec<u8> {
    let mut report = vec![0; 1184];
    let mut put = |at: usize, bytes: &[u8]| report[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &3u32.to_le_bytes());
    put(0x08, &0x20000u64.to_le_bytes());
    put(0x34, &1u32.to_le_bytes());
    put(0x40, &0x20u64.to_le_bytes());
    put(0x48, &[if vlek { 4 } else { 0 }]);
    put(0x50, &[0xda; 64]);
    put(0x90, &[0x3e; 48]);
    let (tcb, cpuid) = match family {
        Family::Milan => (TCB, [0x19, 0x01, 1]),
        Family::Genoa => (TCB, [0x19, 0x11, 1]),
        Family::Turin => (TURIN_TCB, [0x1a, 0x02, 1]),
    };
    for at in [0x38, 0x180, 0x1e0, 0x1f0] {
        put(at, &tcb);
    }
    put(0x188, &cpuid);
    match (vlek, family) {
        (true, _) => {}
        (false, Family::Turin) => put(0x1a0, &CHIP[..8]),
        (false, _) => put(0x1a0, &CHIP),
    }
    report
}
