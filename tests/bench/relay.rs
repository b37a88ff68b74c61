//! The part `relay`: compares the host's relay with socat.
//!
//! The relay is that of a running host. The bench only takes the enclave's place at the Unix socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use quoth_tests::Options;
use rustix::process::Pid;

use crate::machine::{self, Usage};
use crate::node;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::Series;

const BYTES: usize = 1 << 30;
const BUFFER: usize = 256 << 10;
/// Buffer of socat. Its default is 8 KiB; more than this does not make it faster.
const SOCAT_BUFFER: &str = "131072";
const UP: u8 = b'u';
const DOWN: u8 = b'd';

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let node = node::start(Options::default());
    let socket = node.run_dir().join("sockets/443.sock");
    std::fs::remove_file(&socket).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));

    let relay = Way { port: node.port(), process: node.host() };
    let plain = Socat::start(&socket, &[]);
    let large = Socat::start(&socket, &["-b", SOCAT_BUFFER]);
    let mut rows = Vec::new();
    for (direction, words) in [(UP, "client to enclave"), (DOWN, "enclave to client")] {
        let (mut ours, mut default, mut tuned, mut cpu) =
            (Series::default(), Series::default(), Series::default(), Series::default());
        for round in 1..=plan.rounds {
            eprintln!("relay: {words}, turn {round} of {}", plan.rounds);
            machine::wait_until_quiet();
            let (speed, used) = relay.carry(direction);
            ours.push(speed);
            cpu.push(used);
            default.push(plain.way().carry(direction).0);
            tuned.push(large.way().carry(direction).0);
        }
        let what = format!("relay of 1 GiB, {words}");
        let speed = format!("{:.2} GB/s, {:.2} s of CPU", ours.median() / 1e9, cpu.median());
        for (name, peer, goal) in
            [("socat", &default, Goal::AtLeast(1.0)), ("socat -b 131072", &tuned, Goal::AtLeast(1.0))]
        {
            rows.push(Row {
                what: what.clone(),
                ours: speed.clone(),
                peer: format!("{name}: {:.2} GB/s", peer.median() / 1e9),
                value: ours.over(peer),
                goal,
            });
        }
    }
    rows
}

/// A relay from a TCP port to the socket.
struct Way {
    port: u16,
    process: Pid,
}

impl Way {
    /// Bytes per second, and the processor time of the process in seconds.
    fn carry(&self, direction: u8) -> (f64, f64) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (before, start) = (Usage::of(self.process), Instant::now());
        stream.write_all(&[direction]).unwrap();
        match direction {
            UP => {
                send(&mut stream);
                // The other end has received everything.
                stream.read_exact(&mut [0]).unwrap();
            }
            _ => receive(&mut stream),
        }
        let elapsed = start.elapsed().as_secs_f64();
        let used = Usage::of(self.process).since(&before).unwrap_or_default();
        (BYTES as f64 / elapsed, used.as_secs_f64())
    }
}

/// The receiver behind the relay.
fn serve(mut stream: UnixStream) {
    std::thread::spawn(move || {
        let mut direction = [0];
        // A connection that only probes the port sends nothing.
        if stream.read_exact(&mut direction).is_err() {
            return;
        }
        match direction {
            [UP] => {
                receive(&mut stream);
                stream.write_all(&[0]).unwrap();
            }
            [DOWN] => send(&mut stream),
            _ => {}
        }
    });
}

fn send(stream: &mut impl Write) {
    let buffer = vec![0x5a; BUFFER];
    (0..BYTES / BUFFER).for_each(|_| stream.write_all(&buffer).unwrap());
}

fn receive(stream: &mut impl Read) {
    let mut buffer = vec![0; BUFFER];
    let mut left = BYTES;
    while left > 0 {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the relay ended the connection {left} bytes early");
        left -= count;
    }
}

/// A socat that serves one connection after the other, each in its own process.
pub(crate) struct Socat {
    pub(crate) port: u16,
    child: Child,
}

impl Socat {
    pub(crate) fn start(socket: &Path, options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("socat");
        command.args(options).arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork"));
        command.arg(format!("UNIX-CONNECT:{}", socket.display())).stdin(Stdio::null());
        let socat = Self { port, child: command.spawn().expect("socat is installed") };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "socat does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        socat
    }

    fn way(&self) -> Way {
        Way { port: self.port, process: Pid::from_child(&self.child) }
    }
}

impl Drop for Socat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
