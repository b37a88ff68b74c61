//! What makes an SEV-SNP report worth something to others: the certificate of the key that signed it, the chain above it
//! and AMD's revocation list, from AMD's Key Distribution Service or a proxy of it, kept on disk.
//!
//! Nothing is stored or handed out before the verifier has accepted the report with it, so neither the service, nor the
//! way to it, nor the folder needs to be trusted; they can withhold, and no more.
//!
//! The service answers about one request for a VCEK in ten seconds, so certificates are kept for good. A revocation list is
//! asked for anew once it is a day old; as long as the old one holds, a failure to renew it is only a warning.

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
