use std::fs;
use std::path::PathBuf;
use std::process::Command;

use quoth_attestation::Digest;
use quoth_tests::{Boot, Node, Options, command};
use tempfile::TempDir;

/// An image with a tiny model's name in it, the model, and the enclave's program.
pub(crate) struct Image {
    folder: TempDir,
    /// The enclave's program.
    pub(crate) program: PathBuf,
}

impl Image {
    /// An image of one platform, built for `nitro` or `snp`; none, loudly, when nobody has built the parts.
    pub(crate) fn build(target: &str, platform: &str) -> Option<Self> {
        let Some(program) = std::env::var_os("QUOTH_BOOT") else {
            eprintln!("no image was booted: ./just test-boot does it");
            return None;
        };
        let image = Self { folder: tempfile::tempdir().unwrap(), program: program.into() };
        let model = quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32);
        fs::write(image.model(), &model).unwrap();
        let config = format!(
            "version = 1\nplatform = \"{platform}\"\n{}tls_names = [\"localhost\", \"127.0.0.1\"]\n[[model]]\nname = \"{}\"\n\
             sha256 = \"{}\"\nsize = {}\ncontext = {}\nparallel = 2\nthreads = 1\n",
            // A Nitro enclave's parent is 3; the device here has its host at 2.
            if platform == "nitro" { "host_cid = 2\n" } else { "" },
            Node::MODEL,
            Digest::of(&model),
            model.len(),
            quoth_tiny_model::CONTEXT,
        );
        let file = image.folder.path().join("config.toml");
        fs::write(&file, config).unwrap();
        let mut build = command("quoth-images");
        build.args(["build", target, "--config"]).arg(file).arg("--enclave").arg(&image.program);
        let output = build.arg("--out").arg(image.out()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(image)
    }

    /// Where the image is.
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Where its model is.
    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("tiny.gguf")
    }

    /// A node of it, ready to answer; `platform` as `quoth up` calls it.
    pub(crate) async fn boot(&self, platform: &'static str) -> Node {
        let boot = Some(Boot { image: self.out(), platform });
        Node::with(Options { boot, model: Some(self.model()), ..Options::default() }).await
    }
}

/// Of a node that has ended: no process, no state.
pub(crate) fn nothing_is_left(node: &Node) {
    let run_dir = node.run_dir();
    assert!(!run_dir.join("state.json").exists());
    let left = Command::new("pgrep").arg("-f").arg(run_dir.join("sockets")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
