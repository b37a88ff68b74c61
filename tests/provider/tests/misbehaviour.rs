//! Each misbehaviour works as described, and ends on request.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use quoth_fake_provider::{Behaviour, FALSE_RECORD, LineEnd, Notice, Provider, TRAILER};
use serde_json::{Value, json};
use support::{Answer, BOTH, Client, anthropic, ask, ask_chat, good, raw, tls, which};
use tokio::time::timeout;

const SOON: Duration = Duration::from_millis(200);

async fn stream(provider: &Provider, alpn: &str) -> Answer {
    ask(provider, alpn, ask_chat(provider, true)).await.unwrap()
}

async fn plain(provider: &Provider, alpn: &str) -> Answer {
    ask(provider, alpn, ask_chat(provider, false)).await.unwrap()
}

#[tokio::test]
async fn no_connection_and_no_answer() {
    let provider = which(Behaviour::CloseAtAccept);
    tls(&provider, "h2").await.unwrap_err();
    provider.behave(Behaviour::CloseBeforeAnswer);
    for alpn in BOTH {
        assert!(ask(&provider, alpn, ask_chat(&provider, true)).await.is_err());
    }
    let (bytes, end) = raw(&provider, true, usize::MAX).await;
    assert_eq!((bytes.len(), end.unwrap_err().kind()), (0, ErrorKind::UnexpectedEof));
    assert_eq!(provider.requests().len(), 3);
    provider.behave(Behaviour::Good);
    assert_eq!(stream(&provider, "h2").await.data().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn cut_with_a_goodbye_and_without() {
    let provider = good();
    for close_notify in [false, true] {
        for after_events in [0, 1, 3] {
            provider.behave(Behaviour::Cut { after_events, close_notify });
            for alpn in BOTH {
                let answer = stream(&provider, alpn).await;
                assert_eq!((answer.events().len(), answer.whole), (after_events, false));
                let answer = plain(&provider, alpn).await;
                assert!(!answer.whole && answer.body.starts_with(b"{") && !answer.body.ends_with(b"}"));
            }
            for streaming in [false, true] {
                let (bytes, end) = raw(&provider, streaming, usize::MAX).await;
                assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
                assert_eq!(
                    end.map_err(|error| error.kind()),
                    if close_notify { Ok(()) } else { Err(ErrorKind::UnexpectedEof) }
                );
            }
        }
    }
}

#[tokio::test]
async fn an_early_end_is_an_end() {
    let provider = which(Behaviour::EndEarly { after_events: 2 });
    for alpn in BOTH {
        let answer = stream(&provider, alpn).await;
        assert_eq!((answer.events().len(), answer.whole), (2, true));
    }
}

#[tokio::test]
async fn stalls() {
    let provider = good();
    for alpn in BOTH {
        provider.behave(Behaviour::StallBeforeHead);
        assert!(timeout(SOON, ask(&provider, alpn, ask_chat(&provider, true))).await.is_err());

        provider.behave(Behaviour::StallMidStream { after_events: 2 });
        let mut client = Client::new(&provider, alpn).await.unwrap();
        let mut body = client.send(ask_chat(&provider, true)).await.unwrap().into_body();
        let mut bytes = Vec::new();
        let stalled = timeout(SOON, async {
            while let Some(frame) = body.frame().await {
                bytes.extend(frame.unwrap().into_data().unwrap());
            }
        });
        stalled.await.unwrap_err();
        assert_eq!(String::from_utf8(bytes).unwrap().matches("data: ").count(), 2);
        assert!(timeout(SOON, plain(&provider, alpn)).await.is_err());
    }
}

#[tokio::test]
async fn malformed_streams() {
    let provider = good();
    for alpn in BOTH {
        provider.behave(Behaviour::NoEvents);
        let answer = stream(&provider, alpn).await;
        assert!(answer.text().starts_with("HTTP/1.1 200 OK\n") && answer.text().ends_with("[DONE]\n\n"));

        provider.behave(Behaviour::UnfinishedLine);
        let answer = stream(&provider, alpn).await;
        assert!(answer.whole && answer.text().ends_with("\n\ndata: {\"id\":\"never"));

        provider.behave(Behaviour::InvalidUtf8);
        let answer = stream(&provider, alpn).await;
        assert!(answer.whole && str::from_utf8(&answer.body).is_err() && answer.body.ends_with(b"[DONE]\n\n"));

        provider.behave(Behaviour::BytesAfterEnd);
        let answer = stream(&provider, alpn).await;
        assert!(answer.text().contains("data: [DONE]\n\ndata: {\"after\""));
        assert!(plain(&provider, alpn).await.text().contains("}\n{\"after\""));

        provider.behave(Behaviour::EndlessLine);
        let mut client = Client::new(&provider, alpn).await.unwrap();
        let mut body = client.send(ask_chat(&provider, true)).await.unwrap().into_body();
        let mut last = 0;
        while last < 4 << 20 {
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            last = if data.contains(&b'\n') { 0 } else { last + data.len() };
        }
    }
}

#[tokio::test]
async fn false_records() {
    let provider = good();
    for alpn in BOTH {
        for after in [LineEnd::Lf, LineEnd::Cr, LineEnd::CrLf, LineEnd::Blank] {
            for split in [false, true] {
                provider.behave(Behaviour::FalseRecord { after, split });
                let answer = stream(&provider, alpn).await;
                let text = answer.text();
                let (before, rest) = text.split_once(&format!("{}{FALSE_RECORD}\n\n", after.bytes())).unwrap();
                assert!(before.starts_with("data: {") && before.ends_with('}'), "{before:?}");
                assert!(rest.starts_with("data: {") && rest.ends_with("data: [DONE]\n\n"));
            }
        }
    }
}

#[tokio::test]
async fn endless_headers() {
    let provider = good();
    for behaviour in [Behaviour::EndlessFields, Behaviour::EndlessField] {
        provider.behave(behaviour.clone());
        for alpn in BOTH {
            // The client gives up, not the provider.
            let error =
                timeout(Duration::from_secs(20), ask(&provider, alpn, ask_chat(&provider, true))).await.unwrap();
            assert!(error.is_err(), "{behaviour:?} {alpn}");
        }
        let (bytes, end) = raw(&provider, true, 4 << 20).await;
        end.unwrap();
        assert!(!String::from_utf8(bytes).unwrap().contains("\r\n\r\n"));
    }
}

#[tokio::test]
async fn gzip_that_grows() {
    let provider = good();
    let honest = [plain(&provider, "h2").await.body.len(), stream(&provider, "h2").await.body.len()];
    for (blanks, most) in [(0, 4_000), (1, 4_000), (258, 4_000), (259, 4_000), (64 << 20, 72_000)] {
        provider.behave(Behaviour::Gzip { blanks });
        for (answer, honest) in [plain(&provider, "h2").await, stream(&provider, "http/1.1").await].iter().zip(honest) {
            assert_eq!(answer.header("content-encoding"), "gzip");
            assert!(answer.body.len() < most, "{} on the wire", answer.body.len());
            let inflated = gunzip(&answer.body);
            assert_eq!(inflated.len(), honest + usize::try_from(blanks).unwrap());
            assert!(inflated[honest..].iter().all(|&byte| byte == b' '));
        }
        assert!(serde_json::from_slice::<Value>(&gunzip(&plain(&provider, "h2").await.body)).is_ok());
    }
}

/// Decodes gzip with another implementation, which checks checksum and length.
fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = gzip.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[tokio::test]
async fn other_statuses() {
    let provider = good();
    for alpn in BOTH {
        for status in [302, 307] {
            provider.behave(Behaviour::Redirect { status, location: "https://elsewhere.example/v1".into() });
            let answer = stream(&provider, alpn).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (status, "https://elsewhere.example/v1"));
        }

        provider.behave(Behaviour::RateLimited { retry_after: 7 });
        let answer = stream(&provider, alpn).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "7"));
        assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
        let answer = ask(&provider, alpn, anthropic(&provider, &json!({}))).await.unwrap();
        assert_eq!(answer.json()["error"]["type"], "rate_limit_error");

        provider.behave(Behaviour::Unavailable);
        let answer = plain(&provider, alpn).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json()["error"]["type"], "server_error");
        let answer = ask(&provider, alpn, anthropic(&provider, &json!({}))).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["type"]), (529, &json!("overloaded_error")));

        provider.behave(Behaviour::HtmlError);
        let answer = plain(&provider, alpn).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (500, "text/html"));
        assert!(answer.text().starts_with("<html>"));
    }
}

#[tokio::test]
async fn answers_too_long_or_unlabelled_or_with_more() {
    let provider = good();
    for alpn in BOTH {
        provider.behave(Behaviour::LongJson { bytes: 1 << 20 });
        let answer = plain(&provider, alpn).await;
        assert!(answer.body.len() > 1 << 20 && answer.header("content-length").is_empty());
        assert_eq!(answer.json()["object"], "chat.completion");
        let answer = stream(&provider, alpn).await;
        assert!(answer.data()[0].len() > 1 << 20);
        assert_eq!(answer.events()[0]["object"], "chat.completion.chunk");

        provider.behave(Behaviour::NoContentType);
        assert!(!stream(&provider, alpn).await.headers.contains_key("content-type"));

        provider.behave(Behaviour::Trailers);
        for answer in [stream(&provider, alpn).await, plain(&provider, alpn).await] {
            assert!(answer.whole);
            assert_eq!(answer.trailers.unwrap()[TRAILER.0], TRAILER.1);
        }
    }
}

#[tokio::test]
async fn requests_that_it_did_not_process() {
    for by in [Notice::GoAway, Notice::RefusedStream] {
        let provider = which(Behaviour::Unprocessed { times: 2, by });
        for _ in 0..2 {
            assert!(ask(&provider, "h2", ask_chat(&provider, true)).await.is_err(), "{by:?}");
        }
        assert_eq!(stream(&provider, "h2").await.data().last(), Some(&"[DONE]"), "{by:?}");
    }
}
