//! The official openai Python client works unchanged.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use quoth_tests::Node;

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_client() {
    let python = std::env::var("QUOTH_OPENAI_PYTHON")
        .expect("QUOTH_OPENAI_PYTHON is a Python with the openai package: ./just test prepares one");
    let node = Node::start().await;
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai_client.py"))
        .env("QUOTH_URL", format!("https://localhost:{}/v1", node.port()))
        .env("QUOTH_CA", node.run_dir().join("ca.pem"))
        .env("QUOTH_MODEL", Node::MODEL)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")).unwrap_or_default();
    assert!(ran.split(' ').next().and_then(|count| count.parse::<u32>().ok()) >= Some(10), "{said}");
}
