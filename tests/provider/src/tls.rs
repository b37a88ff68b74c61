//! One TLS configuration for each kind of certificate and version.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, Identity};
use crate::{Behaviour, Options};

pub(crate) struct Tls {
    good: Arc<ServerConfig>,
    wrong_name: Arc<ServerConfig>,
    unknown_ca: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    tls12: Arc<ServerConfig>,
    pub(crate) ca_pem: String,
}

impl Tls {
    pub(crate) fn new(options: &Options) -> Self {
        let known = Authority::new("fake provider authority");
        let unknown = Authority::new("unknown authority");
        let make = |identity, version| Arc::new(config(identity, version, options.http1_only));
        Self {
            good: make(known.identity(&options.names), &TLS13),
            wrong_name: make(known.identity(&["elsewhere.example".into()]), &TLS13),
            unknown_ca: make(unknown.identity(&options.names), &TLS13),
            expired: make(known.expired(&options.names), &TLS13),
            tls12: make(known.identity(&options.names), &TLS12),
            ca_pem: known.pem,
        }
    }

    pub(crate) fn acceptor(&self, behaviour: &Behaviour) -> TlsAcceptor {
        let config = match behaviour {
            Behaviour::WrongName => &self.wrong_name,
            Behaviour::UnknownCa => &self.unknown_ca,
            Behaviour::Expired => &self.expired,
            Behaviour::Tls12Only => &self.tls12,
            _ => &self.good,
        };
        config.clone().into()
    }
}

fn config(identity: Identity, version: &'static SupportedProtocolVersion, http1_only: bool) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .unwrap();
    config.alpn_protocols = if http1_only { vec![b"http/1.1".into()] } else { vec![b"h2".into(), b"http/1.1".into()] };
    // A resumed session would send no certificate and hide a change of behaviour.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}
