//! Gets and caches the endorsements of SEV-SNP reports: the certificate of the key that signed the report, the chain above
//! it, and AMD's revocation list. They come from AMD's Key Distribution Service or a proxy of it.
//!
//! The host stores and hands out only documents with which the verifier has accepted the report. So neither the service
//! nor the network nor the folder needs to be trusted. They can only withhold documents.
//!
//! The service answers about one request for a VCEK in ten seconds, so certificates are cached without a time limit. A
//! revocation list is renewed when it is a day old. If that fails, the old list is used with a warning while it is valid.

mod address;
mod crl;
mod document;
mod error;
mod fetch;
mod limits;
mod request;
mod serve;
mod service;
mod source;
mod store;

pub use crl::CRL_AGE;
pub use document::Document;
pub use error::EndorsementError;
pub use fetch::{Endorsement, Endorsements};
pub use limits::Limits;
pub use serve::{Endorsed, serve};
pub use service::{AMD, Service};
pub use source::Source;
pub use store::cache;
