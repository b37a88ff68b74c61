//! The folder of one node: its paths, its lock and its state.
//!
//! | file | content |
//! |---|---|
//! | `enclave.toml` | the measured configuration |
//! | `policy.toml` | a policy that accepts only this image and these models; the host computed its values |
//! | `ca.pem` | the authority of the node's TLS certificate, for clients that do not verify evidence |
//! | `journal.sqlite` | receipts of all instances that ran here |
//! | `state.json` | how to find the running enclave again |
//! | `sockets/` | the sockets of the link |
//! | `control.sock`, `lock` | the control socket and the lock of the running host |
//! | `enclave.log` | the output of the enclave's process |

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use quoth_attestation::Digest;
use quoth_link::Address;
use quoth_link::egress::Destination;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::HostError;
use crate::models::Model;

/// Maximum size of a state file, bytes.
pub const MAX_STATE: u64 = 256 * 1024;

/// The paths of one node's folder.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

/// The lock of a folder. Its host holds it while it runs.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What a later host must know about a running enclave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Process id of the enclave.
    pub pid: i32,
    /// Start time of that process, in the kernel's ticks. Tells it from a later process with the same id.
    pub started: u64,
    /// The link's [`Address`] as text. Empty in state files of earlier versions: then it is the folder's sockets.
    #[serde(default)]
    pub link: String,
    /// The enclave's id in nitro-cli.
    #[serde(default)]
    pub nitro: Option<String>,
    /// The address where clients connect.
    pub listen: SocketAddr,
    /// The platform's name.
    pub platform: String,
    /// SHA-256 of the configuration, hex.
    pub config: String,
    /// The enclave's measurements, computed by this host or read from the image's folder.
    pub measured: Measured,
    /// The enclave's models.
    pub models: Vec<ModelState>,
    /// The providers of the configuration, without duplicates. Missing in state files of earlier versions.
    #[serde(default)]
    pub upstreams: Vec<Destination>,
}

/// The measurements of an enclave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Registers 0 to 2, hex.
    Registers([String; 3]),
    /// SEV-SNP's launch digest.
    Launch {
        /// The digest, hex.
        digest: String,
        /// Whether the launch allows guests to share a core (SMT).
        smt: bool,
        /// What the launch requires of the platform. Missing in state files of earlier versions and with earlier images.
        #[serde(default)]
        guest: Option<Guest>,
    },
    /// No measurement.
    Nothing {},
}

/// What the launch of an image requires of SEV-SNP, and a property of its kernel, as in `measurements.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The oldest accepted version of the firmware's interface.
    pub abi: String,
    /// Names of required protections.
    #[serde(default)]
    pub require: Vec<String>,
    /// `static` for a kernel that does not run its host's ACPI bytecode.
    pub acpi: Option<String>,
}

/// A model of a running enclave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelState {
    /// The model's name in requests.
    pub name: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Size of the file, bytes.
    pub size: u64,
    /// Path of the file.
    pub path: PathBuf,
}

impl State {
    /// Returns the address of the link to the enclave.
    ///
    /// # Errors
    /// [`HostError::Link`].
    pub fn link(&self, run_dir: &RunDir) -> Result<Address, HostError> {
        match &*self.link {
            "" => Ok(Address::Unix(run_dir.sockets())),
            link => Ok(Address::parse(link)?),
        }
    }

    /// Returns whether QEMU emulates the enclave's machine. Then its evidence has no valid signature.
    pub fn is_played(&self) -> bool {
        self.link.starts_with("vhost:")
    }
}

impl ModelState {
    /// Returns the model for the feed.
    pub(crate) fn file(&self) -> Option<Model> {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(&self.sha256, &mut sha256).ok()?;
        Some(Model { path: self.path.clone(), sha256: Digest(sha256), size: self.size })
    }
}

impl RunDir {
    /// Opens a folder, or creates it. Makes it private to its owner.
    ///
    /// # Errors
    /// [`HostError::File`].
    pub fn create(path: &Path) -> Result<Self, HostError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(HostError::file(path))?;
        let this = Self::open(path)?;
        fs::set_permissions(&this.0, fs::Permissions::from_mode(0o700)).map_err(HostError::file(path))?;
        DirBuilder::new().recursive(true).mode(0o700).create(this.sockets()).map_err(HostError::file(path))?;
        Ok(this)
    }

    /// Opens a folder that exists.
    ///
    /// # Errors
    /// [`HostError::File`].
    pub fn open(path: &Path) -> Result<Self, HostError> {
        Ok(Self(fs::canonicalize(path).map_err(HostError::file(path))?))
    }

    /// Locks the folder, so that it has only one host.
    ///
    /// # Errors
    /// [`HostError::Busy`] if it has a host already, [`HostError::File`].
    pub fn lock(&self) -> Result<Lock, HostError> {
        let path = self.0.join("lock");
        let open = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = open.map_err(HostError::file(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(HostError::Busy { path: self.0.clone() }),
            Err(error) => Err(HostError::file(path)(error.into())),
        }
    }

    /// Returns the folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of the measured configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("enclave.toml")
    }

    /// Returns the path of the policy that accepts only this node's image and models.
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// Returns the path of the TLS certificate's authority.
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// Returns the path of the journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.sqlite")
    }

    /// Returns the path of the output of the enclave's process.
    pub fn enclave_log(&self) -> PathBuf {
        self.0.join("enclave.log")
    }

    /// Returns the path of the control socket, which answers `quoth status`.
    pub fn control(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Returns the folder of the link's sockets.
    pub fn sockets(&self) -> PathBuf {
        self.0.join("sockets")
    }

    fn state_file(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// Returns the state of the enclave that was started last and is not known to have ended.
    ///
    /// # Errors
    /// [`HostError::File`], [`HostError::Content`].
    pub fn state(&self) -> Result<Option<State>, HostError> {
        let path = self.state_file();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HostError::file(path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_STATE + 1).read_to_end(&mut bytes).map_err(HostError::file(&path))?;
        let state = (bytes.len() as u64 <= MAX_STATE).then(|| serde_json::from_slice(&bytes).ok()).flatten();
        state.map(Some).ok_or(HostError::Content { path, what: "state file" })
    }

    /// Writes the state of the running enclave. `None` removes it.
    ///
    /// # Errors
    /// [`HostError::File`].
    pub fn set_state(&self, state: Option<&State>) -> Result<(), HostError> {
        let path = self.state_file();
        match state {
            Some(state) => {
                // safe: a struct of strings and numbers always serialises
                let text = serde_json::to_vec_pretty(state).expect("plain types serialise");
                write(&path, &text)
            }
            None => remove(&path),
        }
    }

    /// Removes the state and the sockets of an enclave that has ended. Its log and its configuration stay.
    ///
    /// # Errors
    /// [`HostError::File`].
    pub fn forget(&self) -> Result<(), HostError> {
        self.set_state(None)?;
        let sockets = self.sockets();
        for entry in fs::read_dir(&sockets).map_err(HostError::file(&sockets))?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_socket()) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Replaces a file atomically.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    let draft = path.with_extension("new");
    let replace = || {
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        fs::rename(&draft, path)
    };
    replace().map_err(HostError::file(path))
}

/// Removes a file if it exists.
pub(crate) fn remove(path: &Path) -> Result<(), HostError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HostError::file(path)(error)),
        _ => Ok(()),
    }
}
