//! What an SDK does with a socket: plain HTTP/1.1, read piece by piece.
#![allow(clippy::unwrap_used, unreachable_pub)]

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An answer that is being read.
pub struct Answer {
    pub status: u16,
    pub head: String,
    stream: BufReader<TcpStream>,
}

/// How a body ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// As HTTP says it should.
    Whole,
    /// The connection broke: SDKs raise.
    Broken,
}

/// Sends a request as it is written here.
pub async fn send(address: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "no answer");
    }
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head: head.to_lowercase(), stream }
}

pub async fn post(address: SocketAddr, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("POST {target} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    send(address, &format!("{head}\r\n"), body).await
}

pub async fn get(address: SocketAddr, target: &str) -> Answer {
    send(address, &format!("GET {target} HTTP/1.1\r\nhost: {address}\r\n\r\n"), b"").await
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The next chunk of a body in chunks.
    pub async fn chunk(&mut self) -> Result<String, End> {
        let mut size = String::new();
        self.stream.read_line(&mut size).await.map_err(|_| End::Broken)?;
        let size = usize::from_str_radix(size.trim_end(), 16).map_err(|_| End::Broken)?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.map_err(|_| End::Broken)?;
        chunk.truncate(size);
        match size {
            0 => Err(End::Whole),
            _ => Ok(String::from_utf8(chunk).unwrap()),
        }
    }

    /// All of the body that comes.
    pub async fn body(mut self) -> (String, End) {
        let mut body = String::new();
        let Some(length) = self.header("content-length") else {
            loop {
                match self.chunk().await {
                    Ok(chunk) => body += &chunk,
                    Err(end) => return (body, end),
                }
            }
        };
        let mut bytes = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut bytes).await.unwrap();
        (String::from_utf8(bytes).unwrap(), End::Whole)
    }

    pub async fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.body().await.0).unwrap()
    }
}
