//! Endorsements of an SEV-SNP report: the enclave sends its report, the host answers with certificates and revocation lists.
//!
//! The host can reach AMD's service, the enclave cannot. The link does not check the documents; the verifier of the report
//! does.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Frame, Frames, LinkError};

/// Length of a report, bytes (AMD 56860, table "ATTESTATION_REPORT").
pub const REPORT: usize = 1184;
/// Maximum number of certificates.
pub const MAX_CERTIFICATES: usize = 8;
/// Maximum length of a certificate, bytes.
pub const MAX_CERTIFICATE: usize = 8 * 1024;
/// Maximum number of revocation lists.
pub const MAX_CRLS: usize = 4;
/// Maximum length of a revocation list, bytes.
pub const MAX_CRL: usize = 32 * 1024;

/// The host's answer. Encoded as two counts, then the documents, each after its length (u16, big-endian).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endorsements {
    /// VCEK or VLEK, then ASK or ASVK, then ARK, DER. Empty if the host has none.
    pub certificates: Vec<Vec<u8>>,
    /// Revocation lists, DER.
    pub crls: Vec<Vec<u8>>,
}

impl Endorsements {
    /// Enclave: sends a report and reads what endorses it.
    ///
    /// # Errors
    /// [`LinkError`] if the stream does not hold one answer.
    pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        mut stream: S,
        report: &[u8; REPORT],
    ) -> Result<Self, LinkError> {
        stream.write_all(report).await?;
        stream.flush().await?;
        Frames::new(stream).next().await?.ok_or(LinkError::Truncated)
    }

    /// Host: answers. No document may exceed the limit of its kind.
    ///
    /// # Errors
    /// [`LinkError::Io`].
    pub async fn answer<S: AsyncWrite + Unpin>(&self, stream: &mut S) -> Result<(), LinkError> {
        stream.write_all(&self.to_bytes()).await?;
        Ok(stream.flush().await?)
    }
}

/// Host: reads the report of a request.
///
/// # Errors
/// [`LinkError::Io`].
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<[u8; REPORT], LinkError> {
    let mut report = [0; REPORT];
    stream.read_exact(&mut report).await?;
    Ok(report)
}

impl Frame for Endorsements {
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError> {
        let mut rest = &buffer[..];
        let Some(([certificates, crls], pieces)) = rest.split_first_chunk() else { return Ok(None) };
        check("list of certificates", "8 at most", usize::from(*certificates), 0..=MAX_CERTIFICATES)?;
        check("list of revocation lists", "4 at most", usize::from(*crls), 0..=MAX_CRLS)?;
        rest = pieces;
        let Some(certificates) = pieces_of(&mut rest, *certificates, "certificate", MAX_CERTIFICATE)? else {
            return Ok(None);
        };
        let Some(crls) = pieces_of(&mut rest, *crls, "revocation list", MAX_CRL)? else { return Ok(None) };
        let taken = buffer.len() - rest.len();
        buffer.advance(taken);
        Ok(Some(Self { certificates, crls }))
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        // The limits keep every number within its type.
        buffer.extend([self.certificates.len() as u8, self.crls.len() as u8]);
        for piece in self.certificates.iter().chain(&self.crls) {
            buffer.extend((piece.len() as u16).to_be_bytes());
            buffer.extend_from_slice(piece);
        }
    }
}

/// Takes `count` documents off the front. Returns `None` if not all of them have arrived.
fn pieces_of(
    rest: &mut &[u8],
    count: u8,
    what: &'static str,
    longest: usize,
) -> Result<Option<Vec<Vec<u8>>>, LinkError> {
    let mut pieces = Vec::new();
    for _ in 0..count {
        let Some((length, behind)) = rest.split_first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        check(what, "a length within its bounds", length, 1..=longest)?;
        let Some((piece, behind)) = behind.split_at_checked(length) else { return Ok(None) };
        pieces.push(piece.to_vec());
        *rest = behind;
    }
    Ok(Some(pieces))
}

fn check(
    what: &'static str,
    expected: &'static str,
    actual: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Result<(), LinkError> {
    match range.contains(&actual) {
        true => Ok(()),
        false => Err(LinkError::Length { what, expected, actual: actual as u64 }),
    }
}
