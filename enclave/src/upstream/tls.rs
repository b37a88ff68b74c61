//! Authenticates providers: by the web's authorities or the configuration's own, the host's name, and pins.

use std::sync::Arc;

use quoth_attestation::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::EnclaveError;
use crate::clock::TlsClock;
use crate::config::Upstream;

/// The client's side of TLS for one provider.
pub(super) fn config(upstream: &Upstream) -> Result<Arc<ClientConfig>, EnclaveError> {
    let versions: &[_] = match upstream.tls12 {
        true => &[&rustls::version::TLS13, &rustls::version::TLS12],
        false => &[&rustls::version::TLS13],
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(upstream)?), Arc::clone(&provider));
    let authority = verifier.build().map_err(EnclaveError::make("the verifier of an upstream"))?;
    let pins = upstream.pins.iter().map(|pin| Digest(pin.0)).collect();
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(TlsClock))
        .with_protocol_versions(versions)
        .map_err(EnclaveError::make("an upstream's TLS configuration"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { authority, pins }))
        .with_no_client_auth();
    let protocols: &[&[u8]] = if upstream.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn roots(upstream: &Upstream) -> Result<RootCertStore, EnclaveError> {
    let Some(pem) = &upstream.ca else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let wrong = || EnclaveError::Config("an upstream's ca is not a list of certificates in PEM".into());
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        store.add(certificate.map_err(|_| wrong())?).map_err(|_| wrong())?;
    }
    if store.is_empty() { Err(wrong()) } else { Ok(store) }
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
pub(super) fn spki(certificate: &CertificateDer<'_>) -> Option<Digest> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(Digest::of(&parsed.subject_public_key_info()))
}

/// Checks everything that an authority requires, and then that the key is pinned, if there are pins.
#[derive(Debug)]
struct Pinned {
    authority: Arc<WebPkiServerVerifier>,
    pins: Vec<Digest>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.authority.verify_server_cert(leaf, intermediates, name, stapled, now)?;
        match self.pins.is_empty() || spki(leaf).is_some_and(|key| self.pins.contains(&key)) {
            true => Ok(verified),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authority.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authority.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authority.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The host may set the system's clock back to a time when a stolen certificate was valid.
    #[test]
    fn providers_are_judged_by_the_clock_that_never_steps_back() {
        let upstream = "name = \"p\"\nhost = \"api.example.org\"\napi = \"openai\"\nmodels = [\"*\"]\n";
        let upstream: Upstream = toml::from_str(upstream).unwrap();
        assert_eq!(format!("{:?}", config(&upstream).unwrap().time_provider), "TlsClock");
    }
}
