//! Certificates, versions, and the recorded requests.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use hyper::{Method, Version};
use quoth_fake_provider::{Behaviour, Options, Provider};
use rustls::ProtocolVersion;
use serde_json::json;
use support::{BOTH, Client, ask, ask_chat, chat, good, openai, tls, which};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_request_is_kept_as_it_came() {
    let provider = good();
    for (number, alpn) in BOTH.into_iter().enumerate() {
        let mut request = ask_chat(&provider, false);
        request.headers_mut().insert("x-bytes", b"\xe4".as_slice().try_into().unwrap());
        if alpn == "http/1.1" {
            *request.uri_mut() = "/v1/chat/completions?a=%20b".parse().unwrap();
        }
        ask(&provider, alpn, request).await.unwrap();

        let kept = &provider.requests()[number];
        assert_eq!((kept.connection, kept.complete), (number as u64, true));
        assert_eq!((kept.tls, kept.alpn.as_deref()), (ProtocolVersion::TLSv1_3, Some(alpn)));
        assert_eq!(kept.server_name.as_deref(), Some("localhost"));
        assert_eq!(kept.method, Method::POST);
        assert_eq!(kept.body, chat(false).to_string());
        assert_eq!(kept.header("Authorization"), Some(&*format!("Bearer {}", provider.key())));
        assert!(kept.headers.contains(&("x-bytes".into(), vec![0xe4])));
        if alpn == "h2" {
            assert_eq!((kept.version, &*kept.target), (Version::HTTP_2, "/v1/chat/completions"));
            assert_eq!(kept.authority, Some(format!("localhost:{}", provider.port())));
        } else {
            assert_eq!((kept.version, &*kept.target), (Version::HTTP_11, "/v1/chat/completions?a=%20b"));
        }
    }
}

#[tokio::test]
async fn half_a_request_is_kept_too() {
    let provider = good();
    let mut stream = tls(&provider, "http/1.1").await.unwrap();
    stream.write_all(b"POST /v1/responses HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    drop(stream);
    while provider.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let kept = &provider.requests()[0];
    assert_eq!((&*kept.body, kept.complete), (&b"half"[..], false));
}

#[tokio::test]
async fn bad_certificates_are_refused_and_may_become_good() {
    for (behaviour, reason) in [
        (Behaviour::WrongName, "NotValidForName"),
        (Behaviour::UnknownCa, "UnknownIssuer"),
        (Behaviour::Expired, "expired"),
    ] {
        let provider = which(behaviour.clone());
        let error = tls(&provider, "h2").await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(reason) || said.contains("not valid for name"), "{behaviour:?}: {said}");
        provider.behave(Behaviour::Good);
        assert!(ask(&provider, "h2", ask_chat(&provider, false)).await.unwrap().status.is_success());
        provider.behave(behaviour);
        tls(&provider, "h2").await.unwrap_err();
        assert_eq!(provider.requests().len(), 1);
    }
}

#[tokio::test]
async fn old_tls_and_old_http_when_told() {
    let provider = which(Behaviour::Tls12Only);
    ask(&provider, "h2", ask_chat(&provider, false)).await.unwrap();
    assert_eq!(provider.requests()[0].tls, ProtocolVersion::TLSv1_2);

    let provider = Provider::start(Options { http1_only: true, ..Options::default() });
    tls(&provider, "h2").await.unwrap_err();
    ask(&provider, "http/1.1", ask_chat(&provider, false)).await.unwrap();
}

#[tokio::test]
async fn its_own_key_and_name_and_end() {
    let names = vec!["api.provider.example".to_owned()];
    let provider = Provider::start(Options { key: "k".into(), names, ..Options::default() });
    assert_eq!(provider.key(), "k");
    tls(&provider, "h2").await.unwrap_err();

    let provider = good();
    let mut client = Client::new(&provider, "http/1.1").await.unwrap();
    let port = provider.port();
    let models = || openai(&provider, Method::GET, "/v1/models", &json!(""));
    let again = models();
    assert!(client.answer(models()).await.unwrap().status.is_success());
    drop(provider);
    assert!(client.answer(again).await.is_err());
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
