//! `quoth` as a process, with a scripted enclave at the other end of its sockets.
#![allow(clippy::unwrap_used)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use quoth_attestation::Digest;
use quoth_attestation::measurement::pcr;
use quoth_link::egress::Destination;
use quoth_link::event::{Command, Event, Status};
use quoth_link::journal::ToEnclave;
use quoth_link::{Address, LinkError, Name, Port, Stream, feed::Request, metrics};
use quoth_verifier::policy::{Accept, AcceptUpstreams, Policy};
use rustix::process::Signal;
use support::{Host, Instance, Journal, SOON, Talk};
use tokio::io::AsyncReadExt;

type Events = Talk<Command>;

/// Plays the enclave until the host accepts clients.
async fn boot(host: &Host, instance: &Instance, first: u64, next: u64) -> (Events, Journal) {
    let mut events = Events::connect(&host.link(), Port::EVENTS).await;
    events.say(&Event::Boot { step: Name::of("model"), ms: 12 }).await;
    events.say(&instance.ready()).await;
    let mut journal = Journal::attach(&host.link(), instance, first).await;
    journal.expect(ToEnclave::Welcome { next }).await;
    host.printed("try it:").await;
    (events, journal)
}

async fn fetch(link: &Address, request: Request) -> Result<Vec<u8>, LinkError> {
    let mut stream = link.connect(Port::MODEL, SOON).await?;
    request.ask(&mut stream).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn lead(link: &Address, destination: &Destination) -> Result<Stream, LinkError> {
    let mut stream = link.connect(Port::EGRESS, SOON).await?;
    destination.ask(&mut stream).await?;
    Ok(stream)
}

#[tokio::test]
async fn a_node_is_fed_described_and_drained() {
    let mut host = Host::new();
    host.start(true);
    let (mut instance, link) = (Instance::new(1), host.link());
    let mut events = Events::connect(&link, Port::EVENTS).await;

    let request = Request { sha256: Digest::of(Host::MODEL).0, size: Host::MODEL.len() as u64 };
    assert_eq!(fetch(&link, request).await.unwrap(), Host::MODEL);
    for wrong in [Request { size: request.size + 1, ..request }, Request { sha256: [7; 32], ..request }] {
        assert!(matches!(fetch(&link, wrong).await, Err(LinkError::UnknownModel)));
    }
    // A client that leaves in the middle of a request does not block the next one.
    drop(link.connect(Port::MODEL, SOON).await.unwrap());
    assert_eq!(fetch(&link, request).await.unwrap(), Host::MODEL);

    events.say(&Event::Boot { step: Name::of("model"), ms: 1234 }).await;
    events.say(&instance.ready()).await;
    host.printed("1.2 s").await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", host.port)).await.is_err(), "not before the journal is there");
    let mut journal = Journal::attach(&link, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    host.printed("try it:").await;

    let config = fs::read(host.run_dir().join("enclave.toml")).unwrap();
    let program = fs::read(host.folder.path().join("quoth-enclave")).unwrap();
    let written: toml::Table = str::from_utf8(&config).unwrap().parse().unwrap();
    assert_eq!(written["version"].as_integer(), Some(1));
    assert_eq!(written["platform"].as_str(), Some("simulated"));
    assert_eq!(written["model"][0]["name"].as_str(), Some("tiny-model"));
    assert_eq!(written["model"][0]["sha256"].as_str(), Some(&*Digest::of(Host::MODEL).to_string()));
    let policy: toml::Table = fs::read_to_string(host.run_dir().join("policy.toml")).unwrap().parse().unwrap();
    assert_eq!(policy["simulated"]["roots"][0].as_str(), Some(&*"06".repeat(32)));
    assert_eq!(policy["image"][0]["pcr0"].as_str(), Some(&*hex::encode(pcr(&[&program, &config]))));
    assert_eq!(policy["image"][0]["pcr1"].as_str(), Some(&*hex::encode(pcr(&[&program]))));
    assert_eq!(policy["image"][0]["pcr2"].as_str(), Some(&*hex::encode(pcr(&[&config]))));
    assert_eq!(policy["models"]["accept"][0].as_str(), Some(&*Digest::of(Host::MODEL).to_string()));
    assert_eq!(policy["config"]["accept"][0].as_str(), Some(&*Digest::of(&config).to_string()));
    assert!(fs::read_to_string(host.run_dir().join("ca.pem")).unwrap().contains("BEGIN CERTIFICATE"));
    for file in ["", "policy.toml", "enclave.toml", "journal.sqlite", "state.json", "enclave.log", "sockets"] {
        let mode = fs::metadata(host.run_dir().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} is for its owner only");
    }

    let clients = link.listen(Port::CLIENTS).unwrap();
    let mut client = tokio::net::TcpStream::connect(("127.0.0.1", host.port)).await.unwrap();
    drop(clients.accept().await.unwrap());
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);

    events.say(&Event::Status(Status { receipts: 41, ..Status::default() })).await;
    let status = loop {
        let output = host.command("status").arg("--json").output().unwrap();
        assert!(output.status.success());
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        if !status["enclave"].is_null() {
            break status;
        }
    };
    assert_eq!((status["running"].as_bool(), status["attached"].as_bool()), (Some(true), Some(true)));
    assert_eq!(status["journal"].as_str(), Some("attached"));
    assert_eq!(status["enclave"]["receipts"].as_u64(), Some(41));
    assert_eq!(status["node"].as_str(), Some(&*instance.node().to_string()));
    let text = host.command("status").output().unwrap();
    assert!(String::from_utf8(text.stdout).unwrap().contains("ready"));

    let answering = link.listen(Port::METRICS).unwrap();
    let answer = async {
        let mut stream = answering.accept().await.unwrap();
        metrics::write(&mut stream, "quoth_receipts_total 41\n").await.unwrap();
    };
    let mut ask = host.command("metrics");
    let (printed, ()) = tokio::join!(tokio::task::spawn_blocking(move || ask.output().unwrap()), answer);
    assert_eq!(printed.unwrap().stdout, b"quoth_receipts_total 41\n");
    drop(answering);

    host.signal(Signal::INT);
    assert_eq!(events.hear().await.unwrap(), Some(Command::Drain {}));
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", host.port)).await.is_err());
    let last = instance.receipt();
    journal.send(&last).await;
    journal.acknowledged(0).await;
    drop(journal);
    events.say(&Event::Stopped {}).await;
    host.kill_enclave();
    assert_eq!(host.wait().await.code(), Some(0), "{}", host.output());
    assert!(!host.run_dir().join("state.json").exists());

    let listed = host.command("receipts").arg("--json").output().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["instances"][0]["chain"]["whole"].as_bool(), Some(true));
    let cti = listed["instances"][0]["receipts"][0]["cti"].as_str().unwrap();
    let out = host.folder.path().join("receipt.cose");
    assert!(host.command("receipts").arg(cti).arg("--out").arg(&out).status().unwrap().success());
    assert_eq!(fs::read(out).unwrap(), last.1);
    let table = String::from_utf8(host.command("receipts").output().unwrap().stdout).unwrap();
    assert!(table.contains(cti) && table.contains("whole"), "{table}");
    assert_eq!(host.command("receipts").arg("0".repeat(32)).output().unwrap().status.code(), Some(1));
    assert_eq!(host.command("receipts").arg("xyz").output().unwrap().status.code(), Some(2));
    assert_eq!(host.command("status").output().unwrap().status.code(), Some(1));
    assert_eq!(host.command("metrics").output().unwrap().status.code(), Some(1));
}

#[tokio::test]
async fn a_host_that_was_killed_comes_back_to_its_enclave() {
    let mut host = Host::new();
    host.start(true);
    let mut instance = Instance::new(1);
    let (events, mut journal) = boot(&host, &instance, 0, 0).await;
    let receipts = [instance.receipt(), instance.receipt()];
    journal.send(&receipts[0]).await;
    journal.acknowledged(0).await;
    let enclave = host.enclave();
    host.signal(Signal::KILL);
    host.wait().await;
    drop((events, journal));
    assert_eq!(host.command("status").output().unwrap().status.code(), Some(1));

    host.start(false);
    host.printed("attaching").await;
    let mut events = Events::connect(&host.link(), Port::EVENTS).await;
    events.say(&instance.ready()).await;
    let mut journal = Journal::attach(&host.link(), &instance, 1).await;
    journal.expect(ToEnclave::Welcome { next: 1 }).await;
    journal.send(&receipts[1]).await;
    journal.acknowledged(1).await;
    host.printed("re-attached, chain continues at seq").await;
    assert_eq!(host.enclave(), enclave);
    // The host feeds a model again without new options.
    let request = Request { sha256: Digest::of(Host::MODEL).0, size: Host::MODEL.len() as u64 };
    assert_eq!(fetch(&host.link(), request).await.unwrap(), Host::MODEL);
    // The enclave is not a child of this host, but the host notices its end.
    host.kill_enclave();
    assert_eq!(host.wait().await.code(), Some(3), "{}", host.output());
}

#[tokio::test]
async fn providers_stand_in_configuration_policy_and_status() {
    let mut host = Host::new();
    let names = ["openai", "anthropic", "google", "xai", "openrouter"];
    let arguments: Vec<&OsStr> = names.iter().flat_map(|name| ["--upstream".as_ref(), name.as_ref()]).collect();
    host.start_with(&arguments);
    let _talk = boot(&host, &Instance::new(1), 0, 0).await;

    let config = fs::read_to_string(host.run_dir().join("enclave.toml")).unwrap();
    let written: toml::Table = config.parse().unwrap();
    assert!(!written.contains_key("model"));
    let expected: toml::Table = r#"
        [[upstream]]
        name = "openai"
        host = "api.openai.com"
        port = 443
        base_path = "/v1"
        api = "openai"
        models = ["gpt-*", "o1*", "o3*", "o4*", "chatgpt-*", "codex-*", "computer-use-*", "ft:*", "text-embedding-*",
                  "omni-moderation*", "text-moderation*", "davinci-002", "babbage-002"]
        [[upstream]]
        name = "anthropic"
        host = "api.anthropic.com"
        port = 443
        base_path = "/v1"
        api = "anthropic"
        models = ["claude-*"]
        [[upstream]]
        name = "google"
        host = "generativelanguage.googleapis.com"
        port = 443
        base_path = "/v1beta/openai"
        api = "openai"
        models = ["gemini-*", "gemma-*", "learnlm-*", "models/*"]
        [[upstream]]
        name = "xai"
        host = "api.x.ai"
        port = 443
        base_path = "/v1"
        api = "openai"
        models = ["grok-*"]
        [[upstream]]
        name = "openrouter"
        host = "openrouter.ai"
        port = 443
        base_path = "/api/v1"
        api = "openai"
        models = ["*"]
    "#
    .parse()
    .unwrap();
    assert_eq!(written["upstream"], expected["upstream"]);
    let policy = fs::read_to_string(host.run_dir().join("policy.toml")).unwrap();
    let policy = Policy::from_toml(&policy).unwrap();
    assert!(policy.config().unwrap().accepts(&Digest::of(config.as_bytes())));
    assert_eq!(*policy.models(), Accept::Only([].into()));
    assert!(policy.upstreams().accepts("api.openai.com", 443) && policy.upstreams().accepts("openrouter.ai", 443));
    assert!(!policy.upstreams().accepts("api.openai.com", 80) && !policy.upstreams().accepts("openai.com", 443));

    // The test requests a destination that is not on the list, so it needs no network.
    let other = Destination::new("api.openai.com", 80).unwrap();
    assert!(matches!(lead(&host.link(), &other).await, Err(LinkError::DestinationRefused)));
    let status = host.command("status").arg("--json").output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["upstreams"][2].as_str(), Some("generativelanguage.googleapis.com:443"));
    assert_eq!((status["egress"]["led"].as_u64(), status["egress"]["refused"].as_u64()), (Some(0), Some(1)));
    let text = String::from_utf8(host.command("status").output().unwrap().stdout).unwrap();
    assert!(text.contains("openrouter.ai:443") && text.contains("0 open, 0 led, 1 refused"), "{text}");
    assert!(host.output().contains("api.x.ai:443"), "{}", host.output());
}

#[tokio::test]
async fn operator_and_callers_stand_in_the_configuration_and_a_running_enclave_keeps_its_own() {
    let mut host = Host::new();
    let (operator, hash) = ("AB".repeat(32), format!("{}:{}", "01".repeat(16), "23".repeat(32)));
    let hashed = format!("team-b={hash}");
    let address = format!("0x{}", "AB".repeat(20));
    let callers = ["--caller", "team-a", "--caller", &hashed, "--operator", &operator, "--upstream", "xai"];
    let arguments: Vec<_> =
        callers.into_iter().chain(["--body-limit", "16MiB", "--operator-evm", &address]).map(OsStr::new).collect();
    host.start_with(&arguments);
    let _talk = boot(&host, &Instance::new(1), 0, 0).await;
    let config: toml::Table = fs::read_to_string(host.run_dir().join("enclave.toml")).unwrap().parse().unwrap();
    assert_eq!(config["operator"].as_str(), Some(&*"ab".repeat(32)));
    assert_eq!(config["operator_evm"].as_str(), Some(&*format!("0x{}", "ab".repeat(20))));
    assert_eq!(config["limits"]["body_bytes"].as_integer(), Some(16 << 20));
    let expected: toml::Table =
        format!("[[caller]]\nname = \"team-a\"\n[[caller]]\nname = \"team-b\"\ntoken = \"{hash}\"").parse().unwrap();
    assert_eq!(config["caller"], expected["caller"]);

    host.signal(Signal::KILL);
    host.wait().await;
    host.start_with(&["--operator".as_ref(), operator.as_ref()]);
    host.printed("options for a new enclave are ignored").await;
    host.kill_enclave();
    host.wait().await;

    for wrong in [
        ["--body-limit", "2GiB"],
        ["--caller", "team-a"],
        ["--caller", "Team"],
        ["--caller", "a=00"],
        ["--operator", "ab"],
        ["--operator-evm", "abababababababababababababababababababab"],
        ["--operator-evm", "0xab"],
    ] {
        let arguments = ["--upstream", "xai"].into_iter().chain(wrong);
        assert_eq!(host.command("up").args(arguments).output().unwrap().status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_provider_beside_a_model_leaves_the_models_of_the_policy_alone() {
    let mut host = Host::new();
    let model = host.folder.path().join("Tiny Model.gguf");
    host.start_with(&["--upstream".as_ref(), "xai".as_ref(), "--model".as_ref(), model.as_ref()]);
    let _talk = boot(&host, &Instance::new(1), 0, 0).await;
    let policy = fs::read_to_string(host.run_dir().join("policy.toml")).unwrap();
    let models = [Digest::of(Host::MODEL)].into();
    let policy = Policy::from_toml(&policy).unwrap();
    assert_eq!(*policy.models(), Accept::Only(models));
    let providers = [("api.x.ai".to_owned(), 443)].into();
    assert_eq!(*policy.upstreams(), AcceptUpstreams::Only(providers));
}

#[tokio::test]
async fn a_host_that_comes_back_leads_where_the_configuration_says() {
    let provider = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = provider.local_addr().unwrap().port();
    let mut host = Host::new();
    let config = host.folder.path().join("given.toml");
    // Two tables for one destination. Only the enclave reads the rest of them.
    let table = |name: &str| format!("[[upstream]]\nname = \"{name}\"\nhost = \"127.0.0.1\"\nport = {port}\n");
    let https = "[[upstream]]\nname = \"c\"\nhost = \"127.0.0.1\"\n";
    let text = format!("version = 1\nplatform = \"simulated\"\n{}{}{https}", table("a"), table("b"));
    fs::write(&config, &text).unwrap();
    host.start_with(&["--config".as_ref(), config.as_ref()]);
    let instance = Instance::new(1);
    let talk = boot(&host, &instance, 0, 0).await;
    assert_eq!(fs::read_to_string(host.run_dir().join("enclave.toml")).unwrap(), text);
    let state: serde_json::Value =
        serde_json::from_slice(&fs::read(host.run_dir().join("state.json")).unwrap()).unwrap();
    assert_eq!(state["upstreams"], serde_json::json!([format!("127.0.0.1:{port}"), "127.0.0.1:443"]));
    let there = Destination::new("127.0.0.1", port).unwrap();
    let elsewhere = Destination::new("localhost", port).unwrap();
    let mut stream = lead(&host.link(), &there).await.unwrap();
    let (mut accepted, _) = provider.accept().await.unwrap();
    assert!(matches!(lead(&host.link(), &elsewhere).await, Err(LinkError::DestinationRefused)));
    host.signal(Signal::KILL);
    host.wait().await;
    drop(talk);
    for end in [stream.read(&mut [0]).await, accepted.read(&mut [0]).await] {
        assert!(matches!(end, Ok(0) | Err(_)));
    }

    fs::remove_file(config).unwrap();
    host.start(false);
    host.printed("attaching").await;
    let _events = Events::connect(&host.link(), Port::EVENTS).await;
    lead(&host.link(), &there).await.unwrap();
    provider.accept().await.unwrap();
    assert!(matches!(lead(&host.link(), &elsewhere).await, Err(LinkError::DestinationRefused)));
}

#[tokio::test]
async fn a_dead_enclave_ends_the_host_with_an_error() {
    let mut host = Host::new();
    host.start(true);
    let _talk = boot(&host, &Instance::new(1), 0, 0).await;
    host.kill_enclave();
    assert_eq!(host.wait().await.code(), Some(3), "{}", host.output());
    assert!(host.output().contains("the enclave ended by signal 9"), "{}", host.output());
    host.nothing_is_left();
}

#[tokio::test]
async fn an_enclave_that_gives_up_once_it_has_answered_has_ended_by_itself() {
    let mut host = Host::new();
    host.start(true);
    let (mut events, _journal) = boot(&host, &Instance::new(1), 0, 0).await;
    events.say(&Event::Fatal { step: Name::of("engine"), code: Name::of("engine.stopped") }).await;
    host.kill_enclave();
    assert_eq!(host.wait().await.code(), Some(3), "{}", host.output());
    let told = "the enclave ended by itself: engine failed with engine.stopped";
    assert!(host.output().contains(told), "{}", host.output());
}

#[tokio::test]
async fn an_enclave_that_cannot_start_is_reported_with_its_step() {
    let mut host = Host::new();
    host.start(true);
    let mut events = Events::connect(&host.link(), Port::EVENTS).await;
    events.say(&Event::Fatal { step: Name::of("model"), code: Name::of("model.digest") }).await;
    host.kill_enclave();
    assert_eq!(host.wait().await.code(), Some(3), "{}", host.output());
    assert!(host.output().contains("step model failed with model.digest"), "{}", host.output());
    host.nothing_is_left();
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_reported() {
    let mut host = Host::new();
    Host::script(&host.folder.path().join("quoth-enclave"), "exit 7");
    host.start(true);
    assert_eq!(host.wait().await.code(), Some(3), "{}", host.output());
    assert!(host.output().contains("with status 7"), "{}", host.output());
    host.nothing_is_left();
}

#[tokio::test]
async fn the_enclave_has_no_environment() {
    let mut host = Host::new();
    Host::script(&host.folder.path().join("quoth-enclave"), "exec /usr/bin/env");
    host.start(true);
    host.wait().await;
    let seen = fs::read_to_string(host.run_dir().join("enclave.log")).unwrap();
    // Variables that a shell sets itself.
    assert!(
        seen.lines().all(|line| line.starts_with("PWD=")
            || line.starts_with("_=")
            || line.starts_with("SHLVL=")
            || line.starts_with("OLDPWD=")),
        "{seen}"
    );
}

#[tokio::test]
async fn a_second_host_is_refused_while_one_lives() {
    let mut host = Host::new();
    host.start(true);
    let _talk = boot(&host, &Instance::new(1), 0, 0).await;
    let second = host.command("up").args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8(second.stderr).unwrap().contains("another quoth up is running"));
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", host.port)).await.is_ok());
}

#[tokio::test]
async fn a_second_ctrl_c_kills() {
    let mut host = Host::new();
    host.start(true);
    let (mut events, _journal) = boot(&host, &Instance::new(1), 0, 0).await;
    host.signal(Signal::INT);
    assert_eq!(events.hear().await.unwrap(), Some(Command::Drain {}));
    host.signal(Signal::TERM);
    assert_eq!(host.wait().await.code(), Some(3), "{}", host.output());
    host.nothing_is_left();
}

#[tokio::test]
async fn ctrl_c_before_the_node_is_ready_ends_it_at_once() {
    let mut host = Host::new();
    host.start(true);
    let _events = Events::connect(&host.link(), Port::EVENTS).await;
    while !host.run_dir().join("state.json").exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    host.signal(Signal::INT);
    assert_eq!(host.wait().await.code(), Some(3), "{}", host.output());
    host.nothing_is_left();
}

#[tokio::test]
async fn an_enclave_that_ends_by_itself_is_started_again_where_asked() {
    let mut host = Host::new();
    let model = host.folder.path().join("Tiny Model.gguf");
    host.start_with(&["--restart".as_ref(), "--model".as_ref(), model.as_ref()]);
    let talk = boot(&host, &Instance::new(1), 0, 0).await;
    let first = host.enclave();
    host.kill_enclave();
    drop(talk);
    host.printed("restarting it in 1 s").await;
    let (mut events, _journal) = boot(&host, &Instance::new(2), 0, 0).await;
    assert_ne!(host.enclave(), first);
    // A request to stop prevents the restart.
    host.signal(Signal::TERM);
    assert_eq!(events.hear().await.unwrap(), Some(Command::Drain {}));
    events.say(&Event::Stopped {}).await;
    host.kill_enclave();
    assert_eq!(host.wait().await.code(), Some(0), "{}", host.output());
    host.nothing_is_left();
}

#[tokio::test]
async fn what_an_enclave_and_its_host_left_behind_together_the_next_host_removes() {
    let mut host = Host::new();
    host.start(true);
    let _talk = boot(&host, &Instance::new(1), 0, 0).await;
    host.signal(Signal::KILL);
    host.wait().await;
    host.kill_enclave();
    assert!(host.run_dir().join("sockets/7004.sock").exists());
    let next = host.command("up").args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert!(String::from_utf8(next.stderr).unwrap().contains("nothing to serve"));
    assert!(!host.run_dir().join("state.json").exists() && !host.run_dir().join("sockets/7004.sock").exists());
}

#[tokio::test]
async fn an_enclave_that_babbles_is_cut_off_and_may_come_back() {
    let mut host = Host::new();
    host.start(true);
    let mut events = Events::connect(&host.link(), Port::EVENTS).await;
    tokio::io::AsyncWriteExt::write_all(&mut events.writer, b"{\"event\":\"surprise\"}\n").await.unwrap();
    assert_eq!(events.hear().await.unwrap(), None);
    let _talk = boot(&host, &Instance::new(1), 0, 0).await;
    assert!(host.output().contains("malformed event"), "{}", host.output());
}

#[tokio::test]
async fn wrong_use_is_one_clear_line() {
    let host = Host::new();
    for (arguments, expected) in [
        (vec![], "nothing to serve"),
        (vec!["--model", "/nonexistent.gguf"], "/nonexistent.gguf"),
        (vec!["--model", "/dev/null", "--name", "a b"], "a model's name"),
        (vec!["--model", "/dev/null", "--enclave", "/nonexistent"], "/nonexistent"),
        (vec!["--model", "/dev/null", "--model", "/dev/null", "--name", "x"], "--name names a single model"),
        (vec!["--upstream", "xai", "--name", "x"], "--name names a single model"),
        (vec!["--upstream", "xai", "--upstream", "openai", "--upstream", "xai"], "--upstream xai is given twice"),
    ] {
        let output = host.command("up").args(["--listen", "127.0.0.1:0"]).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(expected) && error.lines().count() == 1, "{arguments:?}: {error}");
    }
    let config = host.folder.path().join("given.toml");
    for (tables, expected) in [
        ("", "neither a model nor an upstream"),
        ("[[upstream]]\nhost = \"API.example\"\n", "not API.example:443"),
        ("[[upstream]]\nhost = \"a\\nb\"\nport = 1\n", "not a\\nb:1"),
        ("[[upstream]]\nhost = \"a\"\nport = 0\n", "not a:0"),
        ("[[upstream]]\nhost = \"a\"\nport = 65536\n", "not a valid configuration"),
        ("[[upstream]]\nport = 443\n", "not a valid configuration"),
    ] {
        fs::write(&config, format!("version = 1\nplatform = \"simulated\"\n{tables}")).unwrap();
        let output =
            host.command("up").args(["--listen", "127.0.0.1:0"]).arg("--config").arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{tables}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(expected) && error.lines().count() == 1, "{tables}: {error}");
    }
    let both = host.command("up").arg("--config").arg(&config).args(["--upstream", "xai"]).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
    assert!(String::from_utf8(both.stderr).unwrap().contains("cannot be used with"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = host.command("up").args(["--model", "/dev/null", "--listen", &address]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("listening on"));
    assert_eq!(output.status.code(), Some(2));
}
