//! Launches an enclave: as a process that simulates one, as a Nitro enclave, or as a machine under QEMU.

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

/// The type of virtual processor that runs on every processor with SEV-SNP.
const DEFAULT_CPU: &str = "EPYC-v4";

/// The kind of enclave to launch.
pub(crate) enum Launch {
    /// A program that simulates an enclave.
    Program(PathBuf),
    /// An enclave that nitro-cli runs.
    Nitro { image: Image, size: Size, debug: bool },
    /// The same image in a machine that QEMU emulates.
    QemuNitro { image: Image, size: Size },
    /// A machine of SEV-SNP.
    Snp { image: Image, size: Size, machine: Machine },
    /// The same image in a machine without SEV-SNP.
    QemuSnp { image: Image, size: Size },
}

/// A launched enclave.
pub(crate) struct Enclave {
    process: Process,
    /// The enclave's id in nitro-cli, if nitro-cli runs it.
    nitro: Option<String>,
}

impl Launch {
    /// Chooses the kind of enclave that the options describe.
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
                "this image expects its host at context id {built}, but here the host has {expected}: build an image with host_cid = {expected}"
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

    /// Computes the measurements that the enclave will have.
    pub(crate) fn measured(&self, config: &[u8]) -> Result<Measured, HostError> {
        match self {
            Self::Program(program) => Ok(Measured::Registers(policy::registers(program, config)?)),
            Self::Nitro { image, .. } | Self::QemuNitro { image, .. } => Ok(Measured::Registers(image.registers()?)),
            Self::Snp { image, size, machine: Machine { cpu, smt } } => {
                let digest = image.launch_digest(size.processors, cpu)?;
                Ok(Measured::Launch { digest, smt: *smt, guest: image.guest().cloned() })
            }
            // Without SEV-SNP there is no measurement.
            Self::QemuSnp { .. } => Ok(Measured::Nothing {}),
        }
    }

    /// Returns the link's address.
    pub(crate) fn link(&self, run_dir: &RunDir) -> Address {
        match self {
            Self::Program(_) => Address::Unix(run_dir.sockets()),
            Self::Nitro { .. } | Self::Snp { .. } => Address::Vsock(context_id::ENCLAVE),
            Self::QemuNitro { .. } | Self::QemuSnp { .. } => device::link(run_dir),
        }
    }

    /// Launches the enclave. The host must already listen on its ports.
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
    /// Finds the enclave of a state file, if it is still running.
    pub(crate) fn find(state: &State) -> Option<Self> {
        let process = Process::find(state.pid, state.started)?;
        Some(Self { process, nitro: state.nitro.clone() })
    }

    /// Returns whether the enclave of a state file is still running.
    pub(crate) fn lives(state: &State) -> bool {
        process::start_time(state.pid) == Some(state.started)
    }

    /// Writes into `state` what a later host needs to find the enclave again.
    pub(crate) fn describe(&self, state: &mut State) {
        (state.pid, state.started) = self.process.id();
        state.nitro.clone_from(&self.nitro);
    }

    /// Waits for the end of the enclave. Returns how it ended, as far as known. Cancel safe.
    pub(crate) async fn ended(&mut self) -> String {
        self.process.ended().await
    }

    /// Kills the enclave.
    pub(crate) fn kill(&self) {
        match &self.nitro {
            None => self.process.kill(),
            // The process only holds the enclave's memory; nitro-cli ends the enclave.
            Some(id) if self.process.lives() => nitro::terminate(id),
            Some(_) => {}
        }
    }
}
