//! Connects to a provider: a way through the host, then TLS, which the host can only break.

use std::sync::Arc;

use quoth_attestation::Digest;
use quoth_attestation::receipt::TlsPeer;
use quoth_link::egress::Destination;
use quoth_link::{Address, CONNECT_TIMEOUT, Port, Stream};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::no_name;
use super::{UpstreamError, tls};
use crate::EnclaveError;
use crate::config::Upstream;

/// Who a provider proved to be.
pub struct Peer {
    /// For receipts.
    pub tls: TlsPeer,
    /// Its certificates as received, DER, its own first.
    pub certificates: Vec<Vec<u8>>,
}

/// How to reach one provider.
pub(super) struct Connector {
    link: Address,
    destination: Destination,
    name: ServerName<'static>,
    tls: TlsConnector,
}

/// An open connection.
pub(super) struct Connection<S> {
    pub(super) stream: S,
    pub(super) peer: Arc<Peer>,
    pub(super) h2: bool,
}

impl Connector {
    pub(super) fn new(upstream: &Upstream, link: &Address) -> Result<Self, EnclaveError> {
        Ok(Self {
            link: link.clone(),
            destination: Destination::new(&upstream.host, upstream.port)?,
            name: ServerName::try_from(upstream.host.clone()).map_err(|_| no_name())?,
            tls: TlsConnector::from(tls::config(upstream)?),
        })
    }

    /// Connects; the caller bounds the time. Only TLS's own messages have left when it returns.
    pub(super) async fn connect(&self) -> Result<Connection<TlsStream<Stream>>, UpstreamError> {
        let stream = self.way().await.ok_or(UpstreamError::Unreachable)?;
        let stream = self.tls.connect(self.name.clone(), stream).await.map_err(|_| UpstreamError::Tls)?;
        let peer = peer(&stream).ok_or(UpstreamError::Tls)?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Connection { stream, peer: Arc::new(peer), h2 })
    }

    async fn way(&self) -> Option<Stream> {
        let mut stream = self.link.connect(Port::EGRESS, CONNECT_TIMEOUT).await.ok()?;
        self.destination.ask(&mut stream).await.ok()?;
        Some(stream)
    }
}

fn peer(stream: &TlsStream<Stream>) -> Option<Peer> {
    let (_, session) = stream.get_ref();
    let certificates: Vec<Vec<u8>> = session.peer_certificates()?.iter().map(|der| der.to_vec()).collect();
    let tls = TlsPeer {
        version: session.protocol_version()?.into(),
        suite: session.negotiated_cipher_suite()?.suite().into(),
        leaf_spki: tls::spki(&CertificateDer::from(certificates.first()?.as_slice()))?,
        chain: Digest::of(&certificates.concat()),
    };
    Some(Peer { tls, certificates })
}
