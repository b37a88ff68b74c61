//! The client in `examples/` proves answers of a live node and refuses forgeries, as its own test finds.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use quoth_tests::Node;

#[tokio::test(flavor = "multi_thread")]
async fn client_in_python() {
    let node = Node::start().await;
    let sdks = std::env::var("QUOTH_SDKS").expect("QUOTH_SDKS is the folder that ./just test-sdk prepares");
    let mut command = Command::new(Path::new(&sdks).join("bin/python"));
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/test_client.py"));
    command.arg(node.url()).arg(node.policy_file()).arg(Node::MODEL);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    let checks = said.lines().filter(|line| line.starts_with("ok   ")).count();
    let verdict = format!("all {checks} checks passed");
    assert!(checks > 0 && said.lines().any(|line| line == verdict), "{said}");
}
