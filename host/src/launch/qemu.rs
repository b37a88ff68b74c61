//! QEMU's machine `nitro-enclave`: the image as AWS would boot it, for people without the hardware. Nobody signs its evidence.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use quoth_link::{Address, Listener, Port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::Size;
use crate::HostError;
use crate::process::Process;
use crate::run_dir::{RunDir, remove};

const QEMU: &str = "qemu-system-x86_64";
const DEVICE: &str = "vhost-device-vsock";
/// The machine's context id among virtual sockets; within QEMU only.
const CID: u32 = 4;
/// The device gets so long to come up.
const DEVICE_START: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);
/// The machine gets so long to say that it has come up.
const HEARTBEAT: Duration = Duration::from_secs(120);

/// Where the machine is reached.
pub(super) fn link(run_dir: &RunDir) -> Address {
    Address::Vhost(run_dir.sockets().join("vm"))
}

/// The machine, and the device that carries its virtual sockets.
pub(super) async fn start(eif: &Path, size: Size, run_dir: &RunDir) -> Result<(Process, Process), HostError> {
    let heartbeat = link(run_dir).listen(Port::HEARTBEAT)?;
    let device = device(run_dir).await?;
    let mut command = Command::new(QEMU);
    command.args(["-M", "nitro-enclave,vsock=vsock,id=quoth", "-nographic", "-nodefaults"]);
    // Without the controller that it asks for it by, the kernel would find nobody to end the machine.
    command.args(["-device", "i8042", "-no-reboot"]);
    // What the processor can do depends on who emulates it.
    match fs::File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) if std::env::var_os("QUOTH_NO_KVM").is_none() => command.args(["-accel", "kvm", "-cpu", "host"]),
        _ => command.args(["-accel", "tcg", "-cpu", "max"]),
    };
    command.args(["-m", &size.memory.to_string(), "-smp", &size.processors.to_string(), "-serial", "stdio"]);
    command.arg("-kernel").arg(eif).arg("-chardev").arg(chardev(&socket(run_dir)));
    match Process::start(command, &run_dir.enclave_log()) {
        Ok(machine) => {
            tokio::spawn(timeout(HEARTBEAT, answer(heartbeat)));
            Ok((machine, device))
        }
        Err(error) => {
            device.kill();
            Err(error)
        }
    }
}

async fn device(run_dir: &RunDir) -> Result<Process, HostError> {
    let socket = socket(run_dir);
    remove(&socket)?;
    let mut command = Command::new(DEVICE);
    command.args(["--guest-cid", &CID.to_string(), "--socket"]).arg(&socket);
    command.arg("--uds-path").arg(run_dir.sockets().join("vm"));
    remove(&run_dir.sockets().join("vm"))?;
    let device = Process::start(command, &run_dir.path().join("device.log"))?;
    let end = Instant::now() + DEVICE_START;
    while !socket.exists() {
        if Instant::now() > end || !device.lives() {
            device.kill();
            return Err(HostError::Launch { program: DEVICE, said: "it does not come up".into() });
        }
        sleep(LOOK).await;
    }
    Ok(device)
}

/// Sends back the byte by which an image says that it has come up, as a Nitro enclave's parent does.
async fn answer(listener: Listener) {
    while let Ok(mut stream) = listener.accept().await {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {
            return;
        }
    }
}

fn socket(run_dir: &RunDir) -> std::path::PathBuf {
    run_dir.sockets().join("device")
}

/// QEMU's options end at a comma, unless there are two.
fn chardev(socket: &Path) -> OsString {
    let mut option = OsString::from("socket,id=vsock,path=");
    option.push(socket.to_string_lossy().replace(',', ",,"));
    option
}
