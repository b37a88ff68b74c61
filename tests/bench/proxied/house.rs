//! A node in front of the provider, for the benches.

use std::path::{Path, PathBuf};

use quoth_tests::{Node, Options};
use rustix::process::Pid;

use super::door::Door;
use super::provider::Provider;
use super::question::MODEL;
use crate::node;

pub(super) struct House {
    node: Node,
    key: String,
}

impl House {
    /// Starts the node. `enclave` is another build of the enclave.
    pub(super) fn start(provider: &Provider, enclave: Option<&Path>) -> Self {
        let ca = std::fs::read_to_string(provider.authority()).unwrap();
        let config = format!(
            "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\", \"127.0.0.1\"]\n\
             [[upstream]]\nname = \"fake\"\nhost = \"localhost\"\nport = {}\napi = \"openai\"\nmodels = [\"{MODEL}\"]\nca = '''\n{ca}'''\n",
            provider.port(),
        );
        let more = enclave.into_iter().flat_map(|path| ["--enclave".into(), path.display().to_string()]).collect();
        let node = node::start(Options { config: Some(config), more, ..Options::default() });
        Self { node, key: provider.key().into() }
    }

    /// Stops the node in order.
    pub(super) fn stop(mut self) {
        assert!(self.node.stop().success());
    }

    pub(super) fn enclave(&self) -> Pid {
        self.node.enclave()
    }

    pub(super) fn host(&self) -> Pid {
        self.node.host()
    }
}

impl Door for House {
    fn port(&self) -> u16 {
        self.node.port()
    }

    fn ca(&self) -> Option<PathBuf> {
        Some(self.node.run_dir().join("ca.pem"))
    }

    fn key(&self) -> &str {
        &self.key
    }
}
