//! Forges whole AWS-like documents, with certificates from root to leaf. Tests can change each part before it is
//! signed.

extern crate std;

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA384;
use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::signature::hazmat::PrehashSigner as _;
use p384::ecdsa::{Signature, SigningKey};
use quoth_attestation::Digest;

use super::super::{Anchor, Attested, Document, Naming};
use crate::Refusal;
use crate::signatures::Signatures;
use crate::signatures::tests::every_way;
use crate::x509::Validity;
pub(super) use crate::x509::forge::{der, extension, hexed, p384_info, rsa_info, time};

/// 2027-01-15 08:00:00 UTC.
pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const MODULE: &str = "i-0123456789abcdef0-enc0123456789abcdef";
/// ecdsa-with-SHA384.
pub(super) const ECDSA: &str = "300a06082a8648ce3d040303";
/// ecdsa-with-SHA256.
pub(super) const ECDSA_SHA256: &str = "300a06082a8648ce3d040302";
/// sha384WithRSAEncryption.
pub(super) const PKCS1: &str = "300d06092a864886f70d01010c0500";
/// {1: -35}.
pub(super) const PROTECTED: &str = "a1013822";
pub(super) const NULL: &[u8] = &[0xf6];
/// Positions of certificates in a chain.
pub(super) const ROOT: usize = 0;
pub(super) const REGION: usize = 1;
pub(super) const ZONE: usize = 2;
pub(super) const INSTANCE: usize = 3;
pub(super) const LEAF: usize = 4;
/// Added to the numbers of keys, this gives another party's keys.
pub(super) const OTHERS: u8 = 0x10;

pub(super) fn key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 48]).unwrap()
}

/// Generated once, for the tests that use it.
pub(super) fn rsa_key() -> &'static RsaKey {
    static KEY: LazyLock<RsaKey> = LazyLock::new(|| RsaKey::generate(KeySize::Rsa2048).unwrap());
    &KEY
}

/// The head of a CBOR item, in its shortest form.
pub(super) fn head(major: u8, value: u64) -> Vec<u8> {
    let (info, width) = match value {
        0..24 => return vec![major << 5 | value as u8],
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    [&[major << 5 | info], &value.to_be_bytes()[8 - width..]].concat()
}

pub(super) fn uint(value: u64) -> Vec<u8> {
    head(0, value)
}

pub(super) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&head(2, bytes.len() as u64), bytes].concat()
}

pub(super) fn text(text: &str) -> Vec<u8> {
    [&head(3, text.len() as u64), text.as_bytes()].concat()
}

pub(super) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

pub(super) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = entries.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect();
    [head(5, entries.len() as u64), items].concat()
}

/// The same item with a head of the next longer form.
pub(super) fn wide(item: &[u8]) -> Vec<u8> {
    let (major, info) = (item[0] & 0xe0, item[0] & 0x1f);
    let (info, zeros, kept): (_, &[u8], _) = match info {
        0..24 => (24, &[], &[info][..]),
        24 => (25, &[0], &[][..]),
        25 => (26, &[0, 0], &[][..]),
        _ => (27, &[0; 4], &[][..]),
    };
    [&[major | info], zeros, kept, &item[1..]].concat()
}

/// The same array, map or string (as one chunk), with indefinite length.
pub(super) fn open(item: &[u8]) -> Vec<u8> {
    let major = item[0] >> 5;
    let content = if major < 4 { item } else { &item[1..] };
    [&[major << 5 | 31], content, &[0xff]].concat()
}

/// Sixteen registers; all but the first three are zero.
pub(super) fn registers() -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..16).map(|index| (uint(index), bytes(&[if index < 3 { 0xa0 | index as u8 } else { 0 }; 48]))).collect()
}

/// An attribute under 2.5.4, alone at its level of a name.
pub(super) fn attribute(number: u8, tag: u8, value: &str) -> Vec<u8> {
    der(0x31, &[&der(0x30, &[&der(0x06, &[&[0x55, 4, number]]), &der(tag, &[value.as_bytes()])])])
}

/// A name whose attributes are UTF8Strings, except for the country.
pub(super) fn name(attributes: &[(u8, &str)]) -> Vec<u8> {
    let tag = |number| if number == 6 { 0x13 } else { 0x0c };
    let levels: Vec<u8> =
        attributes.iter().flat_map(|(number, value)| attribute(*number, tag(*number), value)).collect();
    der(0x30, &[&levels])
}

/// The names of the root and of regions.
pub(super) fn regional(common: &str) -> Vec<u8> {
    name(&[(6, "US"), (10, "Amazon"), (11, "AWS"), (3, common)])
}

/// The names of zones.
pub(super) fn zonal(common: &str) -> Vec<u8> {
    name(&[(3, common), (11, "AWS"), (10, "Amazon"), (6, "US"), (8, "WA"), (7, "Seattle")])
}

/// The names of instances and enclaves.
pub(super) fn local(common: &str) -> Vec<u8> {
    name(&[(6, "US"), (8, "Washington"), (7, "Seattle"), (10, "Amazon"), (11, "AWS"), (3, common)])
}

pub(super) fn constraints(value: &str) -> Vec<u8> {
    extension("0603551d13", true, &hexed(value))
}

pub(super) fn usage(value: &str) -> Vec<u8> {
    extension("0603551d0f", true, &hexed(value))
}

/// An extension that the verifier does not know.
pub(super) fn unknown(critical: bool, length: usize) -> Vec<u8> {
    extension("06042a030405", critical, &vec![0; length])
}

/// The parts of a certificate. Its extensions start with constraints and usage.
#[derive(Clone)]
pub(super) struct Sheet {
    /// Hex, with its tag.
    pub(super) version: &'static str,
    pub(super) serial: Vec<u8>,
    pub(super) algorithm: &'static str,
    pub(super) issuer: Vec<u8>,
    pub(super) not_before: Vec<u8>,
    pub(super) not_after: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) info: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
    /// The number of the key that signs it.
    pub(super) signer: u8,
    /// Encodes the DER signature.
    pub(super) seal: fn(Vec<u8>) -> Vec<u8>,
}

impl Sheet {
    pub(super) fn der(&self) -> Vec<u8> {
        let algorithm = hexed(self.algorithm);
        let body = der(
            0x30,
            &[
                &hexed(self.version),
                &der(0x02, &[&self.serial]),
                &algorithm,
                &self.issuer,
                &der(0x30, &[&self.not_before, &self.not_after]),
                &self.subject,
                &self.info,
                &self.extended(),
            ],
        );
        let signature = (self.seal)(self.sign(&body));
        der(0x30, &[&body, &algorithm, &der(0x03, &[&[0], &signature])])
    }

    fn extended(&self) -> Vec<u8> {
        match self.extensions.is_empty() {
            true => Vec::new(),
            false => der(0xa3, &[&der(0x30, &[&self.extensions.concat()])]),
        }
    }

    /// Signs with the algorithm that it names.
    fn sign(&self, body: &[u8]) -> Vec<u8> {
        let signature: Signature = match self.algorithm {
            PKCS1 => {
                let mut signature = vec![0; rsa_key().public_modulus_len()];
                rsa_key().sign(&RSA_PKCS1_SHA384, &SystemRandom::new(), body, &mut signature).unwrap();
                return signature;
            }
            ECDSA_SHA256 => key(self.signer).sign_prehash(&Digest::of(body).0).unwrap(),
            _ => key(self.signer).sign(body),
        };
        signature.to_der().as_bytes().to_vec()
    }

    /// Makes it `length` bytes long with a meaningless extension.
    pub(super) fn pad(&mut self, length: usize) {
        let missing = length - self.der().len() - 24;
        // The length of a signature depends on the serial number.
        for (pad, serial) in (missing..missing + 24).flat_map(|pad| (1..20).map(move |serial| (pad, serial))) {
            let mut padded = self.clone();
            padded.serial = vec![serial; 16];
            padded.extensions.push(unknown(false, pad));
            if padded.der().len() == length {
                *self = padded;
                return;
            }
        }
        panic!("no certificate of {length} bytes");
    }
}

/// All parts of a document; tests can change each before it is signed.
#[derive(Clone)]
pub(super) struct Forge {
    /// From root to leaf.
    pub(super) chain: Vec<Sheet>,
    /// The payload's fields, encoded. An empty `certificate` or `cabundle` is filled in.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) protected: Vec<u8>,
    /// Encoded.
    pub(super) unprotected: Vec<u8>,
    /// The signature's context, and the external data that it covers.
    pub(super) context: (&'static str, &'static [u8]),
    /// The number of the key that signs.
    pub(super) signer: u8,
    pub(super) seal: fn(Signature) -> Vec<u8>,
    /// Judged at, Unix seconds.
    pub(super) at: u64,
}

impl Forge {
    pub(super) fn new() -> Self {
        Self::of(0)
    }

    /// The same names, with keys of other numbers.
    pub(super) fn of(keys: u8) -> Self {
        let names = [
            regional("aws.nitro-enclaves"),
            regional("fe565549cd9f790a.eu-west-1.aws.nitro-enclaves"),
            zonal("c0b4ac5172a0ea38.zonal.eu-west-1.aws.nitro-enclaves"),
            local("i-0123456789abcdef0.eu-west-1.aws.nitro-enclaves"),
            local("i-0123456789abcdef0-enc0123456789abcdef.eu-west-1.aws"),
        ];
        let own = |place: usize| keys + 1 + place as u8;
        let sheet = |place: usize, not_before: &str, not_after: &str, extensions: Vec<Vec<u8>>| {
            let above = place.saturating_sub(1);
            Sheet {
                version: "a003020102",
                serial: vec![own(place); 16],
                algorithm: ECDSA,
                issuer: names[above].clone(),
                not_before: time(not_before),
                not_after: time(not_after),
                subject: names[place].clone(),
                info: p384_info(&key(own(place))),
                extensions,
                signer: own(above),
                seal: |signature| signature,
            }
        };
        let authority = |place: usize, path: &str| {
            let identifier = der(0x04, &[&[own(place); 20]]);
            vec![constraints(path), usage("03020186"), extension("0603551d0e", false, &identifier)]
        };
        let instance = vec![constraints("30060101ff020100"), usage("03020204")];
        let leaf = vec![constraints("3000"), extension("0603551d0f", false, &hexed("030206c0"))];
        Self {
            chain: vec![
                sheet(ROOT, "20191028132805Z", "20491028142805Z", authority(ROOT, "30030101ff")),
                sheet(REGION, "20270105000000Z", "20270125000000Z", authority(REGION, "30060101ff020102")),
                sheet(ZONE, "20270112000000Z", "20270118000000Z", authority(ZONE, "30060101ff020101")),
                sheet(INSTANCE, "20270115000000Z", "20270116000000Z", instance),
                sheet(LEAF, "20270115070000Z", "20270115100000Z", leaf),
            ],
            fields: vec![
                (text("module_id"), text(MODULE)),
                (text("digest"), text("SHA384")),
                (text("timestamp"), uint(NOW * 1000)),
                (text("pcrs"), map(&registers())),
                (text("certificate"), vec![]),
                (text("cabundle"), vec![]),
                (text("public_key"), bytes(b"key")),
                (text("user_data"), bytes(b"data")),
                (text("nonce"), bytes(b"nonce")),
            ],
            protected: hexed(PROTECTED),
            unprotected: map(&[]),
            context: ("Signature1", b""),
            signer: own(LEAF),
            seal: |signature| signature.to_bytes().to_vec(),
            at: NOW,
        }
    }

    pub(super) fn set(&mut self, field: &str, value: &[u8]) {
        let field = self.fields.iter_mut().find(|(key, _)| *key == text(field));
        field.expect("a field to replace").1 = value.to_vec();
    }

    pub(super) fn remove(&mut self, field: &str) {
        self.fields.retain(|(key, _)| *key != text(field));
    }

    pub(super) fn add(&mut self, key: Vec<u8>, value: &[u8]) {
        self.fields.push((key, value.to_vec()));
    }

    /// Adds an authority between root and region, without a limit on the path below it.
    pub(super) fn lengthen(&mut self) {
        let number = 0x20 + self.chain.len() as u8;
        let mut more = self.chain[REGION].clone();
        more.extensions[0] = constraints("30030101ff");
        more.subject = regional(&format!("{number}.eu-west-1.aws.nitro-enclaves"));
        more.info = p384_info(&key(number));
        (self.chain[REGION].issuer, self.chain[REGION].signer) = (more.subject.clone(), number);
        self.chain.insert(REGION, more);
    }

    /// The certificates, from root to leaf.
    pub(super) fn ders(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(Sheet::der).collect()
    }

    pub(super) fn payload(&self, ders: &[Vec<u8>]) -> Vec<u8> {
        let fields = self.fields.iter().map(|(key, value)| (key.clone(), filled(key, value, ders)));
        map(&fields.collect::<Vec<_>>())
    }

    pub(super) fn value(&self, field: &str) -> Vec<u8> {
        let (key, value) = self.fields.iter().find(|(key, _)| *key == text(field)).expect("a field to copy");
        filled(key, value, &self.ders())
    }

    pub(super) fn envelope(&self, payload: &[u8], delivered: &[u8]) -> Vec<u8> {
        let (context, external) = self.context;
        let message = array(&[text(context), bytes(&self.protected), bytes(external), bytes(payload)]);
        let signature = (self.seal)(key(self.signer).sign(&message));
        array(&[bytes(&self.protected), self.unprotected.clone(), bytes(delivered), bytes(&signature)])
    }

    pub(super) fn signed(&self) -> Vec<u8> {
        let payload = self.payload(&self.ders());
        self.envelope(&payload, &payload)
    }

    /// Judges a document with its own root pinned: with an empty cache, and with a cache that holds the honest document's
    /// signatures. Checks the signatures in every way.
    pub(super) fn judge<'a>(&self, document: &'a [u8]) -> Result<Attested<'a>, Refusal> {
        static EXPERIENCED: LazyLock<[Signatures; 3]> = LazyLock::new(|| every_way().map(Forge::met));
        let verdict = self.verify(document, &Signatures::default());
        for signatures in every_way().iter().chain(EXPERIENCED.iter()) {
            assert_eq!(self.verify(document, signatures).err(), verdict.as_ref().err().cloned());
        }
        verdict
    }

    /// `signatures` after an honest document.
    pub(super) fn met(signatures: Signatures) -> Signatures {
        let forge = Self::new();
        forge.verify(&forge.signed(), &signatures).unwrap();
        signatures
    }

    pub(super) fn verify<'a>(&self, document: &'a [u8], signatures: &Signatures) -> Result<Attested<'a>, Refusal> {
        let roots = [Digest::of(&self.chain[ROOT].der())];
        let anchor = Anchor { roots: &roots, naming: Naming::Aws };
        Document::parse(document)?.verify(anchor, Validity { at: self.at, skew: 0 }, signatures)
    }

    /// The code of a document's refusal, or `genuine`.
    pub(super) fn code(&self, document: &[u8]) -> &'static str {
        self.judge(document).map_or_else(|refusal| refusal.code(), |_| "genuine")
    }
}

/// A field's value, with the certificates filled in if it is empty.
fn filled(key: &[u8], value: &[u8], ders: &[Vec<u8>]) -> Vec<u8> {
    let (leaf, bundle) = ders.split_last().expect("a leaf");
    match value.is_empty() {
        false => value.to_vec(),
        true if *key == text("certificate") => bytes(leaf),
        true => array(&bundle.iter().map(|der| bytes(der)).collect::<Vec<_>>()),
    }
}

/// The position of the certificate that a refusal names.
pub(super) fn place(refusal: &Refusal) -> Option<usize> {
    match refusal {
        Refusal::NitroChainCertificate { position, .. }
        | Refusal::NitroChainAlgorithm { position, .. }
        | Refusal::NitroChainSignature { position }
        | Refusal::NitroChainIssuer { position }
        | Refusal::NitroChainValidity { position, .. }
        | Refusal::NitroChainConstraints { position, .. } => Some(*position),
        _ => None,
    }
}
