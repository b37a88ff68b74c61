//! Tests of the connection between two peers, for the relay and for egress.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

pub const SOON: Duration = Duration::from_secs(20);

/// Returns bytes that show any loss, repetition or reordering.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64 / 8).flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect()
}

/// Checks that bytes pass unchanged in both directions at once.
pub async fn echoes<A, B>(mut caller: A, server: B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Send + 'static,
{
    let bytes = pattern(20 << 20);
    let echo = tokio::spawn(async move {
        let (mut reader, mut writer) = split(server);
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let (mut reader, mut writer) = split(&mut caller);
    let mut back = Vec::new();
    let send = async {
        writer.write_all(&bytes).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    timeout(SOON, async { tokio::join!(send, async { reader.read_to_end(&mut back).await.unwrap() }) }).await.unwrap();
    assert!(back == bytes);
    echo.await.unwrap();
}

/// Checks that bytes and the end of one direction arrive at the other peer.
pub async fn hears(speaker: &mut (impl AsyncWrite + Unpin), listener: &mut (impl AsyncRead + Unpin), words: &[u8]) {
    speaker.write_all(words).await.unwrap();
    speaker.shutdown().await.unwrap();
    all(listener, words).await;
}

/// Checks the same for a peer that closes the whole connection.
pub async fn hears_last(mut speaker: impl AsyncWrite + Unpin, listener: &mut (impl AsyncRead + Unpin), words: &[u8]) {
    speaker.write_all(words).await.unwrap();
    drop(speaker);
    all(listener, words).await;
}

async fn all(listener: &mut (impl AsyncRead + Unpin), words: &[u8]) {
    let mut bytes = Vec::new();
    timeout(SOON, listener.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes, words);
}

/// Checks back-pressure: a peer that does not read stops the other from writing.
pub async fn is_stopped(mut writer: impl AsyncWrite + Unpin) {
    let block = vec![0; 1 << 20];
    let mut passed = 0;
    while passed < 256 && timeout(Duration::from_millis(500), writer.write_all(&block)).await.is_ok() {
        passed += 1;
    }
    assert!(passed < 64, "{passed} MiB went to a peer that reads nothing");
}

pub async fn falls_to(counter: &AtomicU64, count: u64) {
    let fallen = async {
        while counter.load(Ordering::Relaxed) > count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, fallen).await.unwrap();
}
