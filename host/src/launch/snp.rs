//! Starts a machine of AMD SEV-SNP with the script of its image; also the same machine without SEV-SNP, for tests without
//! the hardware.

use std::process::Command;

use super::image::Image;
use super::size::Size;
use super::{device, kvm};
use crate::process::Process;
use crate::run_dir::RunDir;
use crate::{HostError, context_id};

/// The type of processor, which is measured, and what the hardware should allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// QEMU's name for the type of its processors.
    pub(crate) cpu: String,
    /// Whether guests may share a core.
    pub(crate) smt: bool,
}

/// Starts the machine with SEV-SNP.
pub(super) fn start(image: &Image, size: Size, machine: &Machine, run_dir: &RunDir) -> Result<Process, HostError> {
    let mut command = command(image, size);
    command.env("QUOTH_CPU", &machine.cpu).env("QUOTH_CID", context_id::ENCLAVE.to_string());
    command.env("QUOTH_SMT", if machine.smt { "on" } else { "off" });
    Process::start(command, &run_dir.enclave_log())
}

/// Starts the machine without SEV-SNP, with the device for its virtual sockets.
pub(super) fn play(image: &Image, size: Size, run_dir: &RunDir) -> Result<Process, HostError> {
    let mut command = command(image, size);
    command.env("QUOTH_SNP", "off").env("QUOTH_VSOCK", device::chardev(run_dir));
    command.env("QUOTH_KVM", if kvm::is_usable() { "on" } else { "off" });
    Process::start(device::with(&command, run_dir)?, &run_dir.enclave_log())
}

/// Returns the command of the script. It executes QEMU in its place, so its process is the machine.
fn command(image: &Image, Size { memory, processors }: Size) -> Command {
    let mut command = Command::new(image.launch());
    command.env("QUOTH_MEMORY", memory.to_string()).env("QUOTH_CPUS", processors.to_string());
    command
}
