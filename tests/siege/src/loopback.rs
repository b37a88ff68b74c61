//! Connections on loopback: free ports, TLS to a node, and a silent port.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Time limit for TCP and TLS together.
const HANDSHAKE: Duration = Duration::from_secs(15);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Returns a port that is free now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Connects to a node over TLS. Trusts the authority in its run folder.
#[derive(Clone)]
pub(crate) struct Dialer {
    port: u16,
    connector: TlsConnector,
}

impl Dialer {
    /// Creates a dialer that offers one protocol by ALPN.
    ///
    /// # Errors
    /// If the authority cannot be read.
    pub(crate) fn new(port: u16, ca: &Path, protocol: &[u8]) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(ca).map_err(io::Error::other)?;
        roots.add(certificate).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Self { port, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If the network or the handshake fails, or takes longer than [`HANDSHAKE`].
    pub(crate) async fn open(&self) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let open = async {
            let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
            tcp.set_nodelay(true)?;
            self.connector.connect(name, tcp).await
        };
        timeout(HANDSHAKE, open).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// A port that accepts TCP and sends nothing. It ends when this value is dropped.
pub(crate) struct Silent {
    port: u16,
    task: AbortHandle,
}

impl Silent {
    /// Listens on a free port, in the current runtime.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accept = async move {
            let mut held = JoinSet::new();
            loop {
                match listener.accept().await {
                    // The connection is held until the peer closes it.
                    Ok((tcp, _)) => {
                        _ = held.spawn(async move { tokio::io::copy(&mut { tcp }, &mut tokio::io::sink()).await })
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                }
                while held.try_join_next().is_some() {}
            }
        };
        Self { port, task: tokio::spawn(accept).abort_handle() }
    }

    /// Returns the port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.task.abort();
    }
}
