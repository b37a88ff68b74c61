//! The platform without hardware: the receipt key vouches for itself.

use std::sync::Arc;

use quoth_attestation::binding::Nonce;
use quoth_attestation::cose::Possession;
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Clock, Platform as Name};

use super::quote::{Platform, Quote};
use crate::EnclaveError;
use crate::keys::ReceiptKey;

/// Signs the binding with the receipt key, which verifiers must know.
pub(super) struct Vanilla {
    key: Arc<ReceiptKey>,
}

impl Vanilla {
    pub(super) fn new(key: Arc<ReceiptKey>) -> Self {
        Self { key }
    }
}

impl Platform for Vanilla {
    fn name(&self) -> Name {
        Name::None
    }

    fn clock(&self) -> Clock {
        Clock::Host
    }

    fn level(&self) -> Level {
        Level::Vanilla
    }

    fn quote(&self, binding: &[u8; 64], _nonce: Option<&Nonce>) -> Result<Quote, EnclaveError> {
        let signed = self.key.sign(Possession { binding: *binding }).map_err(EnclaveError::make("possession"))?;
        Ok(signed.bytes().to_vec().into())
    }
}
