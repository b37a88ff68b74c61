//! Machines as Nitro enclaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ciborium::Value;
use quoth_attestation::evidence::Evidence;
use quoth_tests::{Image, Node, ask, chat_body, command, proven_chat};

use crate::{nothing_is_left, processes};

/// Time limit for a machine to switch itself off.
const OFF: Duration = Duration::from_secs(30);

/// Returns PCR0 to PCR2 as computed without booting the image, hex.
fn computed(image: &Image) -> BTreeMap<u64, String> {
    let text = fs::read_to_string(image.out().join("measurements.toml")).unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches([' ', '=', '"']).to_owned()
    };
    (0..).zip(["pcr0", "pcr1", "pcr2"].map(value)).collect()
}

/// Returns PCR0 to PCR2 of a document, hex.
fn registers(document: &[u8]) -> BTreeMap<u64, String> {
    let read = |bytes: &[u8]| ciborium::from_reader::<Value, _>(bytes).unwrap();
    let entry = |map: Value, name: &str| {
        let found = map.into_map().unwrap().into_iter().find(|(key, _)| key.as_text() == Some(name));
        found.unwrap().1
    };
    let payload = read(document).into_array().unwrap().remove(2).into_bytes().unwrap();
    let registers = entry(read(&payload), "pcrs").into_map().unwrap().into_iter().map(|(index, value)| {
        (u64::try_from(index.into_integer().unwrap()).unwrap(), hex::encode(value.into_bytes().unwrap()))
    });
    registers.filter(|(index, _)| *index < 3).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_boots_answers_and_measures_to_what_was_said() {
    let Some(image) = Image::build("nitro", "nitro") else { return };
    let mut node = image.boot("qemu-nitro").await;
    let mut wire = node.wire().await;

    let body = chat_body("Why?", 8, false).to_string();
    let answer = wire.post("/v1/chat/completions", &[], body.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", node.enclave_log());
    assert!(answer.header("quoth-receipt").is_some());

    let evidence = wire.get("/.well-known/quoth/node").await.unwrap();
    let evidence = Evidence::decode(&evidence.body).unwrap();
    assert_eq!(registers(&evidence.quote), computed(&image));

    // The emulation's evidence has no signature, so it must be refused.
    let refused = ask(&node.url(), node.policy(), &chat_body("Why?", 8, false)).await.err().unwrap();
    assert!(refused.code().starts_with("nitro."), "{}", refused.code());

    // No path shows more than the API.
    for path in ["/debug", "/debug/pprof", "/metrics", "/v1/debug", "/admin", "/.well-known/quoth/debug"] {
        assert_eq!(wire.get(path).await.unwrap().status, 404, "{path}");
    }

    let log = node.enclave_log();
    for said in [
        "oops=panic nomodule console=ttyS0 random.trust_cpu=on",
        "Run /init as init process",
        "init heartbeat=answered random=nsm-hwrng",
        "limits files=65536 cores=0",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert_eq!(node.stop().code(), Some(0), "{}", node.host_output());
    assert!(node.enclave_log().contains("reboot: Restarting system"), "{}", node.enclave_log());
    assert!(!node.enclave_lives());
    nothing_is_left(&node);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_nothing_vouches_for_gives_proven_answers_to_whom_its_key_is_known() {
    let Some(image) = Image::build("nitro", "none") else { return };
    let mut node = image.boot("qemu-nitro").await;
    for stream in [false, true] {
        proven_chat(&node, "Why is the sky blue?", 12, stream).await;
    }
    assert_eq!(node.terminate().code(), Some(0), "{}", node.host_output());
    nothing_is_left(&node);
}

/// Most of the model is padding, which is also fed, hashed and sealed. The machine could not hold it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_a_gibibyte_is_fed_and_held_once() {
    const SIZE: usize = 1 << 30;
    let Some(image) = Image::with_large_model("nitro", "none", SIZE) else { return };
    let mut node = image.boot_with("qemu-nitro", &["--memory", "1536"]).await;
    proven_chat(&node, "Why?", 4, false).await;
    let (log, host) = (node.enclave_log(), node.host_output());
    let took = log.lines().find_map(|line| line.strip_prefix("boot step=model ms=")).unwrap();
    let seconds = took.trim().parse::<f64>().unwrap() / 1e3;
    eprintln!("fed, hashed and loaded in {seconds:.1} s, {:.0} MB/s", SIZE as f64 / 1e6 / seconds);
    assert!(host.contains("feeding tiny.gguf: 1.0 GB in "), "{host}");
    assert!(!log.contains("Out of memory"), "{log}");
    assert_eq!(node.stop().code(), Some(0), "{host}");
    nothing_is_left(&node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_killed_comes_back_to_the_machine() {
    let Some(image) = Image::build("nitro", "nitro") else { return };
    let mut node = image.boot("qemu-nitro").await;
    let ask = async |node: &Node| {
        let body = chat_body("Why?", 4, false).to_string();
        let answer = node.wire().await.post("/v1/chat/completions", &[], body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200);
    };
    ask(&node).await;
    node.kill_host();
    assert!(node.enclave_lives());
    node.restart_host().await;
    ask(&node).await;
    assert!(node.host_output().contains("re-attached, chain continues at seq"), "{}", node.host_output());
    let chain = node.quoth(&["receipts"]);
    assert!(chain.contains("no gap") || !chain.contains("gap"), "{chain}");
    assert_eq!(node.stop().code(), Some(0));
    nothing_is_left(&node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_dies_ends_the_host_with_an_error() {
    let Some(image) = Image::build("nitro", "nitro") else { return };
    let mut node = image.boot("qemu-nitro").await;
    rustix::process::kill_process(node.enclave(), rustix::process::Signal::KILL).unwrap();
    assert_eq!(node.wait_for_host(OFF).code(), Some(3), "{}", node.host_output());
    nothing_is_left(&node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_dies_without_a_host_leaves_no_process_and_the_next_host_tidies_up() {
    let Some(image) = Image::build("nitro", "nitro") else { return };
    let mut node = image.boot("qemu-nitro").await;
    node.kill_host();
    assert!(!processes(&node).is_empty());
    rustix::process::kill_process(node.enclave(), rustix::process::Signal::KILL).unwrap();
    let start = Instant::now();
    while !processes(&node).is_empty() {
        assert!(start.elapsed() < OFF, "{}", processes(&node));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The program has nothing to serve and reports it, after it has loaded the modules.
    let next =
        command("quoth").args(["up", "--listen", "127.0.0.1:0", "--run-dir"]).arg(node.run_dir()).output().unwrap();
    assert_eq!(next.status.code(), Some(2));
    fs::remove_file(node.run_dir().join("control.sock")).unwrap();
    nothing_is_left(&node);
}

#[test]
fn an_image_contains_no_simulated_platform() {
    let Some(image) = Image::build("nitro", "nitro") else { return };
    let eif = fs::read(image.out().join("image.eif")).unwrap();
    let program = fs::read(&image.program).unwrap();
    assert!(contains(&eif, &program), "the image has the program as it is");
    for text in ["quoth simulated root", "i-simulated-enc"] {
        assert!(!contains(&program, text.as_bytes()), "{text}");
        // The tests' program contains it, so the search works.
        assert!(contains(&fs::read(simulated()).unwrap(), text.as_bytes()), "{text}");
    }
}

fn simulated() -> PathBuf {
    Path::new(command("quoth-enclave").get_program()).to_owned()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    // Other texts rarely begin like it.
    let head = &part[..part.len().min(16)];
    let mut rest = bytes;
    while let Some(at) = rest.windows(head.len()).position(|window| window == head) {
        if rest[at..].starts_with(part) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
