//! Keys, statement, evidence, checkpoints and receipts as a node makes them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer, SigningKey};
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::bounded::List;
use quoth_attestation::cbor::{self, Value};
use quoth_attestation::checkpoint::{Checkpoint, Place, Version};
use quoth_attestation::commit::{Label, Opening, token_bytes};
use quoth_attestation::cose::{KeyId, Payload, Possession, Signed};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::measurement::{Pcr, pcr};
use quoth_attestation::receipt::{Ending, Exchange, Execution, Level, Local, Outcome, Receipt, Status, Times, Usage};
use quoth_attestation::record::{self, Kind};
use quoth_attestation::statement::{Clock, Keys, Model, Platform, Software, Statement, Validity};
use quoth_attestation::transcript::{Details, LocalDetails};
use quoth_attestation::{Digest, ExchangeId};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
    SigningKey as _,
};

pub const MODEL: &str = "tiny";
pub const OPENING: [u8; 32] = [7; 32];

pub struct Node {
    pub platform: Platform,
    pub receipt_key: SigningKey,
    pub tls_key: KeyPair,
    pub tls_certificate: Vec<u8>,
    pub statement: Statement,
    root_key: KeyPair,
    root_params: CertificateParams,
    pub root: Vec<u8>,
    seq: AtomicU64,
    prev: std::sync::Mutex<Digest>,
}

/// One request as a node sees it.
pub struct Asked<'a> {
    pub target: &'a str,
    pub body: &'a [u8],
    pub nonce: Option<Nonce>,
    pub cti: ExchangeId,
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn pcrs() -> [Pcr; 3] {
    [pcr(&[b"binary", b"config"]), pcr(&[b"binary"]), pcr(&[b"config"])]
}

pub fn details() -> Details {
    Details::Local(LocalDetails {
        prompt: b"<|user|>hello".to_vec(),
        prompt_tokens: vec![1, 2, 3],
        output_tokens: vec![4, 5],
        sampling: vec![0xa0],
    })
}

impl Node {
    pub fn new(platform: Platform) -> Self {
        let receipt_key = SigningKey::from_bytes(&[3; 32]);
        let tls_key = KeyPair::generate().unwrap();
        let tls_params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        let tls_certificate = tls_params.self_signed(&tls_key).unwrap().der().to_vec();
        let root_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let mut root_params = CertificateParams::new(vec![]).unwrap();
        root_params.distinguished_name = rcgen::DistinguishedName::new();
        root_params.distinguished_name.push(DnType::CommonName, "quoth simulated root");
        root_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root_params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = root_params.self_signed(&root_key).unwrap().der().to_vec();
        let statement = Statement {
            instance: [9; 16],
            platform,
            keys: Keys {
                receipt: receipt_key.verifying_key().to_bytes(),
                tls: Digest::of(&tls_key.subject_public_key_info()),
                seal: None,
                settlement: None,
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
            models: vec![Model { name: MODEL.try_into().unwrap(), sha256: Digest::of(MODEL.as_bytes()), size: 4 }]
                .try_into()
                .unwrap(),
            upstreams: List::default(),
            operator: None,
            validity: Validity::new(now() - 4 * 3600, now() + 3600).unwrap(),
            clock: Clock::Host,
        };
        let prev = std::sync::Mutex::new(Digest::of(&statement.encode()));
        let seq = AtomicU64::new(0);
        Self { platform, receipt_key, tls_key, tls_certificate, statement, root_key, root_params, root, seq, prev }
    }

    /// A policy that accepts this node and no other.
    pub fn policy(&self) -> String {
        let model = Digest::of(MODEL.as_bytes());
        let models = format!("[models]\naccept = [\"{model}\"]\n");
        match self.platform {
            Platform::None => format!(
                "version = 1\nplatforms = [\"none\"]\n[none]\nreceipt_keys = [\"{}\"]\n{models}[config]\naccept = [\"{}\"]\n",
                hex::encode(self.statement.keys.receipt),
                self.statement.config
            ),
            _ => {
                let [pcr0, pcr1, pcr2] = pcrs().map(hex::encode);
                format!(
                    "version = 1\nplatforms = [\"simulated\"]\n[simulated]\nroots = [\"{}\"]\n[[image]]\nname = \"test\"\n\
                     pcr0 = \"{pcr0}\"\npcr1 = \"{pcr1}\"\npcr2 = \"{pcr2}\"\n{models}",
                    Digest::of(&self.root)
                )
            }
        }
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.statement.encode())
    }

    /// Evidence over `nonce`, its quote made `age` seconds ago.
    pub fn evidence(&self, nonce: Option<&Nonce>, age: u64) -> Vec<u8> {
        let binding = node_binding(&self.digest(), nonce);
        let quote = match self.platform {
            Platform::None => self.sign(Possession { binding }),
            _ => self.document(&binding, nonce, now() - age),
        };
        Evidence {
            statement: self.statement.encode().try_into().unwrap(),
            quote: quote.try_into().unwrap(),
            nonce: nonce.cloned(),
            certificates: List::default(),
            crls: List::default(),
        }
        .encode()
    }

    /// An attestation document in the layout of Nitro's, signed under the node's own root.
    fn document(&self, binding: &[u8], nonce: Option<&Nonce>, at: u64) -> Vec<u8> {
        let module = format!("i-simulated-enc{}", hex::encode(self.statement.instance));
        let leaf_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let mut leaf = CertificateParams::new(vec![]).unwrap();
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        leaf.distinguished_name.push(DnType::CommonName, module.clone());
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.not_before = (UNIX_EPOCH + std::time::Duration::from_secs(at - 60)).into();
        leaf.not_after = (UNIX_EPOCH + std::time::Duration::from_secs(at + 3 * 3600)).into();
        let issuer = Issuer::from_params(&self.root_params, &self.root_key);
        let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap().der().to_vec();
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec().into());
        let registers = pcrs().iter().enumerate().map(|(index, pcr)| (Value::from(index as u64), bytes(pcr))).collect();
        let text = |text: &str| Value::Text(String::from(text).into());
        let payload = cbor::encode(&Value::Map(vec![
            (text("module_id"), text(&module)),
            (text("digest"), text("SHA384")),
            (text("timestamp"), Value::from(at * 1000)),
            (text("pcrs"), Value::Map(registers)),
            (text("certificate"), bytes(&leaf)),
            (text("cabundle"), Value::Array(vec![bytes(&self.root)])),
            (text("public_key"), bytes(&self.statement.keys.receipt)),
            (text("user_data"), bytes(binding)),
            (text("nonce"), nonce.map_or(Value::Null, |nonce| bytes(nonce.as_bytes()))),
        ]));
        let protected = cbor::encode(&Value::Map(vec![(Value::from(1), Value::from(-35))]));
        let to_be_signed =
            cbor::encode(&Value::Array(vec![text("Signature1"), bytes(&protected), bytes(&[]), bytes(&payload)]));
        let der = leaf_key.sign(&to_be_signed).unwrap();
        let signature = p384::ecdsa::Signature::from_der(&der).unwrap().to_bytes();
        cbor::encode(&Value::Array(vec![bytes(&protected), Value::Map(vec![]), bytes(&payload), bytes(&signature)]))
    }

    pub fn sign<T: Payload>(&self, claims: T) -> Vec<u8> {
        let key = KeyId::of(&self.statement.keys.receipt);
        Signed::sign(claims, key, |bytes| self.receipt_key.sign(bytes).to_bytes()).unwrap().bytes().to_vec()
    }

    /// The next receipt of the chain.
    pub fn receipt(&self, asked: &Asked<'_>, status: u16, body: &[u8], streamed: bool) -> Vec<u8> {
        let ending = (streamed && status == 200).then_some(Ending::Terminal);
        self.receipt_as(asked, status, body, streamed, ending)
    }

    fn receipt_as(
        &self,
        asked: &Asked<'_>,
        status: u16,
        body: &[u8],
        streamed: bool,
        ending: Option<Ending>,
    ) -> Vec<u8> {
        let opening = Opening::new(OPENING);
        let details = details();
        let details = details.local().unwrap();
        let mut prev = self.prev.lock().unwrap();
        let receipt = Receipt {
            iat: now(),
            cti: asked.cti,
            nonce: asked.nonce.clone(),
            node: self.digest(),
            seq: self.seq.fetch_add(1, Ordering::SeqCst),
            prev: *prev,
            level: if self.platform == Platform::None { Level::Vanilla } else { Level::Tee },
            exchange: Exchange {
                method: "POST".try_into().unwrap(),
                target: asked.target.try_into().unwrap(),
                status: Status::new(status).unwrap(),
                request: opening.commit(Label::Request, asked.body),
                response: opening.commit(Label::Response, body),
                response_length: body.len() as u64,
                streamed,
                outcome: if status == 200 { Outcome::Complete } else { Outcome::Refused },
                ending,
                answer: None,
            },
            execution: (status == 200).then(|| {
                Execution::Local(Local {
                    model: MODEL.try_into().unwrap(),
                    model_sha256: Digest::of(MODEL.as_bytes()),
                    prompt: opening.commit(Label::Prompt, &details.prompt),
                    prompt_tokens: opening.commit(Label::PromptTokens, &token_bytes(&details.prompt_tokens)),
                    output_tokens: opening.commit(Label::OutputTokens, &token_bytes(&details.output_tokens)),
                    sampling: opening.commit(Label::Sampling, &details.sampling),
                    arithmetic: "test".try_into().unwrap(),
                    engine: "test".try_into().unwrap(),
                })
            }),
            usage: (status == 200).then_some(Usage { prompt: 3, completion: 2 }),
            times: Times::new(now() * 1000, now() * 1000, now() * 1000).unwrap(),
            parent: None,
        };
        *prev = Digest::of(&receipt.encode());
        self.sign(receipt)
    }

    /// An event stream of `events`, a checkpoint before each, the receipt before the terminal event.
    pub fn stream(&self, asked: &Asked<'_>, events: &[String]) -> Vec<u8> {
        self.stream_with_end(asked, events, "data: [DONE]\n\n")
    }

    /// The same with this terminal event, or with none if it is empty.
    pub fn stream_with_end(&self, asked: &Asked<'_>, events: &[String], done: &str) -> Vec<u8> {
        let opening = Opening::new(OPENING);
        let (mut wire, mut body, mut place) = (String::new(), String::new(), Place::First);
        for event in events {
            let checkpoint = Checkpoint {
                node: self.digest(),
                cti: asked.cti,
                nonce: asked.nonce.clone(),
                request: opening.commit(Label::Request, asked.body),
                status: 200,
                place,
                offset: body.len() as u64,
                prefix: opening.commit(Label::PrefixAt(place.number()), body.as_bytes()),
                version: Version::V2,
            };
            place = place.next(Digest::of(&checkpoint.encode()));
            wire += &record::encode(Kind::Checkpoint, &self.sign(checkpoint));
            wire += event;
            body += event;
        }
        let ending = if done.is_empty() { Ending::FinishReason } else { Ending::Terminal };
        let receipt = self.receipt_as(asked, 200, format!("{body}{done}").as_bytes(), true, Some(ending));
        wire += &record::encode(Kind::Receipt, &receipt);
        wire += done;
        wire.into_bytes()
    }
}

/// An event that carries `words`.
pub fn event(words: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{words}\"}}}}]}}\n\n")
}
