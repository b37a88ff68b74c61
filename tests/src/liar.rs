//! An enclave that signs false receipts.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use quoth_attestation::Digest;
use quoth_attestation::binding::node_binding;
use quoth_attestation::bounded::List;
use quoth_attestation::checkpoint::{Checkpoint, Place, Version};
use quoth_attestation::commit::{Label, token_bytes};
use quoth_attestation::cose::{KeyId, Payload, Possession, Signed};
use quoth_attestation::evidence::{Certificates, Crls, Evidence};
use quoth_attestation::receipt::{Execution, Level, Receipt, Usage};
use quoth_attestation::statement::{Clock, Keys, Model, Platform, Software, Statement, Validity};
use quoth_attestation::transcript::{Details, Transcript};

/// An enclave that signs anything a test wants. It has no evidence, but a policy can pin its key.
pub struct Liar {
    key: Ed25519KeyPair,
}

impl Liar {
    /// Creates a liar with its own key.
    pub fn new() -> Self {
        // safe: any 32 bytes are a seed
        Self { key: Ed25519KeyPair::from_seed_unchecked(&[0x11; 32]).unwrap() }
    }

    /// Returns a policy that accepts its receipts for any model.
    pub fn policy(&self) -> String {
        let (key, config) = (hex::encode(self.public()), config());
        format!(
            "version = 1\nplatforms = [\"none\"]\n[none]\nreceipt_keys = [\"{key}\"]\n[models]\naccept = \"any\"\n\
             [config]\naccept = [\"{config}\"]\n"
        )
    }

    /// Returns an exchange signed as if an enclave had executed the parameters that `bend` returns.
    pub fn sign(&self, honest: &Transcript, bend: impl FnOnce(&mut Transcript, &mut Receipt)) -> Transcript {
        let mut told = honest.clone();
        let mut claims = Signed::<Receipt>::decode(honest.receipt.as_ref().unwrap()).unwrap().claims().clone();
        bend(&mut told, &mut claims);
        let statement = self.statement(&claims);
        let node = Digest::of(&statement.encode());
        let opening = &told.opening;
        (claims.node, claims.seq, claims.prev, claims.level) = (node, 0, node, Level::Vanilla);
        let exchange = &mut claims.exchange;
        exchange.target = told.request.target.as_str().try_into().unwrap();
        exchange.status = told.response.status.try_into().unwrap();
        exchange.request = opening.commit(Label::Request, &told.request.body);
        exchange.response = opening.commit(Label::Response, &told.response.body);
        exchange.response_length = told.response.body.len() as u64;
        if let (Some(Execution::Local(local)), Some(details)) =
            (&mut claims.execution, told.details.as_ref().and_then(Details::local))
        {
            local.prompt = opening.commit(Label::Prompt, &details.prompt);
            local.prompt_tokens = opening.commit(Label::PromptTokens, &token_bytes(&details.prompt_tokens));
            local.output_tokens = opening.commit(Label::OutputTokens, &token_bytes(&details.output_tokens));
            local.sampling = opening.commit(Label::Sampling, &details.sampling);
            let count = |tokens: &[u32]| tokens.len() as u64;
            claims.usage =
                Some(Usage { prompt: count(&details.prompt_tokens), completion: count(&details.output_tokens) });
        }
        let checkpoint = Checkpoint {
            node,
            cti: claims.cti,
            nonce: claims.nonce.clone(),
            request: claims.exchange.request,
            status: told.response.status,
            place: Place::First,
            offset: 0,
            prefix: opening.commit(Label::PrefixAt(0), b""),
            version: Version::V2,
        };
        told.checkpoints = claims.exchange.streamed.then(|| self.cose(checkpoint)).into_iter().collect();
        let quote = self.cose(Possession { binding: node_binding(&node, None) });
        let evidence = Evidence {
            statement: statement.encode().try_into().unwrap(),
            quote: quote.try_into().unwrap(),
            nonce: None,
            certificates: Certificates::default(),
            crls: Crls::default(),
        };
        told.evidence = evidence.encode();
        told.receipt = Some(self.cose(claims));
        told
    }

    fn statement(&self, claims: &Receipt) -> Statement {
        let model = match &claims.execution {
            Some(Execution::Local(local)) => {
                Some(Model { name: local.model.clone(), sha256: local.model_sha256, size: 1 })
            }
            _ => None,
        };
        Statement {
            instance: [0x11; 16],
            platform: Platform::None,
            keys: Keys {
                receipt: self.public(),
                tls: Digest::of(b"no connection"),
                seal: None,
                settlement: None,
                operator_evm: None,
                other: Default::default(),
            },
            config: config(),
            software: Software {
                name: "liar".try_into().unwrap(),
                version: "1".try_into().unwrap(),
                commit: "0".repeat(40).try_into().unwrap(),
                engine: None,
            },
            models: Vec::from_iter(model).try_into().unwrap(),
            upstreams: List::default(),
            operator: None,
            validity: Validity::new(claims.iat - 3600, claims.iat + 3600).unwrap(),
            clock: Clock::Host,
        }
    }

    fn public(&self) -> [u8; 32] {
        self.key.public_key().as_ref().try_into().unwrap()
    }

    fn cose<T: Payload>(&self, claims: T) -> Vec<u8> {
        let sign = |bytes: &[u8]| self.key.sign(bytes).as_ref().try_into().unwrap();
        Signed::sign(claims, KeyId::of(&self.public()), sign).unwrap().bytes().to_vec()
    }
}

impl Default for Liar {
    fn default() -> Self {
        Self::new()
    }
}

fn config() -> Digest {
    Digest::of(b"a liar's configuration")
}
