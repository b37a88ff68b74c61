//! Runs LiteLLM's proxy: one worker, no database, no own keys, no TLS for clients.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::door::Door;
use super::provider::Provider;
use super::question::{MODEL, TARGET, question};
use crate::machine;

pub(super) struct LiteLlm {
    process: Child,
    port: u16,
    key: String,
    _folder: TempDir,
}

impl LiteLlm {
    pub(super) fn start(program: &Path, provider: &Provider) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), machine::free_port());
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, configuration(provider)).unwrap();
        let mut command = Command::new(program);
        command.arg("--config").arg(file).args([
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--num_workers",
            "1",
        ]);
        command.args(["--telemetry", "False"]).current_dir(folder.path());
        command.env("SSL_CERT_FILE", provider.authority()).env("NO_PROXY", "localhost,127.0.0.1");
        // The package contains prices of models, so the proxy need not download newer ones.
        command
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_MODE", "PRODUCTION")
            .env("LITELLM_LOG", "ERROR");
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let proxy = Self { process, port, key: provider.key().into(), _folder: folder };
        machine::wait_for_port(port);
        let head = proxy.connect().post(TARGET, &question(false), |_| ());
        assert_eq!(head.status, 200, "LiteLLM does not pass requests on");
        proxy
    }
}

fn configuration(provider: &Provider) -> String {
    format!(
        "model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: openai/{MODEL}\n      \
         api_base: https://localhost:{}/v1\n      api_key: {}\nlitellm_settings:\n  ssl_verify: {}\n",
        provider.port(),
        provider.key(),
        provider.authority().display(),
    )
}

impl Door for LiteLlm {
    fn port(&self) -> u16 {
        self.port
    }

    fn ca(&self) -> Option<PathBuf> {
        None
    }

    fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for LiteLlm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
