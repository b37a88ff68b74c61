//! Egress: the enclave names a destination, the host answers, and after `ok` bytes pass in both directions.
//!
//! The bytes are TLS that ends in the enclave. If the host connects to another server, that server cannot authenticate.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::LinkError;
use crate::feed::read_line;

/// Maximum length of a host's name, characters (RFC 1035 §2.3.4).
pub const MAX_HOST: usize = 253;
/// Maximum length of a label, the part between two dots, characters.
pub const MAX_LABEL: usize = 63;
/// Maximum length of a request line (host, colon, port) without the line end.
const MAX_REQUEST: usize = MAX_HOST + 1 + 5;
/// Maximum length of an answer line without the line end.
const MAX_ANSWER: usize = 11;

/// A host in its only accepted spelling, and a TCP port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    host: String,
    port: u16,
}

/// What the link's host answers to a request for a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The host is connected. The stream now leads to the destination.
    Ok,
    /// The destination is not on the host's list.
    Refused,
    /// The host found no address for the name.
    Unresolved,
    /// No address accepted a connection in time, or the host has too many connections.
    Unreachable,
}

impl Destination {
    /// Checks and takes `host`: a DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// [`LinkError::Malformed`] for any other spelling and for port 0.
    pub fn new(host: &str, port: u16) -> Result<Self, LinkError> {
        match is_host(host) && port != 0 {
            true => Ok(Self { host: host.to_owned(), port }),
            false => Err(LinkError::Malformed { what: "destination" }),
        }
    }

    /// Returns the host. An IPv6 address has its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the request line without the line end.
    pub fn to_line(&self) -> String {
        self.to_string()
    }

    /// Reads a request line without the line end. Each destination has exactly one spelling.
    ///
    /// # Errors
    /// [`LinkError::Malformed`].
    pub fn parse(line: &[u8]) -> Result<Self, LinkError> {
        let destination = (|| {
            let (host, port) = str::from_utf8(line).ok()?.rsplit_once(':')?;
            Self::new(host, port.parse().ok()?).ok()
        })();
        match destination {
            Some(destination) if destination.to_line().as_bytes() == line => Ok(destination),
            _ => Err(LinkError::Malformed { what: "destination" }),
        }
    }

    /// Enclave: asks for a connection. After success the stream leads to the destination, according to the host.
    ///
    /// # Errors
    /// [`LinkError::DestinationRefused`], [`LinkError::DestinationUnresolved`] or [`LinkError::DestinationUnreachable`] if
    /// the host answers so, other errors for a broken stream.
    pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> Result<(), LinkError> {
        stream.write_all(format!("{}\n", self.to_line()).as_bytes()).await?;
        stream.flush().await?;
        match Answer::parse(&read_line::<_, MAX_ANSWER>(stream, "egress answer").await?)? {
            Answer::Ok => Ok(()),
            Answer::Refused => Err(LinkError::DestinationRefused),
            Answer::Unresolved => Err(LinkError::DestinationUnresolved),
            Answer::Unreachable => Err(LinkError::DestinationUnreachable),
        }
    }

    /// Host: reads a request.
    ///
    /// # Errors
    /// [`LinkError`] if the stream does not begin with one request line.
    pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Self, LinkError> {
        Self::parse(&read_line::<_, MAX_REQUEST>(stream, "destination").await?)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for Destination {
    type Error = LinkError;

    fn try_from(text: String) -> Result<Self, LinkError> {
        Self::parse(text.as_bytes())
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_line()
    }
}

impl Answer {
    /// Returns the answer line without the line end.
    pub fn to_line(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::Unreachable => "unreachable",
        }
    }

    /// Reads an answer line without the line end.
    ///
    /// # Errors
    /// [`LinkError::Malformed`].
    pub fn parse(line: &[u8]) -> Result<Self, LinkError> {
        let answers = [Self::Ok, Self::Refused, Self::Unresolved, Self::Unreachable];
        let answer = answers.into_iter().find(|answer| answer.to_line().as_bytes() == line);
        answer.ok_or(LinkError::Malformed { what: "egress answer" })
    }
}

/// Host: answers a request. After [`Answer::Ok`] the stream must lead to the destination.
///
/// # Errors
/// [`LinkError::Io`].
pub async fn answer<S: AsyncWrite + Unpin>(stream: &mut S, answer: Answer) -> Result<(), LinkError> {
    stream.write_all(format!("{}\n", answer.to_line()).as_bytes()).await?;
    Ok(stream.flush().await?)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
    }
    if host.rsplit('.').next().is_some_and(is_number) {
        return host.parse::<Ipv4Addr>().is_ok_and(|parsed| parsed.to_string() == host);
    }
    host.len() <= MAX_HOST && host.split('.').all(is_label)
}

/// Letters in lower case, digits and hyphens (RFC 1123 §2.1).
fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Resolvers read a name that ends in a number as an IPv4 address, for example `127.1` or `0x7f000001`.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hex || !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit())
}
