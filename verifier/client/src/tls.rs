//! TLS that identifies the peer by its key and not by a name. It uses no certificate authority.

use std::sync::Arc;

use quoth_attestation::Digest;
use quoth_verifier::VerifiedNode;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme, version,
};

/// A TLS configuration that accepts only the key that `node`'s evidence attests, in any certificate:
/// TLS 1.3 only, no resumption, no early data, HTTP/1.1.
///
/// For HTTP libraries that take a rustls configuration but no connector. It pins one *instance*: behind a load balancer,
/// or after the node restarts, handshakes fail and the node must be appraised again.
pub fn tls_config_pinned(node: &VerifiedNode) -> ClientConfig {
    config(Some(node.tls_key()))
}

/// The configuration for a connection whose key is appraised directly after its handshake.
pub(crate) fn config_unappraised() -> Arc<ClientConfig> {
    Arc::new(config(None))
}

/// SHA-256 of the SubjectPublicKeyInfo (RFC 5280 §4.1) of a certificate, DER.
pub(crate) fn spki_digest(certificate: &CertificateDer<'_>) -> Result<Digest, Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(Digest::of(&parsed.subject_public_key_info()))
}

fn config(pin: Option<Digest>) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(KeyVerifier { pin, provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        // safe: the default provider has TLS 1.3 cipher suites
        .expect("the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// Checks that the peer holds the private key of its certificate, and that this key is the pinned one.
/// Without a pin, the caller compares the key with the evidence after the handshake. Only the request for evidence is sent
/// before that.
#[derive(Debug)]
struct KeyVerifier {
    pin: Option<Digest>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = spki_digest(end_entity)?;
        match self.pin {
            Some(pin) if pin != found => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
