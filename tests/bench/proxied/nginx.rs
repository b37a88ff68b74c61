//! Runs nginx between two TLS connections, as a proxy that only passes bytes on.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;
use tempfile::TempDir;

use super::door::Door;
use super::provider::Provider;
use crate::machine;

pub(super) struct Nginx {
    process: Child,
    port: u16,
    folder: TempDir,
    key: String,
}

impl Nginx {
    pub(super) fn start(provider: &Provider) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), machine::free_port());
        certificate(&folder);
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration(&folder, port, provider)).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-e").arg(folder.path().join("error.log")).arg("-c").arg(file);
        let process = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx is installed");
        machine::wait_for_port(port);
        Self { process, port, folder, key: provider.key().into() }
    }

    /// Returns the worker process.
    pub(super) fn worker(&self) -> Pid {
        let master = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        let worker = children.split(' ').next().and_then(|id| id.parse().ok()).expect("a worker");
        Pid::from_raw(worker).unwrap()
    }
}

/// One worker, because the enclave has one thread for connections on two cores.
fn configuration(folder: &TempDir, port: u16, provider: &Provider) -> String {
    format!(
        "daemon off; worker_processes 1; pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    keepalive_requests 1000000000;
    upstream provider {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate certificate.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.3;
        location / {{
            proxy_pass https://provider;
            proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host localhost:{upstream};
            proxy_ssl_protocols TLSv1.3; proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca};
            proxy_ssl_name localhost; proxy_ssl_server_name on;
        }}
    }}
}}
",
        upstream = provider.port(),
        ca = provider.authority().display(),
    )
    .replace("certificate.pem;", &format!("{};", folder.path().join("certificate.pem").display()))
    .replace("key.pem;", &format!("{};", folder.path().join("key.pem").display()))
}

fn certificate(folder: &TempDir) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "certificate.pem"]);
    let status = command.current_dir(folder.path()).stdin(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

impl Door for Nginx {
    fn port(&self) -> u16 {
        self.port
    }

    fn ca(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("certificate.pem"))
    }

    fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Nginx {
    /// Asks the master to end, so that it ends its worker.
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(Pid::from_child(&self.process), rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}
