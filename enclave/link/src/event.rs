//! Events of the enclave and commands of the host: one JSON object per line, with names and numbers only.

use bytes::BytesMut;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Frame, LinkError, Name};

/// Maximum length of a line without the line end, bytes.
pub const MAX_LINE: usize = 16 * 1024;

/// What an enclave reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A boot step has finished.
    Boot {
        /// The step.
        step: Name,
        /// How long it took, milliseconds.
        ms: u64,
    },
    /// The enclave answers requests. Sent again on every new connection.
    Ready(Ready),
    /// A step failed, and the enclave stops.
    Fatal {
        /// The step.
        step: Name,
        /// The reason, as a stable code.
        code: Name,
    },
    /// Counters, sent once a second.
    Status(Status),
    /// The enclave has drained and stops.
    Stopped {},
}

/// The identity of a ready enclave. It is not evidence; the host writes it into its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// The instance.
    #[serde(with = "lower_hex")]
    pub instance: [u8; 16],
    /// Digest of the node statement.
    #[serde(with = "lower_hex")]
    pub node: [u8; 32],
    /// The authority that signed the TLS certificate, PEM.
    pub ca: Pem,
    /// SHA-256 of the simulated platform's root certificate, DER.
    #[serde(with = "lower_hex_or_null")]
    pub simulated_root: Option<[u8; 32]>,
    /// The receipt key, raw Ed25519.
    #[serde(with = "lower_hex")]
    pub receipt_key: [u8; 32],
}

/// Counters of a running enclave. They count from the boot unless they say "now".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Time since the boot, milliseconds.
    pub uptime_ms: u64,
    /// Connections that are open now.
    pub connections: u64,
    /// Exchanges that are running now.
    pub running: u64,
    /// Receipts signed.
    pub receipts: u64,
    /// Receipts that the journal has not acknowledged yet.
    pub unacknowledged: u64,
    /// Prompt tokens processed.
    pub prompt_tokens: u64,
    /// Completion tokens generated.
    pub completion_tokens: u64,
}

/// What a host orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Accept no more connections, finish the running exchanges, hand over the receipts, then stop.
    Drain {},
}

/// A certificate as text (RFC 7468): printable ASCII lines between the certificate markers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pem(String);

impl Pem {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Pem {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let body = text
            .trim_ascii_end()
            .strip_prefix("-----BEGIN CERTIFICATE-----")
            .and_then(|rest| rest.strip_suffix("-----END CERTIFICATE-----"));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte);
        match body {
            Some(body) if body.bytes().all(fits) => Ok(Self(text)),
            _ => Err("not one certificate in PEM"),
        }
    }
}

impl From<Pem> for String {
    fn from(pem: Pem) -> Self {
        pem.0
    }
}

impl Frame for Event {
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError> {
        take(buffer, "event")
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        put(self, buffer);
    }
}

impl Frame for Command {
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError> {
        take(buffer, "command")
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        put(self, buffer);
    }
}

fn take<T: DeserializeOwned>(buffer: &mut BytesMut, what: &'static str) -> Result<Option<T>, LinkError> {
    let seen = buffer.len().min(MAX_LINE + 1);
    match buffer[..seen].iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let line = buffer.split_to(end + 1);
            serde_json::from_slice(&line[..end]).map(Some).map_err(|_| LinkError::Malformed { what })
        }
        None if seen > MAX_LINE => Err(LinkError::Length { what, expected: "16 KiB at most", actual: seen as u64 }),
        None => Ok(None),
    }
}

fn put<T: Serialize>(message: &T, buffer: &mut Vec<u8>) {
    // safe: these types have string keys only, and a Vec never fails to take bytes
    serde_json::to_writer(&mut *buffer, message).expect("plain types serialise");
    buffer.push(b'\n');
}

mod lower_hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(from)?;
        crate::feed::unhex(text.as_bytes()).ok_or_else(|| D::Error::custom("not lower-case hex of this length"))
    }
}

mod lower_hex_or_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Option<[u8; 32]>, to: S) -> Result<S::Ok, S::Error> {
        bytes.map(hex::encode).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u8; 32]>, D::Error> {
        let unhex = |text: String| crate::feed::unhex(text.as_bytes());
        Option::<String>::deserialize(from)?
            .map(|text| unhex(text).ok_or_else(|| D::Error::custom("not lower-case hex of this length")))
            .transpose()
    }
}
