//! What vouches for the node.

mod none;
#[cfg(feature = "simulated")]
mod simulated;

use std::sync::Arc;

use quoth_attestation::Digest;
use quoth_attestation::binding::Nonce;
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Clock, Platform as Name};

use crate::EnclaveError;
use crate::config::{Config, PlatformName};
use crate::keys::ReceiptKey;

/// A source of quotes; its trust root travels with it.
pub trait Platform: Send + Sync {
    /// Its name in the statement.
    fn name(&self) -> Name;
    /// Who vouches for the clock.
    fn clock(&self) -> Clock;
    /// How strongly receipts are proven.
    fn level(&self) -> Level;
    /// Signs `binding`, asked for with `nonce`. Takes up to seconds on some hardware: call it where blocking is allowed.
    fn quote(&self, binding: &[u8; 64], nonce: Option<&Nonce>) -> Result<Vec<u8>, EnclaveError>;
    /// SHA-256 of the root certificate, when the root was made for this run.
    fn simulated_root(&self) -> Option<Digest> {
        None
    }
}

/// The platform that the configuration names, if this build has it.
pub fn open(config: &Config, instance: [u8; 16], key: &Arc<ReceiptKey>) -> Result<Arc<dyn Platform>, EnclaveError> {
    match config.settings.platform {
        PlatformName::None => Ok(Arc::new(none::Vanilla::new(Arc::clone(key)))),
        #[cfg(feature = "simulated")]
        PlatformName::Simulated => Ok(Arc::new(simulated::Simulated::start(config, instance, key.public())?)),
        #[cfg(not(feature = "simulated"))]
        PlatformName::Simulated => {
            let _ = instance;
            Err(EnclaveError::Platform("simulated"))
        }
    }
}
