//! How an enclave comes to life: as a process that plays one, as a Nitro enclave, or as a machine under QEMU.

mod device;
mod image;
mod kvm;
mod nitro;
mod qemu;
mod size;
mod snp;

use std::path::PathBuf;
use std::process::Command;

use quoth_link::Address;

use crate::args::{Platform, Up};
use crate::configuration::Configuration;
use crate::process::{self, Process};
use crate::run_dir::{Measured, RunDir, State};
use crate::{HostError, context_id, policy, program};

use image::Image;
use size::Size;
use snp::Machine;

/// What runs on every processor with SEV-SNP.
const DEFAULT_CPU: &str = "EPYC-v4";

/// What will be launched.
pub(crate) enum Launch {
    /// A program that plays an enclave.
    Program(PathBuf),
    /// An enclave that nitro-cli runs.
    Nitro { image: Image, size: Size, debug: bool },
    /// The same image as a machine that QEMU plays.
    QemuNitro { image: Image, size: Size },
    /// A machine of SEV-SNP.
    Snp { image: Image, size: Size, machine: Machine },
    /// The same image as a machine without it.
    QemuSnp { image: Image, size: Size },
}

/// What was launched.
pub(crate) struct Enclave {
    process: Process,
    /// How nitro-cli calls it, if that runs it.
    nitro: Option<String>,
}

impl Launch {
    /// What the options ask for.
    pub(crate) fn from_options(options: &Up, configuration: &Configuration) -> Result<Self, HostError> {
        let (platform, folder) = match (options.platform, &options.boot.image) {
            (platform, Some(folder)) => (platform.unwrap_or(Platform::Nitro), folder),
            (Some(platform), None) if platform.boots_an_image() => {
                return Err(HostError::Usage("this platform boots an image: give its folder with --image".into()));
            }
            (_, None) => return Ok(Self::Program(program::find(options.enclave.clone())?)),
        };
        let boot = &options.boot;
        let image = Image::open(folder, configuration)?;
        let host = if platform == Platform::Nitro { context_id::NITRO_PARENT } else { context_id::HOST };
        if platform.boots_an_image() && configuration.host != host {
            let (expected, built) = (host, configuration.host);
            return Err(HostError::Usage(format!(
                "this image looks for its host at context id {built}, and here that is {expected}: build one with host_cid = {expected}"
            )));
        }
        let size = Size::of(image.bytes()?, configuration, boot.memory, boot.cpus);
        match platform {
            Platform::Nitro => Ok(Self::Nitro { image, size, debug: boot.debug }),
            Platform::QemuNitro => Ok(Self::QemuNitro { image, size }),
            Platform::Snp => {
                let cpu = boot.cpu_type.clone().unwrap_or_else(|| DEFAULT_CPU.into());
                Ok(Self::Snp { image, size, machine: Machine { cpu, smt: boot.smt } })
            }
            Platform::QemuSnp => Ok(Self::QemuSnp { image, size }),
            Platform::Simulated | Platform::None => {
                Err(HostError::Usage("an image runs on nitro, qemu-nitro, snp and qemu-snp".into()))
            }
        }
    }

    /// What it will measure to.
    pub(crate) fn measured(&self, config: &[u8]) -> Result<Measured, HostError> {
        match self {
            Self::Program(program) => Ok(Measured::Registers(policy::registers(program, config)?)),
            Self::Nitro { image, .. } | Self::QemuNitro { image, .. } => Ok(Measured::Registers(image.registers()?)),
            Self::Snp { image, size, machine: Machine { cpu, smt } } => {
                let digest = image.launch_digest(size.processors, cpu)?;
                Ok(Measured::Launch { digest, smt: *smt, guest: image.guest().cloned() })
            }
            // Nobody measures it.
            Self::QemuSnp { .. } => Ok(Measured::Nothing {}),
        }
    }

    /// Where it will be reached.
    pub(crate) fn link(&self, run_dir: &RunDir) -> Address {
        match self {
            Self::Program(_) => Address::Unix(run_dir.sockets()),
            Self::Nitro { .. } | Self::Snp { .. } => Address::Vsock(context_id::ENCLAVE),
            Self::QemuNitro { .. } | Self::QemuSnp { .. } => device::link(run_dir),
        }
    }

    /// Launches it. The host's ports must be there.
    pub(crate) async fn start(&self, run_dir: &RunDir) -> Result<Enclave, HostError> {
        let log = run_dir.enclave_log();
        let process = match self {
            Self::Program(program) => {
                let mut command = Command::new(program);
                command.arg("--config").arg(run_dir.config()).arg("--link").arg(self.link(run_dir).to_string());
                command.env_clear().current_dir(run_dir.path());
                Process::start(command, &log)?
            }
            Self::Nitro { image, size, debug } => {
                let (process, id) = nitro::start(&image.eif(), *size, *debug, &log).await?;
                return Ok(Enclave { process, nitro: Some(id) });
            }
            Self::QemuNitro { image, size } => qemu::start(&image.eif(), *size, run_dir)?,
            Self::Snp { image, size, machine } => snp::start(image, *size, machine, run_dir)?,
            Self::QemuSnp { image, size } => snp::play(image, *size, run_dir)?,
        };
        Ok(Enclave { process, nitro: None })
    }
}

impl Enclave {
    /// What a state file tells of, if it still lives.
    pub(crate) fn find(state: &State) -> Option<Self> {
        let process = Process::find(state.pid, state.started)?;
        Some(Self { process, nitro: state.nitro.clone() })
    }

    /// Whether what a state file tells of still lives.
    pub(crate) fn lives(state: &State) -> bool {
        process::start_time(state.pid) == Some(state.started)
    }

    /// Writes down what a later host needs to find it again.
    pub(crate) fn describe(&self, state: &mut State) {
        (state.pid, state.started) = self.process.id();
        state.nitro.clone_from(&self.nitro);
    }

    /// Waits for its end and says how it ended, as far as that can be known. Cancel safe.
    pub(crate) async fn ended(&mut self) -> String {
        self.process.ended().await
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        match &self.nitro {
            None => self.process.kill(),
            // The process is only what holds the enclave's memory.
            Some(id) if self.process.lives() => nitro::terminate(id),
            Some(_) => {}
        }
    }
}
