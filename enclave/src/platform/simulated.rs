//! Simulated platform: documents of Nitro's layout, signed under a root made for the run. They prove nothing.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use coset::{CborSerializable, CoseSign1Builder, HeaderBuilder, iana};
use p384::ecdsa::signature::Signer;
use p384::ecdsa::{Signature, SigningKey};
use p384::pkcs8::EncodePrivateKey;
use quoth_attestation::Digest;
use quoth_attestation::binding::Nonce;
use quoth_attestation::cbor::{self, Value};
use quoth_attestation::measurement::{Pcr, pcr};
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Clock, Platform as Name};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
    date_time_ymd,
};

use super::quote::{Platform, Quote};
use crate::config::Config;
use crate::keys::random;
use crate::{EnclaveError, clock};

/// A leaf certificate's life, as on Nitro.
const LEAF_LIFE: Duration = Duration::from_secs(3 * 60 * 60);
/// A leaf is replaced at half its life.
const LEAF_USE: Duration = Duration::from_secs(90 * 60);

/// A stand-in for the Nitro Security Module.
pub(super) struct Simulated {
    module_id: String,
    pcrs: [Pcr; 3],
    receipt_key: [u8; 32],
    issuer: Issuer<'static, KeyPair>,
    root: Vec<u8>,
    leaf: Mutex<Leaf>,
}

struct Leaf {
    key: SigningKey,
    certificate: Vec<u8>,
    made: SystemTime,
}

impl Simulated {
    /// Measures program and configuration and makes a root.
    pub(super) fn start(config: &Config, instance: [u8; 16], receipt_key: [u8; 32]) -> Result<Self, EnclaveError> {
        let program = fs::read("/proc/self/exe").map_err(EnclaveError::io("measure the program"))?;
        let pcrs = [pcr(&[&program, &config.bytes]), pcr(&[&program]), pcr(&[&config.bytes])];
        drop(program);
        let module_id = format!("i-simulated-enc{}", hex::encode(instance));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).map_err(EnclaveError::make("root key"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "quoth simulated root");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2056, 1, 1);
        let root = params.self_signed(&key).map_err(EnclaveError::make("root certificate"))?.der().to_vec();
        let issuer = Issuer::new(params, key);
        let leaf = Mutex::new(make_leaf(&issuer, &module_id)?);
        Ok(Self { module_id, pcrs, receipt_key, issuer, root, leaf })
    }
}

impl Platform for Simulated {
    fn name(&self) -> Name {
        Name::Simulated
    }

    fn clock(&self) -> Clock {
        Clock::Host
    }

    fn level(&self) -> Level {
        Level::Tee
    }

    fn quote(&self, binding: &[u8; 64], nonce: Option<&Nonce>) -> Result<Quote, EnclaveError> {
        let mut leaf = self.leaf.lock().unwrap_or_else(PoisonError::into_inner);
        if !leaf.made.elapsed().is_ok_and(|age| age <= LEAF_USE) {
            *leaf = make_leaf(&self.issuer, &self.module_id)?;
        }
        let pcrs = (0u8..).zip(&self.pcrs).map(|(index, value)| (Value::from(index), value.into())).collect();
        let payload = Value::Map(vec![
            ("module_id".into(), self.module_id.as_str().into()),
            ("digest".into(), "SHA384".into()),
            ("timestamp".into(), clock::millis().into()),
            ("pcrs".into(), Value::Map(pcrs)),
            ("certificate".into(), (&leaf.certificate).into()),
            ("cabundle".into(), Value::Array(vec![(&self.root).into()])),
            ("public_key".into(), (&self.receipt_key).into()),
            ("user_data".into(), binding.into()),
            ("nonce".into(), nonce.map_or(Value::Null, |nonce| nonce.as_bytes().into())),
        ]);
        let sign1 = CoseSign1Builder::new()
            .protected(HeaderBuilder::new().algorithm(iana::Algorithm::ES384).build())
            .payload(cbor::encode(&payload))
            .create_signature(&[], |message| {
                let signature: Signature = leaf.key.sign(message);
                signature.to_bytes().to_vec()
            })
            .build();
        Ok(sign1.to_vec().map_err(EnclaveError::make("document"))?.into())
    }

    fn simulated_root(&self) -> Option<Digest> {
        Some(Digest::of(&self.root))
    }
}

fn make_leaf(issuer: &Issuer<'_, KeyPair>, module_id: &str) -> Result<Leaf, EnclaveError> {
    let key = loop {
        // A scalar out of range is drawn again.
        if let Ok(key) = SigningKey::from_slice(&random::<48>()?) {
            break key;
        }
    };
    let pkcs8 = p384::SecretKey::from(&key).to_pkcs8_der().map_err(EnclaveError::make("leaf key"))?;
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.as_bytes().to_vec().into(), &PKCS_ECDSA_P384_SHA384)
        .map_err(EnclaveError::make("leaf key"))?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, module_id);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let now = std::time::SystemTime::now();
    params.not_before = now.into();
    params.not_after = (now + LEAF_LIFE).into();
    let certificate = params.signed_by(&pair, issuer).map_err(EnclaveError::make("leaf certificate"))?;
    Ok(Leaf { key, certificate: certificate.der().to_vec(), made: SystemTime::now() })
}
