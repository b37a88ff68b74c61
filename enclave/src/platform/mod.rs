//! Opens the platform that vouches for the node.

#[cfg(feature = "nitro")]
mod nitro;
mod none;
mod quote;
#[cfg(feature = "simulated")]
mod simulated;
#[cfg(feature = "sev-snp")]
mod snp;

use std::sync::Arc;

pub use quote::{Platform, Quote};

use crate::EnclaveError;
use crate::config::{Config, PlatformName};
use crate::keys::ReceiptKey;

/// The platform that the configuration names, if this build has it.
pub fn open(config: &Config, instance: [u8; 16], key: &Arc<ReceiptKey>) -> Result<Arc<dyn Platform>, EnclaveError> {
    match config.settings.platform {
        PlatformName::None => Ok(Arc::new(none::Vanilla::new(Arc::clone(key)))),
        #[cfg(feature = "nitro")]
        PlatformName::Nitro => Ok(Arc::new(nitro::Nitro::start(nitro::Module::open()?, key.public())?)),
        #[cfg(not(feature = "nitro"))]
        PlatformName::Nitro => Err(EnclaveError::Platform("nitro")),
        // The host sets the clock. A time before this version's release is refused.
        #[cfg(feature = "sev-snp")]
        PlatformName::SevSnp if crate::clock::is_behind_release() => Err(EnclaveError::Make { what: "clock" }),
        #[cfg(feature = "sev-snp")]
        PlatformName::SevSnp => Ok(Arc::new(snp::Snp::open()?)),
        #[cfg(not(feature = "sev-snp"))]
        PlatformName::SevSnp => Err(EnclaveError::Platform("sev-snp")),
        #[cfg(feature = "simulated")]
        PlatformName::Simulated => Ok(Arc::new(simulated::Simulated::start(config, instance, key.public())?)),
        #[cfg(not(feature = "simulated"))]
        PlatformName::Simulated => {
            let _ = instance;
            Err(EnclaveError::Platform("simulated"))
        }
    }
}
