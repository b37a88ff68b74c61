//! A machine with a host that misbehaves on its virtual sockets.

use std::fs;
use std::time::{Duration, Instant};

use quoth_attestation::Digest;
use quoth_link::{Address, Port};
use quoth_tests::{FalseHost, Image, Machine, Manner, Wire, ask, chat_body, noise};
use quoth_verifier::Policy;

const LONG: Duration = Duration::from_secs(60);

/// A machine whose host is this process.
struct Hosted {
    host: FalseHost,
    machine: Machine,
}

impl Hosted {
    /// Starts a Nitro enclave whose parent treats heartbeats with one behaviour.
    fn enclave(image: Image, heartbeat: Manner) -> Self {
        let socket = image.out().join("vm");
        let host = FalseHost::new(Address::Vhost(socket.clone()), fs::read(image.model()).unwrap());
        host.behave(Port::HEARTBEAT, heartbeat);
        Self { host, machine: Machine::enclave(image, &socket) }
    }

    /// Starts a machine. `more` are further arguments of QEMU.
    fn start(image: Image, feed: Manner, more: &[&str]) -> Self {
        let socket = image.out().join("vm");
        let host = FalseHost::new(Address::Vhost(socket.clone()), fs::read(image.model()).unwrap());
        host.behave(Port::MODEL, feed);
        Self { host, machine: Machine::start(image, &socket, more) }
    }

    fn console(&self) -> String {
        self.machine.console()
    }

    /// Checks that the machine has switched itself off.
    async fn off(&mut self) {
        let start = Instant::now();
        while self.machine.is_on() {
            assert!(start.elapsed() < LONG, "it still runs");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let console = self.console();
        assert!(console.contains("reboot: Restarting system"), "{console}");
    }

    /// Returns a policy that accepts the first key of this machine.
    async fn policy(&self) -> Policy {
        let key = hex::encode(self.host.ready().await.receipt_key);
        let config = Digest::of(&fs::read(self.machine.image.out().join("enclave.toml")).unwrap());
        let text = format!(
            "version = 1\nplatforms = [\"none\"]\n[none]\nreceipt_keys = [\"{key}\"]\n[models]\naccept = \"any\"\n\
             [config]\naccept = [\"{config}\"]\n"
        );
        Policy::from_toml(&text).unwrap()
    }

    /// Asks until an answer is proven. Earlier answers must be refusals.
    async fn proves_an_answer(&self, policy: &Policy) {
        let url = format!("https://127.0.0.1:{}", self.host.client_port().await);
        let start = Instant::now();
        while let Err(error) = ask(&url, policy.clone(), &chat_body("Why?", 4, false)).await {
            assert!(start.elapsed() < LONG, "{error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns the status of an answer whose receipt is not stored.
    async fn status(&self) -> u16 {
        let ca = self.machine.image.out().join("ca.pem");
        fs::write(&ca, self.host.ready().await.ca.as_str()).unwrap();
        let mut wire = Wire::open(self.host.client_port().await, &ca).await.unwrap();
        wire.get("/healthz").await.unwrap().status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_floods_silence_and_crowds_on_every_port_are_survived() {
    let Some(image) = Image::build("snp", "none") else { return };
    let machine = Hosted::start(image, Manner::Honest, &[]);
    let policy = machine.policy().await;
    machine.proves_an_answer(&policy).await;
    for manner in [Manner::Garbage, Manner::Flood, Manner::Again, Manner::Silent, Manner::Closing] {
        machine.host.behave(Port::JOURNAL, manner);
        machine.host.behave(Port::EVENTS, if manner == Manner::Again { Manner::Flood } else { manner });
        let mut crowds = Vec::new();
        for port in [Port::CLIENTS, Port::METRICS] {
            for first in [&b""[..], &noise(4096)] {
                crowds.push(machine.host.crowd(port, 30, first).await);
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let status = machine.status().await;
        assert!(status == 503 || manner == Manner::Again, "{manner:?}: {status}");
        machine.host.behave(Port::EVENTS, Manner::Honest);
        machine.host.behave(Port::JOURNAL, Manner::Honest);
        machine.proves_an_answer(&policy).await;
    }
    assert!(!machine.console().contains("Out of memory"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_cut_or_wrong_switches_the_machine_off() {
    for (feed, code) in [(Manner::Cut(100_000), "model.feed"), (Manner::Flipped(9), "model.hash")] {
        let Some(image) = Image::build("snp", "none") else { return };
        let mut machine = Hosted::start(image, feed, &[]);
        assert_eq!(machine.host.fatal().await, code);
        machine.off().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enclave_whose_heartbeat_is_not_answered_says_so_and_ends() {
    for heartbeat in [Manner::Silent, Manner::Closing, Manner::Flood] {
        let Some(image) = Image::build("nitro", "nitro") else { return };
        let mut machine = Hosted::enclave(image, heartbeat);
        assert_eq!(machine.host.fatal().await, "io", "{heartbeat:?}");
        machine.off().await;
        assert!(machine.console().contains("fatal send the heartbeat: "), "{}", machine.console());
    }
}

/// Without a console, such an enclave would look like a missing one.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_a_configuration_that_is_none_says_so_and_ends() {
    let Some(image) = Image::of_configuration("nitro", "platform = \"nitro\"\nhost_cid = 2\nmodles = 1\n") else {
        return;
    };
    let mut machine = Hosted::enclave(image, Manner::Honest);
    assert_eq!(machine.host.fatal().await, "config");
    machine.off().await;
}

/// Devices without a driver in the image have no effect, and tables of the host do not change what runs.
#[tokio::test(flavor = "multi_thread")]
async fn devices_that_a_host_adds_are_not_driven() {
    let Some(image) = Image::build("snp", "none") else { return };
    let devices = ["-device", "virtio-net-pci,romfile=", "-device", "virtio-serial-pci", "-device", "virtio-rng-pci"];
    let machine = Hosted::start(image, Manner::Honest, &devices);
    let policy = machine.policy().await;
    machine.proves_an_answer(&policy).await;
    let console = machine.console();
    // Network, console and randomness, by their ids on the bus (Virtual I/O Device, §4.1.2).
    for device in ["[1af4:1000]", "[1af4:1003]", "[1af4:1005]"] {
        assert!(console.contains(device), "{device} is plugged in");
    }
    for driver in ["virtio_net", "eth0", "virtio_rng", "hvc0", "virtio_console"] {
        assert!(!console.contains(driver), "{driver}");
    }
}

/// The host sets a machine's clock. On SEV-SNP, a time before the build of the program is refused first.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_from_before_the_program_is_refused() {
    for (date, code) in [("1999-01-01", "make"), ("2035-01-01", "platform.absent")] {
        let Some(image) = Image::build("snp", "sev-snp") else { return };
        let mut machine = Hosted::start(image, Manner::Honest, &["-rtc", &format!("base={date}T00:00:00")]);
        assert_eq!(machine.host.fatal().await, code, "{date}");
        machine.off().await;
        let said = machine.console();
        let fatal = said.lines().find(|line| line.starts_with("fatal step=statement")).unwrap();
        assert_eq!(fatal.ends_with("clock could not be made"), code == "make", "{fatal}");
    }
}
