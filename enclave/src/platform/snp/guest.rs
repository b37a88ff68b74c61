//! Linux's device for reports, `/dev/sev-guest` (Documentation/virt/coco/sev-guest.rst), by the crate `sev`.

use std::io;
use std::sync::{Mutex, PoisonError};

use sev::firmware::guest::Firmware;

use super::device::Device;

/// The privilege level at which images run, and at which their reports are made.
const VMPL: u32 = 0;

/// The open device.
pub(super) struct Guest(Mutex<Firmware>);

impl Guest {
    /// # Errors
    /// Errors of the system, if the kernel has no such device.
    pub(super) fn open() -> io::Result<Self> {
        Firmware::open().map(Mutex::new).map(Self)
    }
}

impl Device for Guest {
    /// Never asks for the host's certificates in the same call: `sev` reads their table without bounds
    /// (`get_ext_report` in 8.0), and the host writes it. They come over the link instead.
    fn report(&self, data: [u8; 64]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let mut firmware = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let report = firmware.get_report(None, Some(data), Some(VMPL)).map_err(io::Error::other)?;
        Ok((report, Vec::new()))
    }
}
