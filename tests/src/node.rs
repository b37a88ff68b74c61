//! A node for tests: `quoth up` and its enclave as processes.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use quoth_verifier::Policy;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;

use crate::Wire;

/// Time limit for a start. With a tiny model it takes about a second, but more on a busy machine.
const START: Duration = Duration::from_secs(60);
/// Time limit for the start of an emulated machine with a large model.
const START_MACHINE: Duration = Duration::from_secs(200);
const STOP: Duration = Duration::from_secs(40);

/// Options for the start of a node.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of sequences that run at the same time.
    pub parallel: u32,
    /// Number of computing threads.
    pub threads: u32,
    /// Context length of a sequence, tokens.
    pub context: u32,
    /// A model file. `None` means a tiny model.
    pub model: Option<PathBuf>,
    /// The enclave's configuration. `None` means one made from the model and the numbers above.
    pub config: Option<String>,
    /// An image to boot instead of the program that simulates an enclave.
    pub boot: Option<Boot>,
    /// Maximum size of the host's files, KiB, until [`Node::lift_file_limit`].
    pub file_limit: Option<u64>,
    /// Further arguments of `quoth up`.
    pub more: Vec<String>,
}

/// An image and its platform.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The image's folder.
    pub image: PathBuf,
    /// The platform, by the name of `quoth up`.
    pub platform: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parallel: 4,
            threads: 1,
            context: quoth_tiny_model::CONTEXT,
            model: None,
            config: None,
            boot: None,
            file_limit: None,
            more: Vec::new(),
        }
    }
}

/// A running node: the host process and its enclave process. Both end when this value is dropped.
pub struct Node {
    folder: TempDir,
    model: PathBuf,
    options: Options,
    port: u16,
    host: Option<Child>,
}

impl Node {
    /// The tiny model's name in requests.
    pub const MODEL: &str = "tiny";

    /// Starts a node with a tiny model and waits until it answers.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// Starts a node with options and waits until it answers.
    pub async fn with(options: Options) -> Self {
        let folder = tempfile::Builder::new().prefix("quoth-").tempdir().unwrap();
        let model = options.model.clone().unwrap_or_else(|| {
            let model = folder.path().join("tiny.gguf");
            fs::write(&model, quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32)).unwrap();
            model
        });
        let mut node = Self { folder, model, options, port: free_port(), host: None };
        node.start_host(true);
        node.ready().await;
        node
    }

    /// Returns the URL `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// Returns the TCP port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of the host's files.
    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Returns the whole output of the host process.
    pub fn host_output(&self) -> String {
        fs::read_to_string(self.output_file()).unwrap()
    }

    /// Returns the journal's file.
    pub fn journal_file(&self) -> PathBuf {
        self.run_dir().join("journal.sqlite")
    }

    /// Returns the model's file.
    pub fn model_file(&self) -> &Path {
        &self.model
    }

    /// Returns the file of the policy that accepts exactly this node.
    pub fn policy_file(&self) -> PathBuf {
        self.run_dir().join("policy.toml")
    }

    /// Returns the policy that accepts exactly this node.
    pub fn policy(&self) -> Policy {
        Policy::from_toml(&fs::read_to_string(self.policy_file()).unwrap()).unwrap()
    }

    /// Opens a TLS connection to the node.
    pub async fn wire(&self) -> Wire {
        Wire::open(self.port, &self.run_dir().join("ca.pem")).await.unwrap()
    }

    /// Runs `quoth` with this node's run folder. It must succeed. Returns its output.
    pub fn quoth(&self, arguments: &[&str]) -> String {
        let output = command("quoth").args(arguments).arg("--run-dir").arg(self.run_dir()).output().unwrap();
        assert!(output.status.success(), "quoth {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the enclave's process id.
    pub fn enclave(&self) -> Pid {
        self.find_enclave().expect("an enclave process")
    }

    /// Returns whether the enclave's process is running.
    pub fn enclave_lives(&self) -> bool {
        self.find_enclave().is_some()
    }

    /// Returns the host's process id.
    pub fn host(&self) -> Pid {
        Pid::from_child(self.host.as_ref().expect("a host process"))
    }

    /// Kills the host, as `kill -9` does.
    pub fn kill_host(&mut self) {
        let mut host = self.host.take().expect("a host process");
        host.kill().unwrap();
        host.wait().unwrap();
    }

    /// Limits the size of the host's files, as on a full disk, until [`Node::lift_file_limit`]. Only for a node with
    /// [`Options::file_limit`]; without it the first such write would end the host (`SIGXFSZ`).
    pub fn limit_files(&self, bytes: u64) {
        assert!(self.options.file_limit.is_some(), "the host would be ended");
        let limit = Rlimit { current: Some(bytes), maximum: getrlimit(Resource::Fsize).maximum };
        prlimit(Some(self.host()), Resource::Fsize, limit).unwrap();
    }

    /// Lets files grow again.
    pub fn lift_file_limit(&self) {
        let limit = getrlimit(Resource::Fsize);
        prlimit(Some(self.host()), Resource::Fsize, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    }

    /// Restarts the host on the same folder while the enclave is still running.
    pub async fn restart_host(&mut self) {
        self.start_host(false);
        self.ready().await;
    }

    /// Starts a host and a new enclave on the same folder, after both have ended.
    pub async fn boot_again(&mut self) {
        self.start_host(true);
        self.ready().await;
    }

    /// Stops the host as Ctrl-C does, and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        kill_process(self.host(), Signal::INT).unwrap();
        self.wait_for_host(STOP)
    }

    /// Stops the host as systemd does, and waits for its end.
    pub fn terminate(&mut self) -> ExitStatus {
        kill_process(self.host(), Signal::TERM).unwrap();
        self.wait_for_host(STOP)
    }

    /// Waits until the host ends without a signal.
    pub fn wait_for_host(&mut self, limit: Duration) -> ExitStatus {
        let start = Instant::now();
        let host = self.host.as_mut().expect("a host process");
        loop {
            if let Some(status) = host.try_wait().unwrap() {
                self.host = None;
                return status;
            }
            assert!(start.elapsed() < limit, "the host still runs after {limit:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn start_host(&mut self, with_model: bool) {
        let output = File::options().create(true).append(true).open(self.output_file()).unwrap();
        let mut command = match self.options.file_limit {
            None => command("quoth"),
            Some(limit) => limited(command("quoth"), limit),
        };
        command.arg("up").arg("--listen").arg(format!("127.0.0.1:{}", self.port)).arg("--run-dir").arg(self.run_dir());
        if let (true, Some(config)) = (with_model, &self.options.config) {
            let file = self.folder.path().join("enclave.toml");
            fs::write(&file, config).unwrap();
            command.arg("--config").arg(file).args(&self.options.more);
        } else if let (true, Some(Boot { image, platform })) = (with_model, &self.options.boot) {
            command.args(["--platform", platform, "--image"]).arg(image).arg("--model").arg(&self.model);
            command.args(&self.options.more);
        } else if with_model {
            command.arg("--model").arg(&self.model);
            command.arg("--threads").arg(self.options.threads.to_string());
            command.arg("--parallel").arg(self.options.parallel.to_string());
            command.arg("--context").arg(self.options.context.to_string());
            command.args(&self.options.more);
        }
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        self.host = Some(command.spawn().unwrap());
    }

    async fn ready(&mut self) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.host.as_mut().unwrap().try_wait().unwrap() {
                panic!("the host ended with {status}:\n{}\n{}", self.host_output(), self.enclave_log());
            }
            if let Ok(mut wire) = Wire::open(self.port, &self.run_dir().join("ca.pem")).await
                && self.policy_file().exists()
                && wire.get("/healthz").await.is_ok_and(|answer| answer.status == 200)
            {
                return;
            }
            let limit = if self.options.boot.is_some() { START_MACHINE } else { START };
            if start.elapsed() > limit {
                panic!("not ready after {limit:?}:\n{}\n{}", self.host_output(), self.enclave_log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns the enclave's log.
    pub fn enclave_log(&self) -> String {
        fs::read_to_string(self.run_dir().join("enclave.log")).unwrap_or_default()
    }

    fn output_file(&self) -> PathBuf {
        self.folder.path().join("host.log")
    }

    /// Finds the enclave's process by this node's folder in its arguments: the program or its machine.
    fn find_enclave(&self) -> Option<Pid> {
        let link = match &self.options.boot {
            None => format!("--link\0unix:{}", self.run_dir().display()),
            Some(_) => format!("-chardev\0socket,id=vsock,path={}", self.run_dir().display()),
        };
        fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let id: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = String::from_utf8(fs::read(entry.path().join("cmdline")).ok()?).ok()?;
            line.contains(&link).then(|| Pid::from_raw(id))?
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- host\n{}\n--- enclave\n{}", self.host_output(), self.enclave_log());
        }
        if let Some(mut host) = self.host.take() {
            // The process may have ended already.
            let _ = host.kill();
            let _ = host.wait();
        }
        if let Some(enclave) = self.find_enclave() {
            let _ = kill_process(enclave, Signal::KILL);
        }
    }
}

/// Sets a soft limit for the size of files. A write beyond it fails, as on a full disk.
fn limited(program: Command, kib: u64) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; ulimit -S -f \"$0\"; exec \"$@\"", &kib.to_string()]).arg(program.get_program());
    shell
}

/// Returns a command for one of Quoth's programs, from this program's folder.
pub fn command(name: &str) -> Command {
    let here = std::env::current_exe().unwrap();
    let folder = here.ancestors().skip(1).find(|folder| folder.join(name).is_file());
    let program = folder.map(|folder| folder.join(name));
    Command::new(program.unwrap_or_else(|| panic!("{name} is not built: ./just test builds it first")))
}

fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Returns a port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
