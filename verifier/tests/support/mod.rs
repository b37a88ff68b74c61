//! A node with throw-away keys, made for one test: statement, evidence, checkpoints, receipts, transcripts. Everything that
//! it signs can be bent first.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod document;

use ed25519_dalek::{Signer, SigningKey};
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::bounded::List;
use quoth_attestation::checkpoint::{Checkpoint, Place, Version};
use quoth_attestation::commit::{Label, Opening, token_bytes};
use quoth_attestation::cose::{KeyId, Payload, Possession, Signed};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::evm::SettlementKey;
use quoth_attestation::log::frontier::Frontier;
use quoth_attestation::log::head::{Head, Signature, SignedHead};
use quoth_attestation::log::head_proof::HeadProof;
use quoth_attestation::receipt::{Ending, Exchange, Execution, Level, Local, Outcome, Receipt, Status, Times, Usage};
use quoth_attestation::record::{self, Kind};
use quoth_attestation::statement::{Clock, Keys, Model, Platform, Software, Statement, Upstream, Validity};
use quoth_attestation::transcript::{Details, LocalDetails, Request, Response, Transcript};
use quoth_attestation::{Digest, ExchangeId};
use quoth_verifier::{Policy, Refusal, ResponseHead, Time, VerifiedNode, Verifier};

use document::{Authority, Document, pcrs};

/// When everything happens.
pub const NOW: u64 = 1_800_000_000;
pub const CTI: ExchangeId = ExchangeId([5; 16]);
pub const DONE: &str = "data: [DONE]\n\n";

pub struct Node {
    pub key: SigningKey,
    pub statement: Statement,
    pub authority: Authority,
}

pub fn opening() -> Opening {
    Opening::new([7; 32])
}

pub fn nonce() -> Nonce {
    Nonce::new([0xee; 16]).unwrap()
}

/// The key that signs the node's heads.
pub fn settlement() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[4; 32]).unwrap()
}

fn settlement_public() -> SettlementKey {
    let point = settlement().verifying_key().to_sec1_point(true);
    SettlementKey::new(point.as_bytes().try_into().unwrap()).unwrap()
}

/// Signs a head with this key.
pub fn sign_head(key: &k256::ecdsa::SigningKey, head: Head) -> SignedHead {
    let (signature, id) = key.sign_prehash_recoverable(&head.digest().0);
    let (r, s) = signature.split_bytes();
    SignedHead::new(head, Signature::new(r.into(), s.into(), id.is_y_odd()).unwrap())
}

/// The head of an honest answer.
pub fn response_head() -> ResponseHead {
    ResponseHead { status: 200, cti: Some(CTI), opening: opening(), nonce: Some(nonce()) }
}

pub fn request() -> Request {
    Request {
        method: "POST".into(),
        target: "/v1/chat/completions".into(),
        body: br#"{"model":"tiny","messages":[{"role":"user","content":"Who?"}]}"#.to_vec(),
    }
}

pub fn details() -> LocalDetails {
    LocalDetails {
        prompt: b"<|user|>Who?".to_vec(),
        prompt_tokens: vec![1, 2, 3],
        output_tokens: vec![4, 5],
        sampling: vec![0xa0],
    }
}

pub fn event(words: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{words}\"}}}}]}}\n\n")
}

pub fn code<T>(result: Result<T, Refusal>) -> &'static str {
    match result {
        Ok(_) => "proven",
        Err(refusal) => refusal.code(),
    }
}

impl Node {
    pub fn new(platform: Platform) -> Self {
        let key = SigningKey::from_bytes(&[3; 32]);
        let openai =
            Upstream { name: "openai".try_into().unwrap(), host: "api.openai.com".try_into().unwrap(), port: 443 };
        let statement = Statement {
            instance: [9; 16],
            platform,
            keys: Keys {
                receipt: key.verifying_key().to_bytes(),
                tls: Digest::of(b"tls key"),
                seal: None,
                settlement: Some(settlement_public()),
                operator_evm: None,
                other: Default::default(),
            },
            config: Digest::of(b"config"),
            software: Software {
                name: "quoth-enclave".try_into().unwrap(),
                version: "0.1.0".try_into().unwrap(),
                commit: "0".repeat(40).try_into().unwrap(),
                engine: Some("test".try_into().unwrap()),
            },
            models: vec![Model { name: "tiny".try_into().unwrap(), sha256: Digest::of(b"tiny"), size: 4 }]
                .try_into()
                .unwrap(),
            upstreams: vec![openai].try_into().unwrap(),
            operator: None,
            validity: Validity::new(NOW - 60, NOW + 30 * 24 * 3600 - 60).unwrap(),
            clock: Clock::Host,
        };
        Self { key, statement, authority: Authority::new() }
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.statement.encode())
    }

    /// The text of a policy that accepts this node and no other.
    pub fn policy_text(&self) -> String {
        let models = format!("[models]\naccept = [\"{}\"]\n", Digest::of(b"tiny"));
        match self.statement.platform {
            Platform::None => format!(
                "version = 1\nplatforms = [\"none\"]\n[none]\nreceipt_keys = [\"{}\"]\n{models}[config]\naccept = [\"{}\"]\n",
                hex::encode(self.key.verifying_key().to_bytes()),
                Digest::of(b"config"),
            ),
            _ => {
                let [pcr0, pcr1, pcr2] = pcrs().map(hex::encode);
                format!(
                    "version = 1\nplatforms = [\"simulated\"]\n[simulated]\nroots = [\"{}\"]\n[[image]]\nname = \"test\"\n\
                     pcr0 = \"{pcr0}\"\npcr1 = \"{pcr1}\"\npcr2 = \"{pcr2}\"\n{models}",
                    self.authority.digest(),
                )
            }
        }
    }

    pub fn verifier(&self) -> Verifier {
        Verifier::new(Policy::from_toml(&self.policy_text()).unwrap())
    }

    /// The document that the platform would sign now.
    pub fn document(&self, nonce: Option<&Nonce>) -> Document {
        let binding = node_binding(&self.digest(), nonce);
        let module = format!("i-simulated-enc{}", hex::encode(self.statement.instance));
        let mut document = Document::new(&module, NOW * 1000);
        document.set("public_key", &self.statement.keys.receipt);
        document.set("user_data", &binding);
        if let Some(nonce) = nonce {
            document.set("nonce", nonce.as_bytes());
        }
        document
    }

    pub fn evidence(&self, nonce: Option<&Nonce>) -> Vec<u8> {
        let quote = match self.statement.platform {
            Platform::None => self.sign(Possession { binding: node_binding(&self.digest(), nonce) }),
            _ => self.authority.sign(self.document(nonce)),
        };
        self.bundle(quote, nonce)
    }

    pub fn bundle(&self, quote: Vec<u8>, nonce: Option<&Nonce>) -> Vec<u8> {
        Evidence {
            statement: self.statement.encode().try_into().unwrap(),
            quote: quote.try_into().unwrap(),
            nonce: nonce.cloned(),
            certificates: List::default(),
            crls: List::default(),
        }
        .encode()
    }

    pub fn verified(&self) -> VerifiedNode {
        self.verifier().verify_node(&self.evidence(None), None, Time::Live { now: NOW }).unwrap()
    }

    pub fn sign<T: Payload>(&self, claims: T) -> Vec<u8> {
        let id = KeyId::of(&self.key.verifying_key().to_bytes());
        Signed::sign(claims, id, |bytes| self.key.sign(bytes).to_bytes()).unwrap().bytes().to_vec()
    }

    /// The claims of an honest receipt, first of its chain, for [`request`] and `body`.
    pub fn claims(&self, body: &[u8], streamed: bool) -> Receipt {
        let (opening, details) = (opening(), details());
        Receipt {
            iat: NOW,
            cti: CTI,
            nonce: Some(nonce()),
            node: self.digest(),
            seq: 0,
            prev: self.digest(),
            level: if self.statement.platform == Platform::None { Level::Vanilla } else { Level::Tee },
            exchange: Exchange {
                method: "POST".try_into().unwrap(),
                target: request().target.try_into().unwrap(),
                status: Status::new(200).unwrap(),
                request: opening.commit(Label::Request, &request().body),
                response: opening.commit(Label::Response, body),
                response_length: body.len() as u64,
                streamed,
                outcome: Outcome::Complete,
                ending: streamed.then_some(Ending::Terminal),
                answer: None,
            },
            execution: Some(Execution::Local(Local {
                model: "tiny".try_into().unwrap(),
                model_sha256: Digest::of(b"tiny"),
                prompt: opening.commit(Label::Prompt, &details.prompt),
                prompt_tokens: opening.commit(Label::PromptTokens, &token_bytes(&details.prompt_tokens)),
                output_tokens: opening.commit(Label::OutputTokens, &token_bytes(&details.output_tokens)),
                sampling: opening.commit(Label::Sampling, &details.sampling),
                arithmetic: "cpu-1/x86-64-v3".try_into().unwrap(),
                engine: "test".try_into().unwrap(),
            })),
            usage: Some(Usage { prompt: 3, completion: 2 }),
            times: Times::new(NOW * 1000 - 900, NOW * 1000 - 500, NOW * 1000).unwrap(),
            parent: None,
        }
    }

    pub fn checkpoint(&self, place: Place, body: &[u8]) -> Checkpoint {
        let opening = opening();
        Checkpoint {
            node: self.digest(),
            cti: CTI,
            nonce: Some(nonce()),
            request: opening.commit(Label::Request, &request().body),
            status: 200,
            place,
            offset: body.len() as u64,
            prefix: opening.commit(Label::PrefixAt(place.number()), body),
            version: Version::V2,
        }
    }

    /// A stream of `events`, a checkpoint before each, the receipt before the terminal event.
    pub fn stream(&self, events: &[String]) -> Stream {
        let mut stream = Stream::default();
        let mut place = Place::First;
        for event in events {
            let checkpoint = self.checkpoint(place, stream.body.as_bytes());
            place = place.next(Digest::of(&checkpoint.encode()));
            stream.record(Kind::Checkpoint, self.sign(checkpoint));
            stream.text(event);
        }
        stream.receipt = self.sign(self.claims(format!("{}{DONE}", stream.body).as_bytes(), true));
        stream.record(Kind::Receipt, stream.receipt.clone());
        stream.text(DONE);
        stream
    }

    /// A head of the log that has this receipt alone, with its path, signed by this key.
    pub fn head_proof(&self, key: &k256::ecdsa::SigningKey, receipt: &[u8]) -> HeadProof {
        let mut tree = Frontier::new();
        tree.push(&Signed::<Receipt>::decode(receipt).unwrap().digest()).unwrap();
        let head = Head::new(self.digest(), 1, tree.root(), NOW, false).unwrap();
        HeadProof::new(sign_head(key, head), Vec::new()).unwrap()
    }

    /// The transcript of that stream.
    pub fn transcript(&self) -> Transcript {
        let stream = self.stream(&[event("hel"), event("lo")]);
        Transcript {
            request: request(),
            response: Response { status: 200, body: stream.body.into_bytes() },
            receipt: Some(stream.receipt),
            checkpoints: stream.checkpoints,
            opening: opening(),
            nonce: Some(nonce()),
            evidence: self.evidence(Some(&Nonce::new([1; 32]).unwrap())),
            details: Some(Details::Local(details())),
            log: None,
        }
    }
}

/// A stream as it goes over the wire, and its parts.
#[derive(Clone, Default)]
pub struct Stream {
    pub wire: String,
    pub body: String,
    pub checkpoints: Vec<Vec<u8>>,
    pub receipt: Vec<u8>,
}

impl Stream {
    pub fn record(&mut self, kind: Kind, bytes: Vec<u8>) {
        self.wire += &record::encode(kind, &bytes);
        if kind == Kind::Checkpoint {
            self.checkpoints.push(bytes);
        }
    }

    pub fn text(&mut self, text: &str) {
        self.wire += text;
        self.body += text;
    }
}
