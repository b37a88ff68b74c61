//! AWS Nitro: attestation documents and clock of the Nitro Security Module (Nitro Enclaves User Guide, "Cryptographic
//! attestation").

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use aws_nitro_enclaves_nsm_api::driver::{nsm_init, nsm_process_request};
use ciborium::Value;
use quoth_attestation::binding::Nonce;
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Clock, Platform as Name};
use rustix::time::{ClockId, Timespec, clock_settime};

use super::quote::{Platform, Quote};
use crate::EnclaveError;

/// The system's clock is set when it differs by more than this from the module's.
const DRIFT: Duration = Duration::from_millis(500);

/// Answers requests: the module, or a test's script.
pub(super) trait Device: Send + Sync {
    fn process(&self, request: Request) -> Response;
}

/// `/dev/nsm`. The kernel serialises requests.
pub(super) struct Module(i32);

impl Module {
    pub(super) fn open() -> Result<Self, EnclaveError> {
        match nsm_init() {
            descriptor if descriptor >= 0 => Ok(Self(descriptor)),
            _ => Err(EnclaveError::Platform("nitro")),
        }
    }
}

impl Device for Module {
    fn process(&self, request: Request) -> Response {
        nsm_process_request(self.0, request)
    }
}

/// Quotes by the module, which bind the receipt key.
pub(super) struct Nitro<D> {
    device: D,
    receipt_key: [u8; 32],
}

impl<D: Device> Nitro<D> {
    /// Sets the clock at once, because the statement has the time at which it was made.
    pub(super) fn start(device: D, receipt_key: [u8; 32]) -> Result<Self, EnclaveError> {
        let this = Self { device, receipt_key };
        this.quote(&[0; 64], None).map(|_| this)
    }

    fn document(&self, binding: &[u8; 64], nonce: Option<&Nonce>) -> Result<Vec<u8>, EnclaveError> {
        let request = Request::Attestation {
            user_data: Some(binding.to_vec().into()),
            nonce: nonce.map(|nonce| nonce.as_bytes().to_vec().into()),
            public_key: Some(self.receipt_key.to_vec().into()),
        };
        match self.device.process(request) {
            Response::Attestation { document } => Ok(document),
            _ => Err(EnclaveError::Make { what: "attestation document" }),
        }
    }
}

impl<D: Device> Platform for Nitro<D> {
    fn name(&self) -> Name {
        Name::Nitro
    }

    fn clock(&self) -> Clock {
        Clock::Nsm
    }

    fn level(&self) -> Level {
        Level::Tee
    }

    /// Also sets the system's clock by the module's, the only one that the hypervisor vouches for.
    fn quote(&self, binding: &[u8; 64], nonce: Option<&Nonce>) -> Result<Quote, EnclaveError> {
        let document = self.document(binding, nonce)?;
        let now = timestamp(&document).ok_or(EnclaveError::Make { what: "attestation document" })?;
        follow(now)?;
        Ok(document.into())
    }
}

/// When the module made a document, as time since the Unix epoch.
fn timestamp(document: &[u8]) -> Option<Duration> {
    let mut value: Value = ciborium::from_reader(document).ok()?;
    // Tagged and untagged forms both occur.
    if let Value::Tag(_, inner) = value {
        value = *inner;
    }
    let payload = value.into_array().ok()?.into_iter().nth(2)?.into_bytes().ok()?;
    let payload = ciborium::from_reader::<Value, _>(&payload[..]).ok()?.into_map().ok()?;
    let (_, millis) = payload.into_iter().find(|(key, _)| key.as_text() == Some("timestamp"))?;
    Some(Duration::from_millis(u64::try_from(millis.into_integer().ok()?).ok()?))
}

fn follow(now: Duration) -> Result<(), EnclaveError> {
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if ours.abs_diff(now) <= DRIFT {
        return Ok(());
    }
    let seconds = i64::try_from(now.as_secs()).map_err(EnclaveError::make("clock"))?;
    let time = Timespec { tv_sec: seconds, tv_nsec: now.subsec_nanos().into() };
    clock_settime(ClockId::Realtime, time).map_err(|error| EnclaveError::io("set the clock")(error.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use aws_nitro_enclaves_nsm_api::api::ErrorCode;

    use super::*;

    /// Answers as the module does, and remembers what it was asked.
    struct Script {
        answer: fn() -> Response,
        asked: Mutex<Vec<Request>>,
    }

    impl Device for Script {
        fn process(&self, request: Request) -> Response {
            self.asked.lock().unwrap().push(request);
            (self.answer)()
        }
    }

    fn scripted(answer: fn() -> Response) -> Result<Nitro<Script>, EnclaveError> {
        Nitro::start(Script { answer, asked: Mutex::default() }, [7; 32])
    }

    fn document(tagged: bool) -> Vec<u8> {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let map = Value::Map(vec![("module_id".into(), "i-1".into()), ("timestamp".into(), millis.into())]);
        let mut payload = Vec::new();
        ciborium::into_writer(&map, &mut payload).unwrap();
        let nothing = || Value::Bytes(Vec::new());
        let array = Value::Array(vec![nothing(), Value::Map(Vec::new()), Value::Bytes(payload), nothing()]);
        let value = if tagged { Value::Tag(18, Box::new(array)) } else { array };
        let mut bytes = Vec::new();
        ciborium::into_writer(&value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_document_binds_statement_nonce_and_receipt_key() {
        for answer in [
            || Response::Attestation { document: document(false) },
            || Response::Attestation { document: document(true) },
        ] as [fn() -> Response; 2]
        {
            let platform = scripted(answer).unwrap();
            platform.device.asked.lock().unwrap().clear();
            assert!(platform.quote(&[1; 64], Some(&Nonce::new([2; 8]).unwrap())).is_ok());
            assert!(platform.quote(&[1; 64], None).is_ok());
            let asked = platform.device.asked.into_inner().unwrap();
            let nonces = asked.into_iter().map(|request| match request {
                Request::Attestation { user_data, nonce, public_key } => {
                    assert_eq!(
                        (user_data.unwrap().into_vec(), public_key.unwrap().into_vec()),
                        (vec![1; 64], vec![7; 32])
                    );
                    nonce.map(|nonce| nonce.into_vec())
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(nonces.collect::<Vec<_>>(), [Some(vec![2; 8]), None]);
        }
    }

    #[test]
    fn a_module_that_fails_is_an_error() {
        for answer in [
            || Response::Error(ErrorCode::InternalError),
            || Response::LockPCR,
            || Response::Attestation { document: b"\x84".to_vec() },
            || Response::Attestation { document: b"\x80".to_vec() },
        ] as [fn() -> Response; 4]
        {
            assert!(scripted(answer).is_err());
        }
    }
}
