//! `quoth up --platform nitro` with a scripted nitro-cli.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use quoth_attestation::Digest;
use quoth_link::{Address, Port};
use rustix::process::Signal;
use support::Host;

/// Creates an image with the files that the host reads, and a scripted nitro-cli.
struct Nitro {
    host: Host,
    image: std::path::PathBuf,
}

impl Nitro {
    fn new() -> Self {
        let host = Host::new();
        let (image, tools) = (host.folder.path().join("image"), host.folder.path().join("tools"));
        fs::create_dir(&image).unwrap();
        fs::create_dir(&tools).unwrap();
        let model = Digest::of(Host::MODEL);
        let config = format!(
            "version = 1\nplatform = \"nitro\"\n[[model]]\nname = \"m\"\nsha256 = \"{model}\"\nsize = {}\nthreads = 3\n",
            Host::MODEL.len()
        );
        let measurements = format!(
            "version = 1\nname = \"quoth\"\nconfig = \"{}\"\n[nitro]\npcr0 = \"{0}\"\npcr1 = \"{0}\"\npcr2 = \"{0}\"\n",
            Digest::of(config.as_bytes())
        );
        for (name, text) in [("enclave.toml", &*config), ("measurements.toml", &*measurements), ("image.eif", "EIF")] {
            fs::write(image.join(name), text).unwrap();
        }
        let said = host.folder.path().join("said");
        let run = format!(
            "echo \"$@\" >> {said}\ncase $1 in\nrun-enclave)\n  if [ $(grep -c run-enclave {said}) = 1 ]; then echo '[ E29 ] Ioctl failure' >&2; exit 1; fi\n  \
             sleep 300 >/dev/null 2>&1 &\n  echo Started. >&2\n  echo \"{{\\\"EnclaveID\\\": \\\"i-1-enc2\\\", \\\"ProcessID\\\": $!}}\"\n  echo $! > {said}.pid;;\n\
             terminate-enclave) kill -9 $(cat {said}.pid);;\nesac",
            said = said.display()
        );
        Host::script(&tools.join("nitro-cli"), &run);
        Self { host, image }
    }

    fn up(&self) -> std::process::Command {
        self.up_on("nitro")
    }

    fn up_on(&self, platform: &str) -> std::process::Command {
        let mut up = self.host.command("up");
        let path = format!("{}:{}", self.host.folder.path().join("tools").display(), std::env::var("PATH").unwrap());
        up.env("PATH", path).args(["--listen", "127.0.0.1:0", "--platform", platform]).arg("--image").arg(&self.image);
        up.arg("--model").arg(self.host.folder.path().join("Tiny Model.gguf"));
        up
    }

    fn said(&self) -> Vec<String> {
        let said = fs::read_to_string(self.host.folder.path().join("said")).unwrap_or_default();
        said.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn nitro_cli_is_asked_again_while_it_is_busy_and_ends_what_it_started() {
    if Address::Vsock(1).listen(Port::EVENTS).is_err() {
        eprintln!("no virtual sockets here: not tried");
        return;
    }
    let nitro = Nitro::new();
    let mut host = nitro.up().stderr(std::process::Stdio::piped()).spawn().unwrap();
    let state = nitro.host.run_dir().join("state.json");
    while !state.exists() {
        assert!(host.try_wait().unwrap().is_none(), "the host ended");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let known = fs::read_to_string(&state).unwrap();
    assert!(known.contains("\"vsock:16\"") && known.contains("\"i-1-enc2\""), "{known}");
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let id = rustix::process::Pid::from_raw(host.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, Signal::TERM).unwrap();
    assert_eq!(host.wait().unwrap().code(), Some(3));
    let eif = nitro.image.canonicalize().unwrap().join("image.eif");
    // More than half a GiB for the enclave itself, four times the image, twice the model; whole cores.
    let run = format!(
        "run-enclave --enclave-name quoth --enclave-cid 16 --cpu-count 4 --memory 518 --eif-path {}",
        eif.display()
    );
    assert_eq!(nitro.said(), [&*run, &*run, "terminate-enclave --enclave-id i-1-enc2"]);
    nitro.host.nothing_is_left();

    // Without the tool there is one line of error.
    fs::remove_file(nitro.host.folder.path().join("tools/nitro-cli")).unwrap();
    let output = nitro.up().output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && error.contains("nitro-cli"), "{error}");
    nitro.host.nothing_is_left();
}

#[tokio::test]
async fn an_image_that_is_not_what_it_says_is_refused() {
    let nitro = Nitro::new();
    for (file, text, expected) in [
        ("measurements.toml", "version = 2\nconfig = \"\"\n", "not a valid list of measurements"),
        ("measurements.toml", "version = 1\nconfig = \"00\"\n", "not the configuration of this image"),
        ("enclave.toml", "platform = \"nitro\"\n", "neither a model nor an upstream"),
    ] {
        let path = nitro.image.join(file);
        let before = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let output = nitro.up().output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && error.contains(expected), "{error}");
        fs::write(&path, before).unwrap();
    }
    let emulated = nitro.up_on("qemu-nitro").output().unwrap();
    let error = String::from_utf8(emulated.stderr).unwrap();
    assert!(emulated.status.code() == Some(2) && error.contains("build an image with host_cid = 2"), "{error}");
    let mut alone = nitro.host.command("up");
    let output = alone.args(["--listen", "127.0.0.1:0", "--platform", "nitro", "--upstream", "xai"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("--image"));
    assert!(nitro.said().is_empty());
}
