//! A thousand streams at once.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::Duration;

use quoth_fake_provider::{Options, Provider};
use support::{Client, ask_chat};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams() {
    let pause = Duration::from_millis(100);
    let provider = Provider::start(Options { deltas: Some(10), pause, ..Options::default() });
    let mut streams = Vec::new();
    for _ in 0..10 {
        let Client::Http2(sender) = Client::new(&provider, "h2").await.unwrap() else { unreachable!() };
        for _ in 0..100 {
            let (sender, request) = (sender.clone(), ask_chat(&provider, true));
            streams.push(tokio::spawn(async move { Client::Http2(sender).answer(request).await.unwrap() }));
        }
    }
    for stream in streams {
        assert_eq!(stream.await.unwrap().events().len(), 12);
    }
    assert_eq!(provider.requests().len(), 1_000);
}
