//! A service behind TLS.

use std::sync::Arc;
use std::time::Duration;

use quoth_host::endorsements::{Endorsements, Limits, Service};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::server::{Kds, good, limits};
use crate::vectors::{NOW, machine_of};

fn acceptor(name: &str) -> (TlsAcceptor, CertificateDer<'static>) {
    let own = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), own.cert.der().clone())
}

#[tokio::test]
async fn a_service_is_authenticated() {
    let Some(machine) = machine_of("3f44a09b") else { return };
    for (name, trusted, expected) in [
        ("localhost", true, Ok(())),
        ("localhost", false, Err("endorsement.connect")),
        ("elsewhere.example", true, Err("endorsement.connect")),
    ] {
        let (tls, certificate) = acceptor(name);
        let served = machine.clone();
        let kds = Kds::listen(move |asked, _| good(&served, asked), Some(tls)).await;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let service = if trusted { kds.service().with_roots(roots) } else { kds.service() };
        let folder = tempfile::tempdir().unwrap();
        let found = Endorsements::new(folder.path(), service).fetch_at(&machine.report, NOW).await;
        assert_eq!(found.map(|_| ()).map_err(|error| error.code()), expected, "{name} {trusted}");
    }
}

#[tokio::test]
async fn a_service_without_tls_is_not_taken_for_one_with_it() {
    let Some(machine) = machine_of("3f44a09b") else { return };
    let kds = Kds::good(&machine).await;
    let base = kds.base.replace("http://", "https://");
    let service = Service::new(&base).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { connect: Duration::from_millis(500), ..limits() };
    let endorsements = Endorsements::new(folder.path(), service.with_limits(limits));
    let code = endorsements.fetch_at(&machine.report, NOW).await.unwrap_err().code();
    assert!(["endorsement.connect", "endorsement.timeout"].contains(&code), "{code}");
}
