use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quoth_attestation::Digest;
use tempfile::TempDir;

use crate::{Boot, Node, Options, command};

/// An image with a tiny model's name in it, the model, and the enclave's program.
pub struct Image {
    folder: TempDir,
    /// The enclave's program.
    pub program: PathBuf,
}

impl Image {
    /// An image of one platform, built for `nitro` or `snp`; none, loudly, when nobody has built the parts.
    pub fn build(target: &str, platform: &str) -> Option<Self> {
        Self::with_model(target, platform, &quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32))
    }

    /// The same with a model of so many bytes, at least; what follows the tiny one in its file is fed and hashed like all else.
    pub fn with_large_model(target: &str, platform: &str, size: usize) -> Option<Self> {
        let mut model = quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32);
        let mut state = 1_u64;
        while model.len() < size {
            // The golden ratio's multiples never repeat within a file.
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
            // A Nitro enclave's parent is 3; the device here has its host at 2.
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

    /// An image with any configuration that `quoth-images` takes, and no model's bytes.
    pub fn of_configuration(target: &str, configuration: &str) -> Option<Self> {
        let program = std::env::var_os("QUOTH_BOOT")?;
        let image = Self { folder: tempfile::tempdir().unwrap(), program: program.into() };
        fs::write(image.model(), "").unwrap();
        let file = image.folder.path().join("config.toml");
        fs::write(&file, configuration).unwrap();
        image.assemble(target, &file);
        Some(image)
    }

    /// An image of SEV-SNP's machine with another program than Quoth's.
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

    /// Where the image is.
    pub fn out(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Where its model is.
    pub fn model(&self) -> PathBuf {
        self.folder.path().join("tiny.gguf")
    }

    /// A node of it, ready to answer; `platform` as `quoth up` calls it.
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

/// A machine without a host of Quoth's. It ends with this value.
pub struct Machine {
    /// What it was launched from.
    pub image: Image,
    device: Child,
    machine: Child,
}

impl Machine {
    /// By the script that came with its image, and without SEV-SNP. Its virtual sockets are reached by `socket`, as
    /// [`quoth_link::Address::Vhost`] has them. `more`: further arguments of QEMU.
    pub fn start(image: Image, socket: &Path, more: &[&str]) -> Self {
        let mut launch = Command::new(image.out().join("launch"));
        launch.args(more).env("QUOTH_SNP", "off").env("QUOTH_MEMORY", "320").env("QUOTH_CPUS", "1");
        launch.env("QUOTH_VSOCK", format!("socket,id=vsock,path={}", image.out().join("device").display()));
        Self::beside_its_device(image, socket, launch)
    }

    /// As AWS's enclave, whose parent is as bad as the test is.
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

    /// What it has said.
    pub fn console(&self) -> String {
        fs::read_to_string(self.image.out().join("console")).unwrap_or_default()
    }

    /// Whether it is still on.
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
