//! One value of each format, fixed, so that `SPEC.md` can show its bytes.

use ed25519_dalek::{Signer, SigningKey};
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::bounded::{Blob, List, Text};
use quoth_attestation::checkpoint::{Checkpoint, Place, Version};
use quoth_attestation::commit::{Label, Opening, token_bytes};
use quoth_attestation::cose::{KeyId, Payload, Possession, Signed};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::evm::{EvmAddress, SettlementKey};
use quoth_attestation::log::checkpoint::LogCheckpoint;
use quoth_attestation::log::head::{Head, Signature, SignedHead};
use quoth_attestation::log::head_proof::HeadProof;
use quoth_attestation::log::proof::LogProof;
use quoth_attestation::log::{inclusion, tree};
use quoth_attestation::receipt::{Ending, Exchange, Execution, Level, Local, Outcome, Receipt, Status, Times, Usage};
use quoth_attestation::secret::{Name, Sealed, SecretOrder};
use quoth_attestation::statement::{Clock, Keys, Model, OtherKeys, Platform, Software, Statement, Upstream, Validity};
use quoth_attestation::token::{TokenHash, token};
use quoth_attestation::transcript::{self, Details, LocalDetails, Request, Response, Transcript, UpstreamDetails};
use quoth_attestation::{Digest, ExchangeId, record};

pub(crate) const REQUEST: &[u8] = br#"{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"stream":true}"#;
pub(crate) const FIRST: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ok\"}}]}\n\n";
pub(crate) const ANSWER: &[u8] = b"Ok";
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";
const ISSUED: u64 = 1_800_000_000;
const CTI: ExchangeId = ExchangeId([0xc1; 16]);

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&core::array::from_fn(|i| i as u8))
}

/// The key of the log's heads. Its secret number is that seed.
fn settlement() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&key().to_bytes()).unwrap()
}

fn settlement_public() -> SettlementKey {
    let point = settlement().verifying_key().to_sec1_point(true);
    SettlementKey::new(point.as_bytes().try_into().unwrap()).unwrap()
}

/// A log of 7: the example receipt, and SHA-256 of the number of each other, in 8 bytes.
fn entries() -> Vec<Digest> {
    let first = sign(receipt()).digest();
    core::iter::once(first).chain((1u64..7).map(|number| Digest::of(&number.to_be_bytes()))).collect()
}

fn read(level: u8, index: u64) -> Result<Digest, core::convert::Infallible> {
    let start = usize::try_from(index << level).unwrap();
    let leaves: Vec<_> = entries()[start..start + (1 << level)].iter().map(tree::leaf).collect();
    Ok(tree::complete(&leaves).unwrap())
}

pub(crate) fn log_root() -> Digest {
    let Ok(root) = tree::root(7, read);
    root
}

pub(crate) fn head() -> SignedHead {
    let head = Head::new(node(), 7, log_root(), ISSUED + 61, false).unwrap();
    let (signature, id) = settlement().sign_prehash_recoverable(&head.digest().0);
    let (r, s) = signature.split_bytes();
    SignedHead::new(head, Signature::new(r.into(), s.into(), id.is_y_odd()).unwrap())
}

pub(crate) fn log_head() -> HeadProof {
    let Ok(path) = inclusion::prove(0, 7, read);
    HeadProof::new(head(), path).unwrap()
}

pub(crate) fn log_proof() -> LogProof {
    let Ok(path) = inclusion::prove(0, 7, read);
    let checkpoint = LogCheckpoint::new(node(), 7, log_root()).unwrap();
    let note = checkpoint.sign(key().verifying_key().as_bytes(), |text| key().sign(text).to_bytes());
    LogProof::new(0, path, note).unwrap()
}

pub(crate) fn sign<T: Payload>(claims: T) -> Signed<T> {
    let key = key();
    Signed::sign(claims, KeyId::of(key.verifying_key().as_bytes()), |bytes| key.sign(bytes).to_bytes()).unwrap()
}

pub(crate) fn nonce() -> Nonce {
    Nonce::new([0xee; 8]).unwrap()
}

pub(crate) fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

pub(crate) fn opening() -> Opening {
    Opening::new([0x0f; 32])
}

pub(crate) fn statement() -> Statement {
    Statement {
        instance: [0x11; 16],
        platform: Platform::Nitro,
        keys: Keys {
            receipt: key().verifying_key().to_bytes(),
            tls: Digest([0x22; 32]),
            seal: Some([0x33; 32]),
            settlement: Some(settlement_public()),
            operator_evm: Some(EvmAddress([0x88; 20])),
            other: OtherKeys::default(),
        },
        config: Digest([0x44; 32]),
        software: Software {
            name: text("quoth-enclave"),
            version: text("0.1.0"),
            commit: text("0123456789abcdef0123456789abcdef01234567"),
            engine: Some(text("llama-cpp-2 0.1.160")),
        },
        models: List::new([Model { name: text("tiny"), sha256: Digest([0x55; 32]), size: 1_100_000 }]).unwrap(),
        upstreams: List::new([Upstream { name: text("openai"), host: text("api.openai.com"), port: 443 }]).unwrap(),
        operator: Some([0x66; 32]),
        validity: Validity::new(ISSUED, ISSUED + 86_400).unwrap(),
        clock: Clock::Nsm,
    }
}

pub(crate) fn node() -> Digest {
    Digest::of(&statement().encode())
}

pub(crate) fn possession() -> Possession {
    Possession { binding: node_binding(&node(), Some(&nonce())) }
}

pub(crate) fn evidence() -> Evidence {
    Evidence {
        statement: Blob::new(statement().encode()).unwrap(),
        quote: Blob::new(sign(possession()).bytes()).unwrap(),
        nonce: Some(nonce()),
        certificates: List::new([Blob::new([0x30, 0x00]).unwrap()]).unwrap(),
        crls: List::default(),
    }
}

pub(crate) fn details() -> Details {
    Details::Local(LocalDetails {
        prompt: b"<|im_start|>user\nHi".to_vec(),
        prompt_tokens: vec![1, 72, 105],
        output_tokens: vec![79, 107, 2],
        sampling: vec![0xa0],
    })
}

pub(crate) fn upstream_details() -> Details {
    let fields = [
        ("host", &b"api.openai.com"[..]),
        ("content-type", b"application/json"),
        ("authorization", transcript::REDACTED),
    ];
    Details::Upstream(UpstreamDetails {
        head: transcript::head("POST", "/v1/chat/completions", fields.into_iter()),
        certificates: vec![vec![0x30, 0x00]],
        sent: Some(br#"{"model":"gpt-4o","messages":[]}"#.to_vec()),
        received: None,
    })
}

pub(crate) fn order() -> SecretOrder {
    let sealed = Sealed { encapsulated: [0xaa; 32], ciphertext: Blob::new([0xbb; 24]).unwrap() };
    SecretOrder { node: node(), name: Name::new("openai").unwrap(), counter: ISSUED * 1000, sealed: Some(sealed) }
}

pub(crate) fn access_token() -> (String, TokenHash) {
    let token = token("team-a", &[0x07; 32]);
    (token.to_string(), TokenHash::of(&token, [0x01; 16]))
}

pub(crate) fn checkpoint() -> Checkpoint {
    Checkpoint {
        node: node(),
        cti: CTI,
        nonce: Some(nonce()),
        request: opening().commit(Label::Request, REQUEST),
        status: 200,
        place: Place::First,
        offset: 0,
        prefix: opening().commit(Label::PrefixAt(0), b""),
        version: Version::V2,
    }
}

/// As nodes signed them before versions were written.
pub(crate) fn checkpoint_of_version_1() -> Checkpoint {
    Checkpoint { prefix: opening().commit(Label::Prefix, b""), version: Version::V1, ..checkpoint() }
}

pub(crate) fn body() -> Vec<u8> {
    [FIRST, DONE].concat()
}

pub(crate) fn receipt() -> Receipt {
    let (opening, details) = (opening(), details());
    let details = details.local().unwrap();
    Receipt {
        iat: ISSUED + 60,
        cti: CTI,
        nonce: Some(nonce()),
        node: node(),
        seq: 0,
        prev: node(),
        level: Level::Tee,
        exchange: Exchange {
            method: text("POST"),
            target: text("/v1/chat/completions"),
            status: Status::new(200).unwrap(),
            request: opening.commit(Label::Request, REQUEST),
            response: opening.commit(Label::Response, &body()),
            response_length: body().len() as u64,
            streamed: true,
            outcome: Outcome::Complete,
            ending: Some(Ending::Terminal),
            answer: Some(opening.commit(Label::Answer, ANSWER)),
        },
        execution: Some(Execution::Local(Local {
            model: text("tiny"),
            model_sha256: Digest([0x55; 32]),
            prompt: opening.commit(Label::Prompt, &details.prompt),
            prompt_tokens: opening.commit(Label::PromptTokens, &token_bytes(&details.prompt_tokens)),
            output_tokens: opening.commit(Label::OutputTokens, &token_bytes(&details.output_tokens)),
            sampling: opening.commit(Label::Sampling, &details.sampling),
            arithmetic: text("cpu-1/x86-64-v3"),
            engine: text("llama-cpp-2 0.1.160"),
        })),
        usage: Some(Usage { prompt: 3, completion: 3 }),
        times: Times::new(1_800_000_059_000, 1_800_000_059_100, 1_800_000_060_000).unwrap(),
        parent: None,
    }
}

pub(crate) fn upstream_receipt() -> Receipt {
    use quoth_attestation::receipt::{Credential, Retries, TlsPeer, Upstream};
    let opening = opening();
    Receipt {
        execution: Some(Execution::Upstream(Upstream {
            provider: text("openai"),
            host: text("api.openai.com"),
            port: 443,
            tls: Some(TlsPeer {
                version: 0x0304,
                suite: 0x1301,
                leaf_spki: Digest([0x77; 32]),
                chain: Digest([0x88; 32]),
            }),
            head: opening.commit(Label::UpstreamHead, b"POST /v1/chat/completions HTTP/1.1"),
            sent: opening.commit(Label::UpstreamRequest, REQUEST),
            received: opening.commit(Label::UpstreamResponse, &body()),
            model_asked: text("gpt-4o"),
            model_answered: Some(text("gpt-4o-2024-08-06")),
            request_id: Some(text("req_1")),
            credential: Credential::Operator,
            retries: Retries::LEAST,
        })),
        parent: Some(Digest([0x99; 32])),
        ..receipt()
    }
}

pub(crate) fn stream() -> String {
    let checkpoint = record::encode(record::Kind::Checkpoint, sign(checkpoint()).bytes());
    let receipt = record::encode(record::Kind::Receipt, sign(receipt()).bytes());
    checkpoint + core::str::from_utf8(FIRST).unwrap() + &receipt + core::str::from_utf8(DONE).unwrap()
}

pub(crate) fn transcript() -> Transcript {
    Transcript {
        request: Request { method: "POST".into(), target: "/v1/chat/completions".into(), body: REQUEST.to_vec() },
        response: Response { status: 200, body: body() },
        receipt: Some(sign(receipt()).bytes().to_vec()),
        checkpoints: vec![sign(checkpoint()).bytes().to_vec()],
        opening: opening(),
        nonce: Some(nonce()),
        evidence: evidence().encode(),
        details: Some(details()),
        log: Some(log_head().encode()),
    }
}
