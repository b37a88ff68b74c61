//! One request, and the verification of its answer.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request as HttpRequest, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use quoth_attestation::binding::Nonce;
use quoth_attestation::commit::Opening;
use quoth_attestation::headers::{self, is_event_stream};
use quoth_attestation::record::Kind;
use quoth_attestation::transcript::{Details, Request, Response, Transcript};
use quoth_attestation::{Digest, ExchangeId};
use quoth_verifier::{
    Pushed, Refusal, ResponseHead, StreamVerifier, VerifiedDetails, VerifiedExchange, VerifiedHead, VerifiedNode,
};

use crate::connector::{fresh_nonce, read_body, refuse_status, retry_after, within};
use crate::{ClientError, Connection, Step, limits};

const CTI: &str = "quoth-cti";
const CONTENT_TYPE: &str = "content-type";
const HEAD: &str = "quoth-head";
const NODE: &str = "quoth-node";
const OPENING: &str = "quoth-opening";
const RECEIPT: &str = "quoth-receipt";

/// Options of a request.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Asks the node to keep, for one reading, what only it knows (rendered prompt, token ids, sampling as used), and reads it.
    pub details: bool,
    /// Asks the node for a head of its log that covers the receipt, for a contract.
    pub head: bool,
    /// Digest of an earlier receipt's payload that this request continues.
    pub parent: Option<Digest>,
    /// How often (0 to 3) the node may repeat a request after a provider's 429 or 503.
    pub retries: u64,
    /// Further headers, such as a provider's key. None may begin with `quoth-`, except `quoth-token`. A `content-type` replaces
    /// `application/json`.
    pub headers: HeaderMap,
}

/// An answer that is being received. Its bytes are provisional until [`Exchange::finish`] succeeds.
///
/// Only the event that ends a stream for SDKs (such as `data: [DONE]`) waits for the verdict.
pub struct Exchange {
    connection: Connection,
    incoming: Incoming,
    request: Request,
    cti: ExchangeId,
    head: ResponseHead,
    headers: HeaderMap,
    details: bool,
    state: State,
    record: Record,
}

/// An exchange whose every byte is proven.
#[non_exhaustive]
pub struct Proven {
    /// The verdict.
    pub exchange: VerifiedExchange,
    /// The opened commitments, if [`Options::details`] asked for them.
    pub details: Option<VerifiedDetails>,
    /// A head of the node's log that covers the receipt, if [`Options::head`] asked for it and the node signed one.
    pub head: Option<VerifiedHead>,
    /// The exchange in one file, for an auditor.
    pub transcript: Transcript,
    /// The connection, for the next request.
    pub connection: Connection,
}

enum State {
    /// An event stream that is verified as it arrives.
    Stream(Box<StreamVerifier>),
    /// An answer in one piece, with its receipt in the head.
    Whole { receipt: Vec<u8>, head: Option<Vec<u8>> },
    /// Verified to its end.
    Proven(Box<VerifiedExchange>),
    /// Refused or failed, and already reported.
    Failed,
}

/// Data for the transcript.
#[derive(Default)]
struct Record {
    received: usize,
    body: Vec<u8>,
    /// Number of body bytes handed over.
    handed: usize,
    checkpoints: Vec<Vec<u8>>,
    receipt: Option<Vec<u8>>,
    head: Option<Vec<u8>>,
}

impl Connection {
    /// Sends `body` with a fresh nonce, and waits for the response head.
    ///
    /// # Errors
    /// [`ClientError::Status`] for an error answer without a receipt; a refusal if the head lacks a field that the proof needs.
    pub async fn post(
        mut self,
        target: &str,
        body: impl Into<Vec<u8>>,
        options: Options,
    ) -> Result<Exchange, ClientError> {
        let nonce = fresh_nonce()?;
        let request = Request { method: "POST".into(), target: target.into(), body: body.into() };
        let response = self.send(self.http_request(&request, &nonce, &options)?).await?;
        let (parts, incoming) = response.into_parts();
        let status = parts.status.as_u16();
        if status >= 400 && !parts.headers.contains_key(OPENING) {
            return Err(unproven_error(status, &parts.headers, incoming).await);
        }
        let headers = parts.headers;
        let cti = read_cti(&headers)?;
        check_node(&headers, self.node())?;
        let head = ResponseHead { status, cti: Some(cti), opening: read_opening(&headers)?, nonce: Some(nonce) };
        let state = match optional(&headers, RECEIPT)? {
            Some(receipt) => {
                let head = optional(&headers, HEAD)?.map(|head| base64(head, HEAD)).transpose()?;
                State::Whole { receipt: base64(receipt, RECEIPT)?, head }
            }
            None if optional(&headers, CONTENT_TYPE)?.is_some_and(is_event_stream) => {
                State::Stream(Box::new(self.node().verify_stream(&request, head.clone())))
            }
            None => return Err(ClientError::HeaderMissing { name: RECEIPT }),
        };
        let (details, record) = (options.details, Record::default());
        Ok(Exchange { connection: self, incoming, request, cti, head, headers, details, state, record })
    }

    fn http_request(
        &self,
        request: &Request,
        nonce: &Nonce,
        options: &Options,
    ) -> Result<HttpRequest<crate::connection::RequestBody>, ClientError> {
        let mut builder = HttpRequest::post(&request.target)
            .header(header::HOST, self.endpoint().authority())
            .header("quoth-nonce", nonce.to_string());
        if !options.headers.contains_key(header::CONTENT_TYPE) {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        if options.details {
            builder = builder.header("quoth-details", "1");
        }
        if options.head {
            builder = builder.header(HEAD, "1");
        }
        if options.retries > 0 {
            builder = builder.header("quoth-retries", options.retries.to_string());
        }
        if let Some(parent) = options.parent {
            builder = builder.header("quoth-parent", parent.to_string());
        }
        let passes = |name: &HeaderName| name == headers::TOKEN || !name.as_str().starts_with("quoth-");
        for (name, value) in options.headers.iter().filter(|(name, _)| passes(name)) {
            builder = builder.header(name, value);
        }
        builder
            .body(Full::new(Bytes::copy_from_slice(&request.body)).boxed())
            .map_err(|_| ClientError::Protocol { step: Step::Request })
    }
}

impl Exchange {
    /// The node that answers.
    pub fn node(&self) -> &VerifiedNode {
        self.connection.node()
    }

    /// The exchange's id, by which the node knows its receipt.
    pub fn cti(&self) -> ExchangeId {
        self.cti
    }

    /// The parts of the answer's head that the proof needs. Its opening reveals what the receipt commits to, so keep it as secret
    /// as the exchange itself.
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// The answer's header fields, sent from inside the node. The receipt does not cover them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns true if the answer is an event stream that has not ended.
    pub fn is_stream(&self) -> bool {
        matches!(self.state, State::Stream(_))
    }

    /// Returns true if every byte was handed over and is proven.
    pub fn is_proven(&self) -> bool {
        matches!(self.state, State::Proven(_))
    }

    /// Returns the next bytes of the body, without Quoth's records; `None` when the whole exchange is proven. A stream arrives in
    /// whole events. The event that ends it, or that an SDK could take for its end, is returned only after it is proven.
    ///
    /// # Errors
    /// [`ClientError::Refused`] as soon as a byte, a checkpoint or the receipt is not what the node signed; `stream.cut` if the
    /// stream ends, breaks or stalls without a receipt.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Stream(verifier) => self.next_of_stream(verifier).await,
            State::Whole { receipt, head } => self.whole(receipt, head).await.map(Some),
            State::Proven(exchange) => {
                self.state = State::Proven(exchange);
                Ok(None)
            }
            State::Failed => Err(ClientError::Protocol { step: Step::Response }),
        }
    }

    /// Reads the rest of the body, and the details if they were asked for.
    ///
    /// # Errors
    /// Those of [`Exchange::next`], and a refusal if the details are not what the receipt commits to.
    pub async fn finish(mut self) -> Result<Proven, ClientError> {
        while self.next().await?.is_some() {}
        let State::Proven(exchange) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(ClientError::Protocol { step: Step::Response });
        };
        let details = match self.details && exchange.receipt().claims().execution.is_some() {
            true => Some(self.fetch_details().await?),
            false => None,
        };
        let verified = details.as_ref().map(|details| exchange.verify_details(details)).transpose()?;
        let head = self.record.head.as_ref().map(|head| exchange.receipt().verify_in_log(head)).transpose()?;
        let transcript = Transcript { details, ..self.transcript() };
        Ok(Proven { exchange: *exchange, details: verified, head, transcript, connection: self.connection })
    }

    /// The exchange so far. Without a receipt it proves only what its last checkpoint proves.
    pub fn transcript(&self) -> Transcript {
        Transcript {
            request: self.request.clone(),
            response: Response { status: self.head.status, body: self.record.body.clone() },
            receipt: self.record.receipt.clone(),
            checkpoints: self.record.checkpoints.clone(),
            opening: self.head.opening.clone(),
            nonce: self.head.nonce.clone(),
            evidence: self.connection.evidence().to_vec(),
            details: None,
            log: self.record.head.clone(),
        }
    }

    async fn next_of_stream(&mut self, mut verifier: Box<StreamVerifier>) -> Result<Option<Bytes>, ClientError> {
        loop {
            // A stream that ends, breaks or stalls is judged by what it proved so far.
            let Ok(Some(Ok(frame))) = tokio::time::timeout(limits::IDLE, self.incoming.frame()).await else {
                self.state = State::Proven(Box::new(verifier.finish()?));
                return Ok(self.record.hand_over(self.record.body.len()));
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let pushed = verifier.push(&data).map_err(Refusal::from)?;
            self.record.keep(data.len(), pushed)?;
            if let Some(bytes) = self.record.hand_over(usize::try_from(verifier.passable()).unwrap_or_default()) {
                self.state = State::Stream(verifier);
                return Ok(Some(bytes));
            }
        }
    }

    async fn whole(&mut self, receipt: Vec<u8>, head: Option<Vec<u8>>) -> Result<Bytes, ClientError> {
        let step = Step::Response;
        let work = read_body(&mut self.incoming, limits::RESPONSE_BYTES, step);
        let body = within(limits::HEAD, step, work).await?;
        let verified = self.connection.node().verify_receipt(&receipt)?;
        let exchange = verified.verify_exchange(&self.request, &self.head, &body)?;
        self.state = State::Proven(Box::new(exchange));
        self.record.receipt = Some(receipt);
        self.record.head = head;
        self.record.body = body;
        Ok(Bytes::copy_from_slice(&self.record.body))
    }

    async fn fetch_details(&mut self) -> Result<Details, ClientError> {
        let target = format!("/v1/exchanges/{}", self.cti);
        let credential = format!("Quoth {}", hex::encode(self.head.opening.details_credential()));
        let step = Step::Details;
        let mut value = HeaderValue::from_str(&credential).map_err(|_| ClientError::Protocol { step })?;
        value.set_sensitive(true);
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        let response = self.connection.get_bounded(&target, headers, limits::DETAILS_BYTES, step).await?;
        refuse_status(&response, 200)?;
        Ok(Details::decode(response.body()).map_err(Refusal::from)?)
    }
}

fn read_cti(headers: &HeaderMap) -> Result<ExchangeId, ClientError> {
    let invalid = |_| ClientError::HeaderInvalid { name: CTI, expected: "16 bytes in hex" };
    required(headers, CTI)?.parse().map_err(invalid)
}

/// Checks that the node that answers is the appraised one.
fn check_node(headers: &HeaderMap, node: &VerifiedNode) -> Result<(), ClientError> {
    let mut actual = Digest([0; 32]);
    hex::decode_to_slice(required(headers, NODE)?, &mut actual.0)
        .map_err(|_| ClientError::HeaderInvalid { name: NODE, expected: "32 bytes in hex" })?;
    match node.digest() {
        expected if expected == actual => Ok(()),
        expected => Err(ClientError::NodeChanged { expected, actual }),
    }
}

fn read_opening(headers: &HeaderMap) -> Result<Opening, ClientError> {
    let invalid = |_| ClientError::HeaderInvalid { name: OPENING, expected: "32 bytes in base64url" };
    required(headers, OPENING)?.parse().map_err(invalid)
}

impl Record {
    /// Keeps what the verifier found in `received` bytes.
    fn keep(&mut self, received: usize, pushed: Pushed) -> Result<(), ClientError> {
        self.received = self.received.saturating_add(received);
        if self.received > limits::RESPONSE_BYTES {
            return Err(ClientError::TooLong { step: Step::Response, limit: limits::RESPONSE_BYTES });
        }
        self.body.extend(pushed.body);
        for record in pushed.records {
            match record.kind {
                Kind::Checkpoint => self.checkpoints.push(record.bytes),
                Kind::Receipt => self.receipt = Some(record.bytes),
                Kind::Head => self.head = Some(record.bytes),
            }
        }
        Ok(())
    }

    /// The bytes up to `end` that were not handed over yet.
    fn hand_over(&mut self, end: usize) -> Option<Bytes> {
        let bytes = self.body.get(self.handed..end).filter(|bytes| !bytes.is_empty())?;
        self.handed = end;
        Some(Bytes::copy_from_slice(bytes))
    }
}

/// The error for an answer without a receipt: the node signed nothing.
pub(crate) async fn unproven_error(status: u16, headers: &HeaderMap, incoming: Incoming) -> ClientError {
    let body = read_body(incoming, limits::ERROR_BYTES, Step::Response);
    let body = within(limits::FETCH, Step::Response, body).await.unwrap_or_default();
    ClientError::Status { status, code: error_code(&body), retry_after: retry_after(headers) }
}

/// The `code` of an OpenAI-shaped error, if it is a plain word, because these bytes are not proven.
fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, after) = text.split_once("\"code\":")?;
    let (word, _) = after.trim_start().strip_prefix('"')?.split_once('"')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
    (word.len() <= 64 && !word.is_empty() && word.chars().all(plain)).then(|| word.to_owned())
}

fn required<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, ClientError> {
    optional(headers, name)?.ok_or(ClientError::HeaderMissing { name })
}

fn optional<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, ClientError> {
    let invalid = |expected| ClientError::HeaderInvalid { name, expected };
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str().map_err(|_| invalid("plain text"))).transpose()?;
    match values.next() {
        None => Ok(first),
        Some(_) => Err(invalid("given once")),
    }
}

fn base64(text: &str, name: &'static str) -> Result<Vec<u8>, ClientError> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| ClientError::HeaderInvalid { name, expected: "base64url" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_plain_error_code_is_repeated() {
        let body = |code: &str| format!(r#"{{"error":{{"message":"m","type":"t","param":null,"code": "{code}"}}}}"#);
        assert_eq!(error_code(body("journal_unavailable").as_bytes()), Some("journal_unavailable".into()));
        assert_eq!(error_code(body(&"a".repeat(64)).as_bytes()), Some("a".repeat(64)));
        for hostile in ["\u{1b}[31m", "a b", &"a".repeat(65), ""] {
            assert_eq!(error_code(body(hostile).as_bytes()), None);
        }
        assert_eq!(error_code(b"\xff"), None);
    }

    #[test]
    fn proof_headers_may_not_repeat() {
        let mut headers = HeaderMap::new();
        assert!(matches!(required(&headers, CTI), Err(ClientError::HeaderMissing { name: CTI })));
        headers.append(CTI, "aa".parse().unwrap());
        assert_eq!(required(&headers, CTI).unwrap(), "aa");
        assert!(matches!(read_cti(&headers), Err(ClientError::HeaderInvalid { name: CTI, .. })));
        headers.append(CTI, "aa".parse().unwrap());
        assert!(matches!(required(&headers, CTI), Err(ClientError::HeaderInvalid { name: CTI, .. })));
    }
}
