//! The official SDKs work unchanged: directly with a node, and through `quoth-verify proxy`. The scripts are in `tests/sdk/`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quoth_attestation::Digest;
use quoth_attestation::transcript::Transcript;
use quoth_client::{Client, OperatorKey};
use quoth_fake_provider::{Behaviour, Options as Fake, Provider};
use quoth_tests::{Node, Options, command};
use serde_json::Value;
use tempfile::TempDir;

/// The question of scripts, whole and streamed, whose transcript is checked.
const AUDITED: &str = "for the auditor";
/// Time limit to notice callers that left, also on a busy machine.
const NOTICED: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn local_models_straight() {
    run("local.py", Way::Straight).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_models_through_the_proxy() {
    run("local.py", Way::Proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_for_python_straight() {
    run("openai_client.py", Way::Straight).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_for_python_through_the_proxy() {
    run("openai_client.py", Way::Proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_for_python_straight() {
    run("anthropic_client.py", Way::Straight).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_for_python_through_the_proxy() {
    run("anthropic_client.py", Way::Proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_for_javascript_straight() {
    run("openai_client.mjs", Way::Straight).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_for_javascript_through_the_proxy() {
    run("openai_client.mjs", Way::Proxy).await;
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Straight,
    Proxy,
}

/// Checks that every test of a script passes, and that node and providers still work.
async fn run(script: &str, way: Way) {
    let house = House::start().await;
    // The node has the local model. The scripts about providers check whether the proxy's policy accepts it.
    let proxy = (way == Way::Proxy).then(|| Proxy::start(&house.node, script == "local.py"));
    let mut command = sdk(script);
    let url = match &proxy {
        Some(proxy) => proxy.url.clone(),
        None => {
            let ca = house.node.run_dir().join("ca.pem");
            command.env("QUOTH_CA", &ca).env("NODE_EXTRA_CA_CERTS", &ca);
            house.url()
        }
    };
    command.env("QUOTH_NODE", house.url() + "/v1");
    command.env("OPENAI_BASE_URL", format!("{url}/v1")).env("OPENAI_API_KEY", &Fake::default().key);
    command.env("ANTHROPIC_BASE_URL", &url).env("ANTHROPIC_API_KEY", &Fake::default().key);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(count(&said), Some(written(script)), "{said}");

    let left = house.notices_who_left().await;
    assert!(left > 0 || script == "local.py", "no caller has left");
    assert_eq!(house.node.wire().await.get("/healthz").await.unwrap().status, 200);
    if let Some(proxy) = proxy {
        proxy.shows_the_auditor(&house.node);
    }
}

/// Returns the command of a script.
fn sdk(script: &str) -> Command {
    let sdks = std::env::var("QUOTH_SDKS").expect("QUOTH_SDKS is the folder that ./just test-sdk prepares");
    let mut command = match script.ends_with(".py") {
        true => Command::new(Path::new(&sdks).join("bin/python")),
        false => Command::new(Path::new(&sdks).join("bin/node")),
    };
    if script.ends_with(".mjs") {
        command.arg("--test-reporter=tap");
    }
    command.arg(folder().join(script));
    command
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sdk"))
}

/// Returns the number of tests that a script reports, with none skipped.
fn count(said: &str) -> Option<usize> {
    let number = |prefix| said.lines().find_map(|line| line.strip_prefix(prefix)?.split(' ').next()?.parse().ok());
    match number("# pass ") {
        Some(passed) => Some(passed),
        None => number("Ran ").filter(|_| said.lines().any(|line| line == "OK")),
    }
}

/// Returns the number of tests in the script's source.
fn written(script: &str) -> usize {
    let text = fs::read_to_string(folder().join(script)).unwrap();
    let starts = ["def test_", "test("];
    text.lines().filter(|line| starts.iter().any(|start| line.trim_start().starts_with(start))).count()
}

/// A node with a local model and a provider for every behaviour. Each provider speaks both APIs.
struct House {
    node: Node,
    providers: Vec<(&'static str, Provider)>,
    _model: TempDir,
}

/// The behaviours, by the names of the models `gpt-…` and `claude-…`.
fn behaviours() -> [(&'static str, Fake); 8] {
    let but = |behaviour| Fake { behaviour, ..Fake::default() };
    let endless = Fake { deltas: Some(100_000), pause: Duration::from_millis(20), ..Fake::default() };
    [
        ("good", Fake::default()),
        ("limited", but(Behaviour::RateLimited { retry_after: 7 })),
        ("overloaded", but(Behaviour::Unavailable)),
        ("broken", but(Behaviour::HtmlError)),
        ("cut", but(Behaviour::Cut { after_events: 5, close_notify: false })),
        ("silent", but(Behaviour::StallBeforeHead)),
        ("stalled", but(Behaviour::StallMidStream { after_events: 5 })),
        ("endless", endless),
    ]
}

impl House {
    async fn start() -> Self {
        let providers: Vec<_> = behaviours().into_iter().map(|(name, fake)| (name, Provider::start(fake))).collect();
        let (folder, operator) = (TempDir::new().unwrap(), OperatorKey::generate().unwrap());
        let (model, bytes) = (folder.path().join("tiny.gguf"), quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32));
        fs::write(&model, &bytes).unwrap();
        let mut config = format!(
            "version = 1\nplatform = \"simulated\"\ntls_names = [\"localhost\", \"127.0.0.1\"]\noperator = \"{}\"\n\
             [[model]]\nname = \"{}\"\nsha256 = \"{}\"\nsize = {}\ncontext = {}\nparallel = 4\nthreads = 1\n",
            hex::encode(operator.public()),
            Node::MODEL,
            Digest::of(&bytes),
            bytes.len(),
            quoth_tiny_model::CONTEXT,
        );
        for (name, provider) in &providers {
            for (api, model) in [("openai", "gpt"), ("anthropic", "claude")] {
                config += &format!(
                    "[[upstream]]\nname = \"{api}-{name}\"\nhost = \"localhost\"\nport = {}\napi = \"{api}\"\n\
                     models = [\"{model}-{name}\"]\nca = '''\n{}'''\n",
                    provider.port(),
                    provider.ca_pem(),
                );
            }
        }
        let more = vec!["--model".into(), model.display().to_string()];
        let node = Node::with(Options { config: Some(config), more, ..Options::default() }).await;
        let house = Self { node, providers, _model: folder };
        house.provision(&operator).await;
        house
    }

    /// Gives the node a key for the provider without misbehaviour.
    async fn provision(&self, operator: &OperatorKey) {
        let mut connection = Client::new(self.node.policy()).connect(&self.node.url()).await.unwrap();
        for (counter, name) in (1..).zip(["openai-good", "anthropic-good"]) {
            connection.provision(operator, name, Some(&Fake::default().key), counter).await.unwrap();
        }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.node.port())
    }

    /// Checks that providers with endless answers notice that their callers left. Returns the number of answers.
    async fn notices_who_left(&self) -> u64 {
        let patient = |name: &str| ["silent", "stalled", "endless"].contains(&name);
        let mut left = 0;
        for (name, provider) in self.providers.iter().filter(|(name, _)| patient(name)) {
            let asked = provider.requests().len() as u64;
            let noticed = async {
                while provider.unfinished() < asked {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let noticed = tokio::time::timeout(NOTICED, noticed).await;
            assert!(noticed.is_ok(), "{name}: {} of {asked} callers have left", provider.unfinished());
            left += asked;
        }
        left
    }
}

/// A running `quoth-verify proxy`. It ends when this value is dropped.
struct Proxy {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Proxy {
    fn start(node: &Node, accepts_local: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let mut policy = fs::read_to_string(node.policy_file()).unwrap();
        if !accepts_local {
            let model = Digest::of(&quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32)).to_string();
            assert!(policy.contains(&model), "{policy}");
            policy = policy.replace(&model, &"0".repeat(model.len()));
        }
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        let mut command = command("quoth-verify");
        command.args(["proxy", "--node", &node.url(), "--listen", "127.0.0.1:0", "--policy", "policy.toml", "--json"]);
        command.args(["--transcripts", "kept"]).current_dir(folder.path()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        let url = format!("http://{}", started["address"].as_str().unwrap());
        Self { child, url, folder }
    }

    /// Checks that the auditor's question is in the folder, and that anyone can verify it.
    fn shows_the_auditor(&self, node: &Node) {
        let kept = fs::read_dir(self.folder.path().join("kept")).unwrap().map(|file| file.unwrap().path());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut streams = Vec::new();
        for file in kept {
            let transcript = Transcript::decode(&fs::read(&file).unwrap()).unwrap();
            let request = text(&transcript.request.body);
            if !request.contains(AUDITED) {
                continue;
            }
            let mut check = command("quoth-verify");
            check.arg("transcript").arg(&file).arg("--policy").arg(node.policy_file());
            let check = check.output().unwrap();
            assert!(check.status.success(), "{}", text(&check.stderr));
            streams.push(text(&transcript.response.body).contains("data: "));
        }
        streams.sort_unstable();
        assert_eq!(streams, [false, true], "one whole, one streamed");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
