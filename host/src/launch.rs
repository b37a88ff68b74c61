//! How an enclave comes to life: as a process that plays one, as a Nitro enclave, or as a machine under QEMU.

mod image;
mod nitro;
mod qemu;
mod size;

use std::path::PathBuf;
use std::process::Command;

use quoth_link::Address;

use crate::args::{Platform, Up};
use crate::configuration::Configuration;
use crate::process::{self, Process};
use crate::run_dir::{RunDir, State};
use crate::{HostError, policy, program};

pub(crate) use image::CONFIG;
use image::Image;
pub(crate) use nitro::CID as NITRO_CID;
use size::Size;

/// What will be launched.
pub(crate) enum Launch {
    /// A program that plays an enclave.
    Program(PathBuf),
    /// An enclave that nitro-cli runs.
    Nitro { image: Image, size: Size, debug: bool },
    /// The same image as a machine that QEMU plays.
    Qemu { image: Image, size: Size },
}

/// What was launched.
pub(crate) struct Enclave {
    process: Process,
    more: More,
}

/// What belongs to it beside its process.
enum More {
    Nothing,
    /// How nitro-cli calls it.
    Nitro(String),
    /// The device that carries its virtual sockets.
    Device(Process),
}

impl Launch {
    /// What the options ask for.
    pub(crate) fn from_options(options: &Up, configuration: &Configuration) -> Result<Self, HostError> {
        let (platform, folder) = match (options.platform, &options.image) {
            (platform, Some(folder)) => (platform.unwrap_or(Platform::Nitro), folder),
            (Some(platform), None) if platform.boots_an_image() => {
                return Err(HostError::Usage("this platform boots an image: give its folder with --image".into()));
            }
            (_, None) => return Ok(Self::Program(program::find(options.enclave.clone())?)),
        };
        let image = Image::open(folder, configuration)?;
        let size = Size::of(&image, configuration, options.memory, options.cpus);
        match platform {
            Platform::Nitro => Ok(Self::Nitro { image, size, debug: options.debug }),
            Platform::QemuNitro => Ok(Self::Qemu { image, size }),
            Platform::Simulated | Platform::None => {
                Err(HostError::Usage("an image runs on the platforms nitro and qemu-nitro".into()))
            }
        }
    }

    /// Registers 0 to 2 of what will be launched, hex.
    pub(crate) fn registers(&self, config: &[u8]) -> Result<[String; 3], HostError> {
        match self {
            Self::Program(program) => policy::registers(program, config),
            Self::Nitro { image, .. } | Self::Qemu { image, .. } => Ok(image.registers.clone()),
        }
    }

    /// Where it will be reached.
    pub(crate) fn link(&self, run_dir: &RunDir) -> Address {
        match self {
            Self::Program(_) => Address::Unix(run_dir.sockets()),
            Self::Nitro { .. } => Address::Vsock(NITRO_CID),
            Self::Qemu { .. } => qemu::link(run_dir),
        }
    }

    /// Launches it. The host's ports must be there.
    pub(crate) async fn start(&self, run_dir: &RunDir) -> Result<Enclave, HostError> {
        let log = run_dir.enclave_log();
        match self {
            Self::Program(program) => {
                let mut command = Command::new(program);
                command.arg("--config").arg(run_dir.config()).arg("--link").arg(self.link(run_dir).to_string());
                command.env_clear().current_dir(run_dir.path());
                Ok(Enclave { process: Process::start(command, &log)?, more: More::Nothing })
            }
            Self::Nitro { image, size, debug } => {
                let (process, id) = nitro::start(&image.eif(), *size, *debug, &log).await?;
                Ok(Enclave { process, more: More::Nitro(id) })
            }
            Self::Qemu { image, size } => {
                let (process, device) = qemu::start(&image.eif(), *size, run_dir).await?;
                Ok(Enclave { process, more: More::Device(device) })
            }
        }
    }
}

impl Enclave {
    /// What a state file tells of, if it still lives.
    pub(crate) fn find(state: &State) -> Option<Self> {
        let process = Process::find(state.pid, state.started)?;
        let device = || state.device.and_then(|(pid, started)| Process::find(pid, started));
        let more = match &state.nitro {
            Some(id) => More::Nitro(id.clone()),
            None => device().map_or(More::Nothing, More::Device),
        };
        Some(Self { process, more })
    }

    /// Whether what a state file tells of still lives.
    pub(crate) fn lives(state: &State) -> bool {
        process::start_time(state.pid) == Some(state.started)
    }

    /// Writes down what a later host needs to find it again.
    pub(crate) fn describe(&self, state: &mut State) {
        (state.pid, state.started) = self.process.id();
        match &self.more {
            More::Nothing => {}
            More::Nitro(id) => state.nitro = Some(id.clone()),
            More::Device(device) => state.device = Some(device.id()),
        }
    }

    /// Waits for its end and says how it ended, as far as that can be known. Cancel safe.
    pub(crate) async fn ended(&mut self) -> String {
        let how = self.process.ended().await;
        if let More::Device(device) = &self.more {
            device.kill();
        }
        how
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        match &self.more {
            More::Nothing => self.process.kill(),
            // The process is only what holds the enclave's memory.
            More::Nitro(id) if self.process.lives() => nitro::terminate(id),
            More::Nitro(_) => {}
            More::Device(device) => {
                self.process.kill();
                device.kill();
            }
        }
    }
}
