//! Asks a node, and prints its answer as it comes: the last event only when every byte is proven.
//!
//! ```text
//! cargo run -p quoth-client --example ask POLICY.TOML URL MODEL QUESTION
//! ```
//!
//! `./just serve` starts a node and prints its URL, its model and where its policy is.

use std::error::Error;
use std::io::{Write, stdout};
use std::{env, fs};

use quoth_client::{Client, Options};
use quoth_verifier::Policy;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [policy, url, model, question] = &arguments[..] else {
        return Err("arguments: POLICY.TOML URL MODEL QUESTION".into());
    };
    let policy = Policy::from_toml(&fs::read_to_string(policy)?)?;
    let body = serde_json::json!({
        "model": model,
        "stream": true,
        "messages": [{ "role": "user", "content": question }],
    });

    // The node is appraised on the connection before the question leaves.
    let connection = Client::new(policy).connect(url).await?;
    connection.node().accepts_model(model)?;
    let mut exchange = connection.post(Client::CHAT, body.to_string(), Options::default()).await?;
    while let Some(events) = exchange.next().await? {
        stdout().write_all(&events)?; // provisional, until:
    }
    let proven = exchange.finish().await?; // every byte is accounted for, or this is an error

    let receipt = proven.exchange.receipt();
    println!("receipt {} of node {}", receipt.claims().seq, receipt.node().digest());
    Ok(())
}
