//! Attestation documents in the layout of Nitro's, signed under a root of the test's own.

use p384::ecdsa::Signature;
use quoth_attestation::Digest;
use quoth_attestation::cbor::{self, Value};
use quoth_attestation::measurement::{Pcr, pcr};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SigningKey as _, date_time_ymd,
};

pub fn pcrs() -> [Pcr; 3] {
    [pcr(&[b"binary", b"config"]), pcr(&[b"binary"]), pcr(&[b"config"])]
}

/// A root, and the leaf that signs documents.
pub struct Authority {
    pub root_key: KeyPair,
    pub root: CertificateParams,
    pub root_der: Vec<u8>,
    pub leaf_key: KeyPair,
}

/// A document that is not signed yet: payload fields in order, and what will stand around them.
#[derive(Clone)]
pub struct Document {
    pub module: String,
    pub fields: Vec<(Value<'static>, Value<'static>)>,
    pub protected: Vec<u8>,
    pub unprotected: Value<'static>,
    /// Replaces the leaf certificate.
    pub leaf: Option<Vec<u8>>,
    /// Replaces the bundle.
    pub bundle: Option<Vec<Vec<u8>>>,
}

impl Document {
    pub fn new(module: &str, timestamp: u64) -> Self {
        let registers = pcrs()
            .iter()
            .enumerate()
            .map(|(index, pcr)| (Value::from(index as u64), Value::Bytes(pcr.to_vec().into())))
            .collect();
        let fields = vec![
            (text("module_id"), text(module)),
            (text("digest"), text("SHA384")),
            (text("timestamp"), Value::from(timestamp)),
            (text("pcrs"), Value::Map(registers)),
            (text("certificate"), Value::Null),
            (text("cabundle"), Value::Null),
            (text("public_key"), Value::Null),
            (text("user_data"), Value::Null),
            (text("nonce"), Value::Null),
        ];
        let protected = cbor::encode(&Value::Map(vec![(Value::from(1), Value::from(-35))]));
        let unprotected = Value::Map(vec![]);
        Self { module: module.into(), fields, protected, unprotected, leaf: None, bundle: None }
    }

    pub fn set(&mut self, field: &str, bytes: &[u8]) {
        *self.field(field) = Value::Bytes(bytes.to_vec().into());
    }

    pub fn field(&mut self, field: &str) -> &mut Value<'static> {
        &mut self.fields.iter_mut().find(|(key, _)| *key == text(field)).unwrap().1
    }

    pub fn remove(&mut self, field: &str) {
        self.fields.retain(|(key, _)| *key != text(field));
    }
}

impl Authority {
    pub fn new() -> Self {
        let root_key = p384_key();
        let mut root = params("quoth simulated root");
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root_der = root.self_signed(&root_key).unwrap().der().to_vec();
        Self { root_key, root, root_der, leaf_key: p384_key() }
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.root_der)
    }

    /// What an honest leaf certificate says.
    pub fn leaf_params(module: &str) -> CertificateParams {
        let mut leaf = params(module);
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf
    }

    pub fn issue(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &Issuer::from_params(&self.root, &self.root_key)).unwrap()
    }

    /// The payload with certificates filled in.
    pub fn payload(&self, document: &Document) -> Vec<u8> {
        let mut document = document.clone();
        let leaf = document
            .leaf
            .take()
            .unwrap_or_else(|| self.issue(&Self::leaf_params(&document.module), &self.leaf_key).der().to_vec());
        let bundle = document.bundle.take().unwrap_or_else(|| vec![self.root_der.clone()]);
        for (key, value) in &mut document.fields {
            if *value == Value::Null && *key == text("certificate") {
                *value = Value::Bytes(leaf.clone().into());
            } else if *value == Value::Null && *key == text("cabundle") {
                *value = Value::Array(bundle.iter().map(|der| Value::Bytes(der.clone().into())).collect());
            }
        }
        cbor::encode(&Value::Map(document.fields))
    }

    pub fn sign(&self, document: Document) -> Vec<u8> {
        let payload = self.payload(&document);
        self.envelope(&document, payload, &self.leaf_key)
    }

    pub fn envelope(&self, document: &Document, payload: Vec<u8>, key: &KeyPair) -> Vec<u8> {
        let to_be_signed = cbor::encode(&Value::Array(vec![
            text("Signature1"),
            Value::Bytes(document.protected.clone().into()),
            Value::Bytes(vec![].into()),
            Value::Bytes(payload.clone().into()),
        ]));
        let der = key.sign(&to_be_signed).unwrap();
        let signature = Signature::from_der(&der).unwrap().to_bytes().to_vec();
        cbor::encode(&Value::Array(vec![
            Value::Bytes(document.protected.clone().into()),
            document.unprotected.clone(),
            Value::Bytes(payload.into()),
            Value::Bytes(signature.into()),
        ]))
    }
}

pub fn p384_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap()
}

/// A certificate valid through 2026 to 2028, around the tests' time.
pub fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2028, 1, 1);
    params
}

pub fn text(text: &str) -> Value<'static> {
    Value::Text(String::from(text).into())
}
