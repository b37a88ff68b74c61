//! The server side of TLS: a key made at boot, whose digest stands in the statement.

use std::sync::Arc;

use quoth_attestation::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;

use crate::{EnclaveError, limits};

/// The name of HTTP/2 over TLS (RFC 9113 §3.2). Without it, a client speaks HTTP/1.1.
pub(crate) const HTTP2: &[u8] = b"h2";

/// What the server needs, and what others may know about it.
pub struct Tls {
    /// TLS 1.3 only, no resumption, no early data.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate's SubjectPublicKeyInfo.
    pub spki: Digest,
    /// The issuing certificate, for clients that verify nothing but names.
    pub ca_pem: String,
}

/// Makes a certificate authority and one certificate for `names`, then drops the authority's key.
pub fn make(names: &[String]) -> Result<Tls, EnclaveError> {
    let failed = EnclaveError::make::<rcgen::Error>;
    let validity = |params: &mut CertificateParams| {
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(crate::clock::seconds());
        // A client's clock may be behind.
        params.not_before = (now - std::time::Duration::from_secs(3600)).into();
        params.not_after = (now + limits::STATEMENT_LIFE).into();
    };

    let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed("TLS authority key"))?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "quoth node authority of one boot");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut ca);
    let ca_certificate = ca.self_signed(&ca_key).map_err(failed("TLS authority certificate"))?;

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed("TLS key"))?;
    let mut leaf = CertificateParams::new(names.to_vec()).map_err(|_| EnclaveError::Config("bad tls_names".into()))?;
    leaf.distinguished_name.push(DnType::CommonName, "quoth node");
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    validity(&mut leaf);
    let certificate = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).map_err(failed("TLS certificate"))?;

    let spki = Digest::of(&key.subject_public_key_info());
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone(), ca_certificate.der().clone()];
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(EnclaveError::make("TLS configuration"))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(EnclaveError::make("TLS configuration"))?;
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Tls { config: Arc::new(config), spki, ca_pem: ca_certificate.pem() })
}
