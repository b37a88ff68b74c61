//! The first process of an image: it does what the kernel leaves to it, and nothing else. There is no shell, no other
//! program and no disk. When this process ends, it ends the machine.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use rustix::mount::{MountFlags, mount};
use rustix::process::{Resource, Rlimit, getpid, setrlimit};
use rustix::system::{RebootCommand, finit_module, reboot};
use vsock::VsockStream;

use crate::EnclaveError;
use crate::config::{Config, PlatformName};
use crate::log::log;

/// File descriptors: enough for clients, providers and the rest.
const FILES: u64 = 1 << 16;
/// Where an image has its measured configuration.
pub const CONFIG: &str = "/etc/quoth/enclave.toml";
/// Where an image has the modules of its kernel, if any.
const MODULES: &str = "/etc/quoth/modules";
/// The port on which a Nitro enclave tells its parent that it runs (aws-nitro-enclaves-cli, heartbeat).
const HEARTBEAT_PORT: u32 = 9000;
const HEARTBEAT: u8 = 0xB7;
/// Names the source of the kernel's random numbers.
const RANDOM: &str = "/sys/class/misc/hw_random/rng_current";
/// How long to wait for the parent's answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The name of the Nitro Security Module's random numbers.
const NITRO_RANDOM: &str = "nsm-hwrng";

/// Whether this process is the first.
pub fn is_first() -> bool {
    getpid().is_init()
}

/// Mounts the few file systems that the program expects.
pub fn mounts() -> Result<(), EnclaveError> {
    let sealed = MountFlags::NOSUID | MountFlags::NOEXEC;
    for (kind, at, flags) in [
        ("devtmpfs", "/dev", sealed),
        // The program starts itself again from there.
        ("proc", "/proc", MountFlags::NOSUID | MountFlags::NODEV),
        ("sysfs", "/sys", sealed | MountFlags::NODEV),
    ] {
        place(kind, at, flags)?;
    }
    Ok(())
}

/// Loads the modules that came with the kernel, in the order of their names, and forbids further ones.
pub fn modules() -> Result<(), EnclaveError> {
    let Ok(entries) = fs::read_dir(MODULES) else { return Ok(()) };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let file = File::open(file).map_err(EnclaveError::io("open a module"))?;
        finit_module(file, c"", 0).map_err(|error| EnclaveError::io("load a module")(error.into()))?;
    }
    fs::write("/proc/sys/kernel/modules_disabled", "1").map_err(EnclaveError::io("forbid modules"))
}

/// Does what the platform requires before anything else runs.
pub fn settle(config: &Config) -> Result<(), EnclaveError> {
    match config.settings.platform {
        PlatformName::Nitro => {
            beat(config.settings.host())?;
            random(Path::new(RANDOM))?;
            log!("init heartbeat=answered random={NITRO_RANDOM}");
            Ok(())
        }
        // The reports come from there.
        PlatformName::SevSnp => place("configfs", "/sys/kernel/config", MountFlags::NOSUID | MountFlags::NOEXEC),
        PlatformName::Simulated | PlatformName::None => Ok(()),
    }
}

/// Raises the limit of file descriptors: a kernel gives its first process few.
pub fn limits() -> Result<(), EnclaveError> {
    let files = Rlimit { current: Some(FILES), maximum: Some(FILES) };
    setrlimit(Resource::Nofile, files).map_err(|error| EnclaveError::io("raise the file limit")(error.into()))
}

/// Checks that the kernel's random numbers come from the security module.
fn random(source: &Path) -> Result<(), EnclaveError> {
    let source = fs::read_to_string(source).map_err(EnclaveError::io("read the source of randomness"))?;
    match source.trim() == NITRO_RANDOM {
        true => Ok(()),
        false => Err(EnclaveError::Make { what: "randomness of the Nitro Security Module" }),
    }
}

fn place(kind: &str, at: &str, flags: MountFlags) -> Result<(), EnclaveError> {
    mount(kind, at, kind, flags, None).map_err(|error| EnclaveError::io("mount")(error.into()))
}

/// Sends the heartbeat and waits for the answer.
fn beat(host: u32) -> Result<(), EnclaveError> {
    let beat = || {
        let mut stream = VsockStream::connect_with_cid_port(host, HEARTBEAT_PORT)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&[HEARTBEAT])?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        match answer {
            [HEARTBEAT] => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    };
    beat().map_err(EnclaveError::io("send the heartbeat"))
}

/// Ends the machine by asking for a reset, which ends the enclave or QEMU. A Nitro enclave cannot be powered off (AWS
/// Nitro Enclaves SDK bootstrap, init), nor can a kernel without ACPI. If the reset is refused, the end of the first
/// process makes the kernel panic, which ends the machine, too.
pub fn power_off() {
    // Flushes the last lines of the log.
    let _ = File::options().write(true).open("/dev/console").and_then(|console| console.sync_all());
    let _ = reboot(RebootCommand::Restart);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn random_numbers_are_the_security_modules_or_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("rng_current");
        assert!(random(&source).is_err(), "no source");
        for (text, is_right) in [("nsm-hwrng\n", true), ("virtio_rng.0\n", false), ("none\n", false), ("", false)] {
            fs::write(&source, text).unwrap();
            assert_eq!(random(&source).is_ok(), is_right, "{text}");
        }
    }
}
