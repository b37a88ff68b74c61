//! A node of real processes in front of a provider process.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use quoth_attestation::Digest;
use quoth_client::{access_token, token_hash};
use quoth_tests::{Node, Options};
use quoth_tiny_model::{CONTEXT, Kind};
use tempfile::TempDir;

use crate::caller::Target;
use crate::provider::Provider;

/// The name of the local model.
pub(crate) const LOCAL: &str = "tiny";
/// Limit for the size of the host's files, KiB. No file reaches it. With any limit, a later, smaller one makes writes fail
/// instead of ending the host.
const FILE_LIMIT: u64 = 1 << 30;

/// The node's configuration besides the provider.
#[derive(Default)]
pub(crate) struct Setup {
    /// Lines of `[limits]`.
    pub(crate) limits: Vec<String>,
    /// The port of an upstream for `dead-*`.
    pub(crate) dead: Option<u16>,
    /// Names of callers. If there is none, anyone may call.
    pub(crate) callers: Vec<String>,
    /// Whether all models lead to the provider, and `claude-*` with Anthropic's API.
    pub(crate) any_model: bool,
    /// Whether there is a local model.
    pub(crate) local: bool,
}

/// A node and its provider. Both end when this value is dropped.
pub(crate) struct Site {
    pub(crate) node: Node,
    pub(crate) provider: Provider,
    tokens: Vec<String>,
    _model: TempDir,
}

impl Site {
    /// Starts both and waits until the node answers.
    pub(crate) async fn start(setup: Setup) -> Self {
        let (provider, folder) = (Provider::start(), tempfile::tempdir().unwrap());
        let tokens: Vec<_> = setup.callers.iter().map(|name| access_token(name).unwrap().to_string()).collect();
        let mut config = head(&setup, &provider);
        for (name, token) in setup.callers.iter().zip(&tokens) {
            // safe to ignore: writing into a String cannot fail
            let _ = writeln!(config, "[[caller]]\nname = \"{name}\"\ntoken = \"{}\"", token_hash(token).unwrap());
        }
        let mut more = Vec::new();
        if setup.local {
            let (file, model) = (folder.path().join("tiny.gguf"), quoth_tiny_model::gguf(Kind::F32));
            let _ = writeln!(
                config,
                "[[model]]\nname = \"{LOCAL}\"\nsha256 = \"{}\"\nsize = {}\ncontext = {CONTEXT}\nparallel = 4\nthreads = 1",
                Digest::of(&model),
                model.len()
            );
            fs::write(&file, model).unwrap();
            more = vec!["--model".into(), file.display().to_string()];
        }
        let options = Options { config: Some(config), file_limit: Some(FILE_LIMIT), more, ..Options::default() };
        Self { node: Node::with(options).await, provider, tokens, _model: folder }
    }

    /// Returns how the caller with this number reaches the node, at the node's port or at that of a relay.
    pub(crate) fn target(&self, port: u16, caller: usize) -> Arc<Target> {
        Arc::new(Target { port, policy: self.node.policy_file(), headers: self.headers(caller) })
    }

    /// Returns the headers of the caller with this number: a key for the provider, and its access token if it has one.
    pub(crate) fn headers(&self, caller: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer sk-siege"));
        if let Some(token) = self.tokens.get(caller) {
            headers.insert("quoth-token", HeaderValue::from_str(token).unwrap());
        }
        headers
    }

    /// Returns the file of the authority of the node's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.node.run_dir().join("ca.pem")
    }
}

/// Returns the first part of the configuration, with the upstreams.
fn head(setup: &Setup, provider: &Provider) -> String {
    let mut text =
        "version = 1\nplatform = \"simulated\"\ntls_names = [\"localhost\", \"127.0.0.1\"]\n[limits]\n".to_owned();
    setup.limits.iter().for_each(|line| text += &format!("{line}\n"));
    let ca = provider.ca_pem();
    let mut upstream = |name: &str, api: &str, port: u16, models: &str| {
        text += &format!(
            "[[upstream]]\nname = \"{name}\"\nhost = \"localhost\"\nport = {port}\napi = \"{api}\"\nmodels = [\"{models}\"]\n\
             ca = '''\n{ca}'''\n"
        );
    };
    upstream("fake", "openai", provider.port(), "m-*");
    if let Some(dead) = setup.dead {
        upstream("dead", "openai", dead, "dead-*");
    }
    if setup.any_model {
        upstream("claude", "anthropic", provider.port(), "claude-*");
        upstream("rest", "openai", provider.port(), "*");
    }
    text
}
