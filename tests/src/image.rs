//! Images with a tiny model, and machines that boot them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quoth_attestation::Digest;
use tempfile::TempDir;

use crate::{Boot, Node, Options, command};

/// An image for a tiny model, with the model and the enclave's program.
pub struct Image {
    folder: TempDir,
    /// The enclave's program.
    pub program: PathBuf,
}

impl Image {
    /// Builds an image for `nitro` or `snp`. Returns `None` with a message if the parts are not built.
    pub fn build(target: &str, platform: &str) -> Option<Self> {
        Self::with_model(target, platform, &quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32))
    }

    /// The same with a model of at least this size, bytes. The file is padded after the tiny model; the padding is fed and hashed,
    /// too.
    pub fn with_large_model(target: &str, platform: &str, size: usize) -> Option<Self> {
        let mut model = quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32);
        let mut state = 1_u64;
        while model.len() < size {
            // Multiples of the golden ratio do not repeat within a file.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            model.extend_from_slice(&state.to_le_bytes());
        }
        Self::with_model(target, platform, &model)
    }

    fn with_model(target: &str, platform: &str, model: &[u8]) -> Option<Self> {
        let Some(program) = std::env::var_os("QUOTH_BOOT") else {
            eprintln!("no image was booted: ./just test-boot does it");
            return None;
        };
        let image = Self { folder: tempfile::tempdir().unwrap(), program: program.into() };
        fs::write(image.model(), model).unwrap();
        let config = format!(
            "version = 1\nplatform = \"{platform}\"\n{}tls_names = [\"localhost\", \"127.0.0.1\"]\n[[model]]\nname = \"{}\"\n\
             sha256 = \"{}\"\nsize = {}\ncontext = {}\nparallel = 2\nthreads = 1\n",
            // The parent of a Nitro enclave has context id 3, but here the device gives the host 2.
            if platform == "nitro" { "host_cid = 2\n" } else { "" },
            Node::MODEL,
            Digest::of(model),
            model.len(),
            quoth_tiny_model::CONTEXT,
        );
        let file = image.folder.path().join("config.toml");
        fs::write(&file, config).unwrap();
        image.assemble(target, &file);
        Some(image)
    }

    /// Builds an image with any valid configuration and without a model file.
    pub fn of_configuration(target: &str, configuration: &str) -> Option<Self> {
        let program = std::env::var_os("QUOTH_BOOT")?;
        let image = Self { folder: tempfile::tempdir().unwrap(), program: program.into() };
        fs::write(image.model(), "").unwrap();
        let file = image.folder.path().join("config.toml");
        fs::write(&file, configuration).unwrap();
        image.assemble(target, &file);
        Some(image)
    }

    /// Builds an image for SEV-SNP with another program than Quoth's.
    pub fn of(program: PathBuf) -> Self {
        let image = Self { folder: tempfile::tempdir().unwrap(), program };
        let file = image.folder.path().join("config.toml");
        fs::write(&file, "platform = \"none\"\n").unwrap();
        image.assemble("snp", &file);
        image
    }

    fn assemble(&self, target: &str, config: &Path) {
        let mut build = command("quoth-images");
        build.args(["build", target, "--config"]).arg(config).arg("--enclave").arg(&self.program);
        let output = build.arg("--out").arg(self.out()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Returns the image's folder.
    pub fn out(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Returns the model's file.
    pub fn model(&self) -> PathBuf {
        self.folder.path().join("tiny.gguf")
    }

    /// Boots a node and waits until it answers. `platform` is a name of `quoth up`.
    pub async fn boot(&self, platform: &'static str) -> Node {
        self.boot_with(platform, &[]).await
    }

    /// The same with further arguments of `quoth up`.
    pub async fn boot_with(&self, platform: &'static str, more: &[&str]) -> Node {
        let boot = Some(Boot { image: self.out(), platform });
        let more = more.iter().map(|argument| argument.to_string()).collect();
        Node::with(Options { boot, model: Some(self.model()), more, ..Options::default() }).await
    }
}

/// A machine without Quoth's host. It ends when this value is dropped.
pub struct Machine {
    /// The image that it was launched from.
    pub image: Image,
    device: Child,
    machine: Child,
}

impl Machine {
    /// Starts a machine with the script of its image, without SEV-SNP. `socket` leads to its virtual sockets, as in
    /// [`quoth_link::Address::Vhost`]. `more` are further arguments of QEMU.
    pub fn start(image: Image, socket: &Path, more: &[&str]) -> Self {
        let mut launch = Command::new(image.out().join("launch"));
        launch.args(more).env("QUOTH_SNP", "off").env("QUOTH_MEMORY", "320").env("QUOTH_CPUS", "1");
        launch.env("QUOTH_VSOCK", format!("socket,id=vsock,path={}", image.out().join("device").display()));
        Self::beside_its_device(image, socket, launch)
    }

    /// Starts a machine as an AWS enclave. The test plays its parent.
    pub fn enclave(image: Image, socket: &Path) -> Self {
        let mut launch = Command::new("qemu-system-x86_64");
        launch.args(["-M", "nitro-enclave,vsock=vsock,id=quoth", "-nographic", "-nodefaults", "-device", "i8042"]);
        launch.args(["-no-reboot", "-accel", "tcg", "-cpu", "max", "-m", "320", "-serial", "stdio", "-kernel"]);
        launch.arg(image.out().join("image.eif")).arg("-chardev");
        launch.arg(format!("socket,id=vsock,path={}", image.out().join("device").display()));
        Self::beside_its_device(image, socket, launch)
    }

    fn beside_its_device(image: Image, socket: &Path, mut launch: Command) -> Self {
        let folder = image.out();
        let qemu = folder.join("device");
        let log = |name: &str| fs::File::create(folder.join(name)).unwrap();
        let mut device = Command::new("vhost-device-vsock");
        device.args(["--guest-cid", "4", "--socket"]).arg(&qemu).arg("--uds-path").arg(socket);
        let device = device.stdout(Stdio::null()).stderr(log("device.log")).spawn().unwrap();
        while !qemu.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let machine = launch.stdin(Stdio::null()).stdout(log("console")).stderr(log("errors")).spawn().unwrap();
        Self { image, device, machine }
    }

    /// Returns the console's output.
    pub fn console(&self) -> String {
        fs::read_to_string(self.image.out().join("console")).unwrap_or_default()
    }

    /// Returns whether the machine is still running.
    pub fn is_on(&mut self) -> bool {
        self.machine.try_wait().unwrap().is_none()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.console());
        }
        for process in [&mut self.machine, &mut self.device] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
