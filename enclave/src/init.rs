//! The first process of an image: what a kernel leaves to it to do, and nothing else. There is no shell, no other program and
//! no disk; when this process is done, the machine is switched off.

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

/// Descriptors: clients, their providers and room beside them.
const FILES: u64 = 1 << 16;
/// Where an image has its measured configuration.
pub const CONFIG: &str = "/etc/quoth/enclave.toml";
/// And the modules of its kernel, if that has any.
const MODULES: &str = "/etc/quoth/modules";
/// Where a Nitro enclave says that it has come up, to its parent (aws-nitro-enclaves-cli, heartbeat).
const HEARTBEAT_PORT: u32 = 9000;
const HEARTBEAT: u8 = 0xB7;
/// Which source of randomness feeds the kernel.
const RANDOM: &str = "/sys/class/misc/hw_random/rng_current";
/// A parent that owes an answer for so long is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the Nitro Security Module's randomness is called.
const NITRO_RANDOM: &str = "nsm-hwrng";

/// Whether this process is the first.
pub fn is_first() -> bool {
    getpid().is_init()
}

/// Makes the few places that programs expect.
pub fn mounts() -> Result<(), EnclaveError> {
    let sealed = MountFlags::NOSUID | MountFlags::NOEXEC;
    for (kind, at, flags) in [
        ("devtmpfs", "/dev", sealed),
        // Its own program is run again from there.
        ("proc", "/proc", MountFlags::NOSUID | MountFlags::NODEV),
        ("sysfs", "/sys", sealed | MountFlags::NODEV),
    ] {
        place(kind, at, flags)?;
    }
    Ok(())
}

/// Loads the modules that came with somebody else's kernel, in their order; nobody loads another after that.
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

/// What the platform wants to see before anything else runs, and what must be so.
pub fn settle(config: &Config) -> Result<(), EnclaveError> {
    match config.settings.platform {
        PlatformName::Nitro => {
            beat(config.settings.host())?;
            random(Path::new(RANDOM))?;
            log!("init heartbeat=answered random={NITRO_RANDOM}");
            Ok(())
        }
        // Where its reports come from.
        PlatformName::SevSnp => place("configfs", "/sys/kernel/config", MountFlags::NOSUID | MountFlags::NOEXEC),
        PlatformName::Simulated | PlatformName::None => Ok(()),
    }
}

/// As many descriptors as the node's limits may need: a kernel gives its first process few.
pub fn limits() -> Result<(), EnclaveError> {
    let files = Rlimit { current: Some(FILES), maximum: Some(FILES) };
    setrlimit(Resource::Nofile, files).map_err(|error| EnclaveError::io("raise the file limit")(error.into()))
}

/// Whether the kernel's randomness is the security module's.
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

/// Says that the enclave has come up, and hears that it was noticed.
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

/// Ends the machine by asking for a reset, which ends the enclave or QEMU. A Nitro enclave has no switch (AWS Nitro Enclaves SDK
/// bootstrap, init), and a kernel without ACPI knows of none. If the reset is refused, the end of the first process is a panic of
/// the kernel, which ends the machine too.
pub fn power_off() {
    // What was said last should be seen.
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
