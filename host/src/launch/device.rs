//! The device that maps a machine's virtual sockets to Unix sockets: vhost-device-vsock. It needs no kernel support.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use quoth_link::Address;

use crate::HostError;
use crate::run_dir::{RunDir, remove};

const DEVICE: &str = "vhost-device-vsock";
/// The machine's context id among virtual sockets. Used only inside QEMU.
const CID: &str = "4";
/// Starts the device, waits for its socket, then replaces the shell by the machine. So the device is a child of the machine, and the
/// kernel ends it with the machine, even if the host is gone (prctl(2), PR_SET_PDEATHSIG).
const TOGETHER: &str = r#"
setpriv --pdeathsig KILL vhost-device-vsock --guest-cid "$1" --socket "$2" --uds-path "$3" >>"$4" 2>&1 &
device=$!
socket="$2"
shift 4
left=500
until [ -S "$socket" ]; do
  left=$((left - 1))
  if [ $left = 0 ] || ! kill -0 $device; then echo "vhost-device-vsock does not start"; exit 1; fi
  sleep 0.02
done
exec "$@"
"#;

/// Returns the address of the link to the machine.
pub(super) fn link(run_dir: &RunDir) -> Address {
    Address::Vhost(machine(run_dir))
}

/// Returns a command that starts the machine and its device.
pub(super) fn with(command: &Command, run_dir: &RunDir) -> Result<Command, HostError> {
    // Checks that the program exists now, so that the error is not only in a log.
    let known = Command::new(DEVICE).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    known.map_err(HostError::file(DEVICE))?;
    for left_behind in [socket(run_dir), machine(run_dir)] {
        remove(&left_behind)?;
    }
    let mut together = Command::new("sh");
    together.args(["-c", TOGETHER, "sh", CID]).arg(socket(run_dir)).arg(machine(run_dir));
    together.arg(run_dir.path().join("device.log")).arg(command.get_program()).args(command.get_args());
    together.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ok(together)
}

/// Returns QEMU's option for the character device `vsock` that leads to the device.
pub(super) fn chardev(run_dir: &RunDir) -> OsString {
    let mut option = OsString::from("socket,id=vsock,path=");
    // In QEMU's options a comma must be doubled.
    option.push(socket(run_dir).to_string_lossy().replace(',', ",,"));
    option
}

fn socket(run_dir: &RunDir) -> PathBuf {
    run_dir.sockets().join("device")
}

fn machine(run_dir: &RunDir) -> PathBuf {
    run_dir.sockets().join("vm")
}
