//! Egress: the enclave names a destination, the host answers whether it leads there, and after `ok` bytes pass both ways.
//! What passes is TLS that the enclave ends: a host that leads elsewhere leads to somebody who cannot authenticate.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::LinkError;
use crate::feed::read_line;

/// A host's name, characters, at most (RFC 1035 §2.3.4).
pub const MAX_HOST: usize = 253;
/// Characters between two of its dots, at most.
pub const MAX_LABEL: usize = 63;
/// Longest request line without its end: host, colon, port.
const MAX_REQUEST: usize = MAX_HOST + 1 + 5;
/// Longest answer line without its end.
const MAX_ANSWER: usize = 11;

/// Where to: a host in its one spelling, and a TCP port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    host: String,
    port: u16,
}

/// What a host says of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The stream leads there from here on.
    Ok,
    /// It is not on the host's list.
    Refused,
    /// No address was found for its name.
    Unresolved,
    /// None of its addresses took a connection in time, or the host has too many connections already.
    Unreachable,
}

impl Destination {
    /// `host`: a DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// [`LinkError::Malformed`] for every other spelling, and for port 0.
    pub fn new(host: &str, port: u16) -> Result<Self, LinkError> {
        match is_host(host) && port != 0 {
            true => Ok(Self { host: host.to_owned(), port }),
            false => Err(LinkError::Malformed { what: "destination" }),
        }
    }

    /// The host; an IPv6 address with its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The line, without its end.
    pub fn to_line(&self) -> String {
        self.to_string()
    }

    /// Reads a line, without its end; there is one spelling of each destination.
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

    /// Enclave: asks to be led there. Once this returns, the stream leads there, as far as the host says.
    ///
    /// # Errors
    /// [`LinkError::DestinationRefused`], [`LinkError::DestinationUnresolved`] or [`LinkError::DestinationUnreachable`]
    /// when the host answers so; others for a broken stream.
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
    /// [`LinkError`] for anything but one request line.
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
    /// The line, without its end.
    pub fn to_line(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::Unreachable => "unreachable",
        }
    }

    /// Reads a line, without its end.
    ///
    /// # Errors
    /// [`LinkError::Malformed`].
    pub fn parse(line: &[u8]) -> Result<Self, LinkError> {
        let answers = [Self::Ok, Self::Refused, Self::Unresolved, Self::Unreachable];
        let answer = answers.into_iter().find(|answer| answer.to_line().as_bytes() == line);
        answer.ok_or(LinkError::Malformed { what: "egress answer" })
    }
}

/// Host: answers a request; after [`Answer::Ok`] the stream must lead to the destination.
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

/// Letters, digits and hyphens (RFC 1123 §2.1), in lower case.
fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Resolvers take a name that ends so for an IPv4 address in one of its many other spellings: `127.1`, `0x7f000001`.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hex || !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit())
}
