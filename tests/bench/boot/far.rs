//! Compares the host's relay to a machine's virtual sockets with socat on the same device.
//!
//! The relay is that of a running host. The bench puts another machine behind its socket, which sends and receives bytes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use quoth_tests::{Image, Machine};
use tokio::runtime::Builder;

use crate::machine;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::relay::Socat;
use crate::row::{Goal, Row};

/// The same number as in tests/qemu/far.c.
const BYTES: usize = 64 << 20;
const SOURCE: &str = "tests/qemu/far.c";
const BUFFER: usize = 256 << 10;
const START: Duration = Duration::from_secs(60);

pub(crate) fn measure(plan: &Plan, image: &Image) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let node = runtime.block_on(image.boot("qemu-snp"));
    let socket = node.run_dir().join("sockets/vm");
    fs::remove_file(&socket).unwrap();
    let far = Machine::start(Image::of(program(folder.path())), &socket, &[]);
    wait_for(&socket);
    let socat = Socat::start(&socket, &[]);
    let mut rows = Vec::new();
    for (direction, words) in [(b'u', "client to machine"), (b'd', "machine to client")] {
        let mut speeds = Pair::default();
        for round in 1..=plan.rounds {
            eprintln!("boot: relay, {words}, turn {round} of {}", plan.rounds);
            machine::wait_until_quiet();
            let ours = carry(TcpStream::connect(("127.0.0.1", node.port())).unwrap(), direction);
            let mut stream = TcpStream::connect(("127.0.0.1", socat.port)).unwrap();
            // The relay does this handshake with the device itself.
            assert!(asked(&mut stream));
            speeds.push(ours, carry(stream, direction));
        }
        let what = format!("relay of 64 MiB over virtual sockets, {words}, emulated");
        rows.push(speeds.row(&what, "socat", "MB/s", Goal::AtLeast(1.0)));
    }
    drop(far);
    rows
}

fn program(folder: &Path) -> PathBuf {
    let program = folder.join("far");
    let compiled = Command::new("gcc").args(["-static", "-Os", "-o"]).arg(&program).arg(SOURCE).status().unwrap();
    assert!(compiled.success(), "gcc");
    program
}

/// Waits until the machine accepts connections.
fn wait_for(socket: &Path) {
    let start = Instant::now();
    loop {
        if UnixStream::connect(socket).is_ok_and(|mut stream| asked(&mut stream)) {
            return;
        }
        assert!(start.elapsed() < START, "the far end does not come up");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Asks the device for the machine's port.
fn asked(stream: &mut (impl Read + Write)) -> bool {
    let mut byte = [0];
    let mut answer = Vec::new();
    if stream.write_all(b"CONNECT 443\n").is_err() {
        return false;
    }
    while byte != *b"\n" {
        if stream.read_exact(&mut byte).is_err() {
            return false;
        }
        answer.push(byte[0]);
    }
    answer.starts_with(b"OK ")
}

/// Sends or receives the bytes. Returns megabytes per second.
fn carry(mut stream: TcpStream, direction: u8) -> f64 {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0x5a; BUFFER];
    let start = Instant::now();
    stream.write_all(&[direction]).unwrap();
    match direction {
        b'u' => {
            (0..BYTES / BUFFER).for_each(|_| stream.write_all(&buffer).unwrap());
            stream.read_exact(&mut [0]).unwrap();
        }
        _ => {
            let mut left = BYTES;
            while left > 0 {
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "{left} bytes are missing");
                left -= count;
            }
        }
    }
    BYTES as f64 / 1e6 / start.elapsed().as_secs_f64()
}
