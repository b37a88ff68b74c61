//! The folder of one node.
//!
//! | file | what it is |
//! |---|---|
//! | `enclave.toml` | the measured configuration |
//! | `policy.toml` | reference values that this host computed itself: accepts this image and these models only |
//! | `ca.pem` | authority of the node's TLS certificate, for clients that do not verify evidence |
//! | `journal.sqlite` | receipts of all instances that ran here |
//! | `state.json` | the running enclave, for a host that comes back |
//! | `sockets/` | the link |
//! | `control.sock`, `lock` | the running host |
//! | `enclave.log` | what the enclave's process wrote |

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

/// A state file, bytes, at most.
pub const MAX_STATE: u64 = 256 * 1024;

/// The paths of one node's folder.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

/// Held by the one host of a folder for as long as it runs.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What a host that comes back must know about the enclave that still runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The enclave's process.
    pub pid: i32,
    /// When that process started, in the kernel's ticks; tells it from a later one with the same id.
    pub started: u64,
    /// Where it is reached, as [`Address`] is written. A state file without it is an earlier version's: the folder's sockets.
    #[serde(default)]
    pub link: String,
    /// How nitro-cli calls the enclave.
    #[serde(default)]
    pub nitro: Option<String>,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The platform's name.
    pub platform: String,
    /// SHA-256 of the configuration, hex.
    pub config: String,
    /// What it measures to, as this host computed it or was told.
    pub measured: Measured,
    /// The models it was started with.
    pub models: Vec<ModelState>,
    /// The providers that its configuration names, each once. A state file without them is an earlier version's.
    #[serde(default)]
    pub upstreams: Vec<Destination>,
}

/// What an enclave measures to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Registers 0 to 2, hex.
    Registers([String; 3]),
    /// SEV-SNP's launch digest.
    Launch {
        /// Hex.
        digest: String,
        /// Whether it was launched so that guests may share a core.
        smt: bool,
        /// What its launch asks of the platform. A state file without it is an earlier version's, or an earlier image's.
        #[serde(default)]
        guest: Option<Guest>,
    },
    /// Nothing that anybody vouches for.
    Nothing {},
}

/// What the launch of an image asks of SEV-SNP, and what is known of its kernel, as `measurements.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The oldest interface of the firmware.
    pub abi: String,
    /// Protections, by name.
    #[serde(default)]
    pub require: Vec<String>,
    /// `static` for a kernel that runs none of its host's ACPI bytecode.
    pub acpi: Option<String>,
}

/// A model of a running enclave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelState {
    /// The name under which it answers.
    pub name: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Size, bytes.
    pub size: u64,
    /// Where the file is.
    pub path: PathBuf,
}

impl State {
    /// The link to the enclave.
    ///
    /// # Errors
    /// [`HostError::Link`].
    pub fn link(&self, run_dir: &RunDir) -> Result<Address, HostError> {
        match &*self.link {
            "" => Ok(Address::Unix(run_dir.sockets())),
            link => Ok(Address::parse(link)?),
        }
    }

    /// Whether QEMU plays the enclave's machine, so that nobody vouches for it.
    pub fn is_played(&self) -> bool {
        self.link.starts_with("vhost:")
    }
}

impl ModelState {
    /// The file, for the feed.
    pub(crate) fn file(&self) -> Option<Model> {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(&self.sha256, &mut sha256).ok()?;
        Some(Model { path: self.path.clone(), sha256: Digest(sha256), size: self.size })
    }
}

impl RunDir {
    /// Opens a folder, made when it is not there, and kept to its owner.
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

    /// Becomes the one host of this folder.
    ///
    /// # Errors
    /// [`HostError::Busy`] when there is one; [`HostError::File`].
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

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The measured configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("enclave.toml")
    }

    /// The policy that accepts exactly this node's image and models.
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// The authority of the TLS certificate.
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.sqlite")
    }

    /// What the enclave's process wrote.
    pub fn enclave_log(&self) -> PathBuf {
        self.0.join("enclave.log")
    }

    /// Where the host answers `quoth status`.
    pub fn control(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// The sockets of the link.
    pub fn sockets(&self) -> PathBuf {
        self.0.join("sockets")
    }

    fn state_file(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// The enclave that was started here last and has not been seen to end.
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

    /// Remembers the running enclave; `None` forgets it.
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

    /// Of an enclave that has ended nothing stays but what it was and said: no state, no sockets.
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

/// Replaces a file at once, so that nobody reads half of it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    let draft = path.with_extension("new");
    let replace = || {
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        fs::rename(&draft, path)
    };
    replace().map_err(HostError::file(path))
}

/// Removes a file if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), HostError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HostError::file(path)(error)),
        _ => Ok(()),
    }
}
