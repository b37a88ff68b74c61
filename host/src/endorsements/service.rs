//! The service that provides the documents, with retries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use super::address::Address;
use super::document::Document;
use super::error::EndorsementError;
use super::limits::Limits;
use super::request::{self, Failure};
use super::source::Source;

/// AMD's Key Distribution Service.
pub const AMD: &str = "https://kdsintf.amd.com";

/// AMD's service, or a caching proxy of it.
#[derive(Clone, Debug)]
pub struct Service {
    address: Address,
    limits: Limits,
    tls: Arc<ClientConfig>,
}

impl Service {
    /// Takes a base URL, `https` or `http`. Both are safe, because all documents are signed.
    ///
    /// # Errors
    /// [`EndorsementError::Address`].
    pub fn new(base: &str) -> Result<Self, EndorsementError> {
        let address = Address::parse(base)
            .map_err(|problem| EndorsementError::Address { address: base.escape_debug().collect(), problem })?;
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Ok(Self { address, limits: Limits::default(), tls: tls(roots) })
    }

    /// Sets other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the authorities that TLS trusts, instead of the web's.
    #[must_use]
    pub fn with_roots(self, roots: RootCertStore) -> Self {
        Self { tls: tls(roots), ..self }
    }

    /// Returns the URL of a document.
    pub fn url(&self, source: &Source, document: Document) -> String {
        self.address.url(&source.target(document))
    }

    /// Requests a document, with retries up to the limits.
    pub(super) async fn get(&self, source: &Source, document: Document) -> Result<Vec<u8>, EndorsementError> {
        self.ask(source, document, self.limits.attempts).await
    }

    /// Requests a document once, without retries.
    pub(super) async fn get_once(&self, source: &Source, document: Document) -> Result<Vec<u8>, EndorsementError> {
        self.ask(source, document, 1).await
    }

    async fn ask(&self, source: &Source, document: Document, attempts: u32) -> Result<Vec<u8>, EndorsementError> {
        let (limits, begun) = (&self.limits, Instant::now());
        let target = source.target(document);
        let mut pause = limits.first_pause.min(limits.longest_pause);
        let mut attempt = 1;
        loop {
            let left = limits.total.saturating_sub(begun.elapsed()).min(limits.request);
            let request = request::get(&self.address, &self.tls, limits, &target, document);
            let failure = match tokio::time::timeout(left, request).await {
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    let url = self.address.url(&target);
                    Failure::Passing(EndorsementError::Timeout { url, what: "whole answer", limit: left })
                }
            };
            let (error, wanted) = match failure {
                Failure::Final(error) => {
                    // Only the request for a VCEK names a chip, so only there a 404 means an unknown chip.
                    return Err(match error {
                        EndorsementError::Status { url, status: 404 } if document == Document::Vcek => {
                            EndorsementError::UnknownChip { url }
                        }
                        error => error,
                    });
                }
                Failure::Passing(error) => (error, Duration::ZERO),
                Failure::Busy { url, status, retry_after } => (
                    EndorsementError::Busy { url, status, attempts: attempt, retry_after },
                    retry_after.unwrap_or_default(),
                ),
            };
            let wait = jittered(pause).max(wanted);
            if attempt >= attempts
                || wait > limits.longest_pause
                || begun.elapsed().saturating_add(wait) >= limits.total
            {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = pause.saturating_mul(2).min(limits.longest_pause);
            attempt += 1;
        }
    }
}

/// Returns a random time between half of `pause` and all of it.
fn jittered(pause: Duration) -> Duration {
    // Without randomness, hosts may retry together. That is better than no retry.
    let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(chance)
}

fn tls(roots: RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        // safe: the default provider has cipher suites for every default version
        .expect("the provider speaks TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_between_half_and_whole() {
        let pause = Duration::from_millis(1000);
        let found: Vec<_> = (0..200).map(|_| jittered(pause)).collect();
        assert!(found.iter().all(|found| (pause / 2..=pause).contains(found)), "{found:?}");
        assert!(found.iter().any(|other| *other != found[0]));
        jittered(Duration::MAX);
    }
}
