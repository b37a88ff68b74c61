//! Nodes whose evidence satisfied the policy.

mod appraise;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

pub(crate) use appraise::appraise;
use quoth_attestation::Digest;
use quoth_attestation::statement::{Platform, Statement};

use crate::ed25519::ReceiptKey;
use crate::hardware::ACPI_STATIC;
use crate::policy::{Accept, AcceptUpstreams};
use crate::{Check, Refusal};

/// A node whose evidence satisfied the policy. Only a [`Verifier`](crate::Verifier) makes one; cloning is cheap.
#[derive(Clone)]
pub struct VerifiedNode {
    node: Arc<Node>,
}

pub(crate) struct Node {
    pub(crate) statement: Statement,
    pub(crate) digest: Digest,
    pub(crate) receipt_key: ReceiptKey,
    pub(crate) image: Option<String>,
    pub(crate) time_basis: &'static str,
    pub(crate) checks: Vec<Check>,
    pub(crate) models: Accept,
    pub(crate) upstreams: AcceptUpstreams,
}

impl VerifiedNode {
    pub(crate) fn new(node: Node) -> Self {
        Self { node: Arc::new(node) }
    }

    /// The node's statement.
    pub fn statement(&self) -> &Statement {
        &self.node.statement
    }

    /// SHA-256 of the statement: the node's identity in receipts.
    pub fn digest(&self) -> Digest {
        self.node.digest
    }

    /// The node's platform.
    pub fn platform(&self) -> Platform {
        self.node.statement.platform
    }

    /// The name of the policy's image that its measurements match; `None` on platform `none`, which measures nothing.
    pub fn image(&self) -> Option<&str> {
        self.node.image.as_deref()
    }

    /// Describes the source of the time of the verdict.
    pub fn time_basis(&self) -> &str {
        self.node.time_basis
    }

    /// Every check that passed, in order.
    pub fn checks(&self) -> &[Check] {
        &self.node.checks
    }

    /// Returns true if the node's host could run ACPI bytecode in its kernel, with access to all of its memory: on SEV-SNP,
    /// unless the policy says that the image's kernel is `static`.
    pub fn host_may_run_acpi(&self) -> bool {
        self.platform() == Platform::SevSnp && !self.checks().iter().any(|check| check.code == ACPI_STATIC)
    }

    /// SHA-256 of the SubjectPublicKeyInfo of its TLS certificate.
    pub fn tls_key(&self) -> Digest {
        self.node.statement.keys.tls
    }

    /// Checks that the policy accepts everything that may answer by `name`. Call it before a prompt leaves. A model of the node
    /// must be accepted. Any other name could lead to any of its providers, so all of them must be. A name that nothing can
    /// answer by passes.
    ///
    /// # Errors
    /// [`Refusal::ModelNotAccepted`], [`Refusal::UpstreamNotAccepted`].
    pub fn accepts_model(&self, name: &str) -> Result<(), Refusal> {
        let mut served = self.statement().models.iter().filter(|model| model.name == *name).peekable();
        if served.peek().is_none() {
            let mut providers = self.statement().upstreams.iter();
            return match providers.find(|at| !self.accepted_upstreams().accepts(&at.host, at.port)) {
                None => Ok(()),
                Some(refused) => Err(Refusal::UpstreamNotAccepted { name: refused.to_string() }),
            };
        }
        match served.map(|model| model.sha256).find(|sha256| !self.accepted_models().accepts(sha256)) {
            None => Ok(()),
            Some(actual) => Err(Refusal::ModelNotAccepted { name: name.into(), actual: actual.into() }),
        }
    }

    pub(crate) fn receipt_key(&self) -> &ReceiptKey {
        &self.node.receipt_key
    }

    pub(crate) fn accepted_models(&self) -> &Accept {
        &self.node.models
    }

    pub(crate) fn accepted_upstreams(&self) -> &AcceptUpstreams {
        &self.node.upstreams
    }
}

impl fmt::Debug for VerifiedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedNode")
            .field("platform", &self.platform().name())
            .field("digest", &self.digest())
            .field("image", &self.image())
            .finish_non_exhaustive()
    }
}
