//! Runs a published verifier in a separate process, so that Quoth does not depend on its dependencies.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

pub(super) struct Peer {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// attestation-doc-validation always uses the wall clock, so its process gets a false clock.
    pub(super) fn nitro(program: &Path, document: &Path, at: u64) -> Self {
        let mut command = Command::new("faketime");
        command.arg(format!("@{at}")).arg(program).arg("nitro").arg(document);
        // The clock for measurements stays real.
        Self::start(command.env("DONT_FAKE_MONOTONIC", "1"))
    }

    /// sev uses no clock.
    pub(super) fn snp(program: &Path, report: &Path, certificates: &[PathBuf]) -> Self {
        Self::start(Command::new(program).arg("snp").arg(report).args(certificates))
    }

    /// Returns the microseconds of one verification, as the mean of `times`.
    pub(super) fn micros(&mut self, times: u32) -> f64 {
        writeln!(self.child.stdin.as_mut().unwrap(), "{times}").expect("the peer listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().parse().expect("the peer verifies")
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer starts");
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Self { child, answers };
        // The first verification is not measured, as for Quoth.
        peer.micros(1);
        peer
    }
}

impl Drop for Peer {
    /// Closes the input of the process, which ends it.
    fn drop(&mut self) {
        let _ = self.child.wait();
    }
}
