//! The ports where the enclave connects.

use quoth_link::{Address, Listener, Port};

use crate::HostError;

/// A listener for each port where the enclave connects.
pub(super) struct Ports {
    pub(super) egress: Listener,
    pub(super) model: Listener,
    pub(super) journal: Listener,
    pub(super) events: Listener,
    pub(super) endorsements: Listener,
}

impl Ports {
    pub(super) fn listen(link: &Address) -> Result<Self, HostError> {
        Ok(Self {
            egress: link.listen(Port::EGRESS)?,
            model: link.listen(Port::MODEL)?,
            journal: link.listen(Port::JOURNAL)?,
            events: link.listen(Port::EVENTS)?,
            endorsements: link.listen(Port::ENDORSEMENTS)?,
        })
    }
}
