//! An enclave's process: started by this host, or found again by a later one.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::watch;

use crate::HostError;

/// A process that is running, or has just ended.
pub(crate) struct Process {
    pid: i32,
    started: u64,
    handle: OwnedFd,
    end: watch::Receiver<Option<String>>,
}

impl Process {
    /// Starts a program in its own process group, so that it survives this host and a Ctrl-C in the terminal. Appends its
    /// output to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self, HostError> {
        let open = File::options().create(true).append(true).mode(0o600).open(log);
        let output = open.map_err(HostError::file(log))?;
        let errors = output.try_clone().map_err(HostError::file(log))?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let child = command.spawn().map_err(HostError::file(command.get_program()))?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        // The child is collected only by the watch below, so its id cannot be reused before.
        let watching = || "watching the enclave's process";
        let handle = open_handle(pid).map_err(HostError::system(watching()))?;
        let started = start_time(pid).unwrap_or_default();
        let end = watch(&handle, Some(child)).map_err(HostError::system(watching()))?;
        Ok(Self { pid, started, handle, end })
    }

    /// Finds the running process with this id and start time.
    pub(crate) fn find(pid: i32, started: u64) -> Option<Self> {
        let handle = open_handle(pid).ok()?;
        // Checked while the handle is held, so that the id cannot be reused in between.
        if start_time(pid)? != started {
            return None;
        }
        let end = watch(&handle, None).ok()?;
        Some(Self { pid, started, handle, end })
    }

    /// Returns the process id and start time, with which a later host can find the process.
    pub(crate) fn id(&self) -> (i32, u64) {
        (self.pid, self.started)
    }

    /// Returns whether the process is still running.
    pub(crate) fn lives(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// Waits for the end of the process. Returns how it ended, as far as known. Cancel safe.
    pub(crate) async fn ended(&mut self) -> String {
        match self.end.wait_for(Option::is_some).await {
            Ok(how) => how.clone().unwrap_or_default(),
            Err(_) => "in an unknown way, because watching it failed".into(),
        }
    }

    /// Kills the process.
    pub(crate) fn kill(&self) {
        // The process may have ended already.
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
    }
}

fn open_handle(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).filter(|_| pid > 0).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Waits for the process's end on a separate thread, which also collects a child.
fn watch(handle: &OwnedFd, child: Option<Child>) -> io::Result<watch::Receiver<Option<String>>> {
    let handle = handle.try_clone()?;
    let (tell, end) = watch::channel(None);
    let wait = move || {
        let how = match child.map(|mut child| child.wait()) {
            Some(Ok(status)) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("with status {code}"),
                (_, Some(signal)) => format!("by signal {signal}"),
                _ => "for an unknown reason".into(),
            },
            _ => {
                // A process handle becomes readable when the process ends (pidfd_open(2)).
                let mut watched = [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)];
                while poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
                "for an unknown reason, because another process was its parent".into()
            }
        };
        tell.send_replace(Some(how));
    };
    std::thread::Builder::new().name("enclave-end".into()).spawn(wait)?;
    Ok(end)
}

/// Returns the start time of a running process (`proc_pid_stat(5)`, field 22). Returns `None` for a zombie.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, which may contain any character.
    let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Raises the limit of file descriptors to its maximum. Returns the number of connections that this allows.
pub(crate) fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Best effort: if it fails, fewer connections are possible.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let available = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(available.saturating_sub(64) / 2).unwrap_or(usize::MAX)
}

/// Returns the URL of an address. A wildcard address becomes the loopback address.
pub(crate) fn url(listen: SocketAddr) -> String {
    let mut reached = listen;
    if listen.ip().is_unspecified() {
        reached.set_ip(match listen {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("https://{reached}")
}
