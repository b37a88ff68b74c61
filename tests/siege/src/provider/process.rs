//! Controls the provider's process: starts, kills and restarts it on the same port.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use crate::loopback::free_port;

/// A certificate for `localhost` and its authority. They outlive the process.
pub(crate) struct Identity {
    folder: TempDir,
    ca_pem: String,
}

impl Identity {
    /// Creates a new identity in a new folder.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("quoth-siege-").tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "siege");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        fs::write(folder.path().join("cert.pem"), leaf.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self { folder, ca_pem }
    }

    /// Returns the authority to trust, PEM.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A provider on a loopback port. Its process ends when this value is dropped.
pub(crate) struct Provider {
    identity: Identity,
    port: u16,
    process: Option<Child>,
}

impl Provider {
    /// Starts a provider on a free port.
    pub(crate) fn start() -> Self {
        let mut provider = Self { identity: Identity::new(), port: free_port(), process: None };
        provider.revive();
        provider
    }

    /// Returns the port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the authority to trust, PEM.
    pub(crate) fn ca_pem(&self) -> &str {
        self.identity.ca_pem()
    }

    /// Kills the process, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The process may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Restarts the process on the same port with the same identity, and waits until it listens.
    pub(crate) fn revive(&mut self) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("provider").arg(self.identity.folder()).arg(self.port.to_string());
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.process = Some(process);
        assert_eq!(line.trim_end(), "listening", "the provider did not start");
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.kill();
    }
}
