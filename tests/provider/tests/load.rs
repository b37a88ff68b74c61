//! A thousand streams at once, and clients that leave.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::Duration;

use http_body_util::BodyExt;
use quoth_fake_provider::{Behaviour, Options, Provider};
use support::{BOTH, Client, ask_chat};

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
    assert_eq!((provider.requests().len(), provider.unfinished()), (1_000, 0));
}

#[tokio::test]
async fn clients_that_leave_are_counted() {
    let provider = Provider::start(Options { pause: Duration::from_millis(20), ..Options::default() });
    let mut left = 0;
    for alpn in BOTH {
        for stream in [false, true] {
            Client::new(&provider, alpn).await.unwrap().answer(ask_chat(&provider, stream)).await.unwrap();
        }
        let mut client = Client::new(&provider, alpn).await.unwrap();
        let mut body = client.send(ask_chat(&provider, true)).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop((body, client));
        provider.behave(Behaviour::StallBeforeHead);
        let mut client = Client::new(&provider, alpn).await.unwrap();
        let waited = client.send(ask_chat(&provider, false));
        assert!(tokio::time::timeout(Duration::from_millis(50), waited).await.is_err());
        drop(client);
        provider.behave(Behaviour::Good);
        left += 2;
        while provider.unfinished() < left {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(provider.unfinished(), 4);
}
