//! Asks a node with another HTTP library, and verifies the answer by hand. This is what [`quoth_client::Client`] does.
//!
//! ```text
//! cargo run -p quoth-client --example reqwest POLICY.TOML URL MODEL QUESTION
//! ```

use std::error::Error;
use std::{env, fs};

use quoth_client::{Client, tls_config_pinned};
use quoth_verifier::{Policy, Refusal, Request, ResponseHead};
use reqwest::header::HeaderMap;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [policy, url, model, question] = &arguments[..] else {
        return Err("arguments: POLICY.TOML URL MODEL QUESTION".into());
    };
    let policy = Policy::from_toml(&fs::read_to_string(policy)?)?;

    // 1. Appraise the node. From here on the TLS configuration accepts its key and no other.
    let node = Client::new(policy).connect(url).await?.node().clone();
    node.accepts_model(model)?;
    let http = reqwest::Client::builder().tls_backend_preconfigured(tls_config_pinned(&node)).build()?;

    // 2. Ask under a fresh nonce.
    let body = serde_json::json!({
        "model": model,
        "stream": true,
        "messages": [{ "role": "user", "content": question }],
    });
    let request = Request { method: "POST".into(), target: Client::CHAT.into(), body: body.to_string().into() };
    let nonce = quoth_client::fresh_nonce()?;
    let mut response = http
        .post(format!("{}{}", url.trim_end_matches('/'), request.target))
        .header("content-type", "application/json")
        .header("quoth-nonce", nonce.to_string())
        .body(request.body.clone())
        .send()
        .await?;

    // 3. Verify the stream as it passes.
    let headers = response.headers();
    let head = ResponseHead {
        status: response.status().as_u16(),
        cti: Some(header(headers, "quoth-cti")?.parse()?),
        opening: header(headers, "quoth-opening")?.parse()?,
        nonce: Some(nonce),
    };
    let mut stream = node.verify_stream(&request, head);
    while let Some(bytes) = response.chunk().await? {
        let pushed = stream.push(&bytes).map_err(Refusal::from)?;
        print!("{}", String::from_utf8_lossy(&pushed.body)); // provisional, until:
    }
    let exchange = stream.finish()?; // every byte is accounted for, or this is an error
    println!("receipt {} of node {}", exchange.receipt().claims().seq, node.digest());
    Ok(())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Box<dyn Error>> {
    Ok(headers.get(name).ok_or_else(|| format!("the answer has no {name}"))?.to_str()?)
}
