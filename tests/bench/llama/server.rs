//! Runs llama.cpp's HTTP server as a process.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::benches::Flags;
use super::settings::{BATCH, CONTEXT, SWITCH, THREADS};
use crate::client::Connection;

/// Time limit for the start, which includes a warm-up.
const START: Duration = Duration::from_secs(120);

/// A running server. It ends when this value is dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts `folder/llama-server` with room for `parallel` chats and waits until it answers.
    pub(crate) fn start(folder: &Path, model: &Path, flags: Flags, parallel: usize) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(folder.join("llama-server"));
        command.arg("-m").arg(model).args(["--host", "127.0.0.1", "--port", &port.to_string(), "--no-webui"]);
        command.args(["-t", &THREADS.to_string(), "-np", &parallel.to_string()]);
        command.args(["-c", &(CONTEXT as usize * parallel).to_string()]);
        if let Flags::Exact = flags {
            command.args(["-fa", "off", "--no-kv-unified", "-b", BATCH, "-ub", BATCH]).env(SWITCH.0, SWITCH.1);
            // The node samples from the whole vocabulary. The server's defaults would be 40, 0.95 and 0.05.
            command.args(["--top-k", "0", "--top-p", "1", "--min-p", "0"]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut server = Self { process, port };
        server.wait();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn wait(&mut self) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("llama-server ended with {status}");
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && Connection::plain(self.port).status("/health") == 200
            {
                return;
            }
            assert!(start.elapsed() < START, "llama-server does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
