//! Errors of decoders.

use alloc::boxed::Box;
use alloc::string::String;

use crate::Digest;

/// Why bytes are not a value of one of Quoth's formats.
///
/// Each variant has a stable [`code`](FormatError::code). Texts name fields, lengths and digests, never content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The input is longer than the format allows.
    #[error("{actual} bytes, at most {limit} are allowed")]
    TooLong {
        /// The format's limit, in bytes.
        limit: usize,
        /// The length found, in bytes.
        actual: usize,
    },
    /// The input ends inside an item, or an item claims more bytes than follow.
    #[error("truncated at byte {offset}")]
    Truncated {
        /// Offset where the unfinished item starts.
        offset: usize,
    },
    /// Bytes follow the end of the value.
    #[error("{count} bytes follow the end")]
    Trailing {
        /// Number of bytes that follow.
        count: usize,
    },
    /// A CBOR integer or length is not in its shortest form (RFC 8949 §4.2.1).
    #[error("integer or length at byte {offset} is not in its shortest form")]
    NonMinimal {
        /// Its offset.
        offset: usize,
    },
    /// A CBOR string, array or map of indefinite length (RFC 8949 §4.2.1).
    #[error("indefinite length at byte {offset}")]
    Indefinite {
        /// Its offset.
        offset: usize,
    },
    /// Additional information 28 to 30, which RFC 8949 §3 reserves.
    #[error("reserved CBOR head at byte {offset}")]
    Reserved {
        /// Its offset.
        offset: usize,
    },
    /// A CBOR type that none of the formats uses: a tag, a float, null, undefined or another simple value.
    #[error("CBOR type not allowed at byte {offset}")]
    NotAllowed {
        /// Its offset.
        offset: usize,
    },
    /// A map key occurs twice.
    #[error("duplicate map key at byte {offset}")]
    DuplicateKey {
        /// Offset where the second one starts.
        offset: usize,
    },
    /// Map keys are not in bytewise order of their encodings (RFC 8949 §4.2.1).
    #[error("map key out of order at byte {offset}")]
    UnsortedKeys {
        /// Offset of the first key out of order.
        offset: usize,
    },
    /// Items are nested deeper than the limit.
    #[error("nested deeper than {limit} at byte {offset}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Its offset.
        offset: usize,
    },
    /// A text string is not UTF-8.
    #[error("text at byte {offset} is not UTF-8")]
    InvalidUtf8 {
        /// Offset where the item starts.
        offset: usize,
    },
    /// A mandatory field is absent.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field that the format does not define.
    #[error("unknown field in {within}")]
    Unknown {
        /// The map that holds it.
        within: &'static str,
    },
    /// A field has the wrong type.
    #[error("{field} is not {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// The type it must have.
        expected: &'static str,
    },
    /// A field's value or length lies outside what the format allows.
    #[error("{field} is out of range, expected {expected}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// The range allowed.
        expected: &'static str,
    },
    /// The value belongs to another format or version.
    #[error("profile is {actual}, expected {expected}")]
    Profile {
        /// The profile this decoder reads.
        expected: &'static str,
        /// The profile found.
        actual: String,
    },
    /// The COSE object does not begin with tag 18 (RFC 9052 §4.2).
    #[error("not a tagged COSE_Sign1")]
    NotSign1,
    /// The COSE headers are not exactly what the format prescribes.
    #[error("COSE header {parameter} is not as prescribed")]
    CoseHeader {
        /// The header parameter: `alg`, `kid`, `typ` or `other`.
        parameter: &'static str,
    },
    /// The value is well formed, but encoding it again gives other bytes.
    #[error("not in canonical form")]
    NotCanonical,
    /// The text is not JSON of the format's shape.
    #[error("JSON does not fit the format at line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Text that should be base64url without padding (RFC 4648 §5) is not.
    #[error("{field} is not base64url without padding")]
    Base64 {
        /// The field.
        field: &'static str,
    },
    /// A line of an event stream looks like one of Quoth's records but is malformed, or is in a wrong place.
    #[error("stream record at offset {offset} is malformed or out of place")]
    Record {
        /// Offset in the body without the records before it.
        offset: u64,
    },
    /// Two digests that must be equal differ.
    #[error("{field} is {actual}, expected {expected}")]
    DigestMismatch {
        /// The field that was compared.
        field: &'static str,
        /// The digest required.
        expected: Box<Digest>,
        /// The digest found.
        actual: Box<Digest>,
    },
}

impl FormatError {
    /// A stable code for programs and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "format.too_long",
            Self::Truncated { .. } => "format.truncated",
            Self::Trailing { .. } => "format.trailing",
            Self::NonMinimal { .. } => "format.non_minimal",
            Self::Indefinite { .. } => "format.indefinite",
            Self::Reserved { .. } => "format.reserved",
            Self::NotAllowed { .. } => "format.not_allowed",
            Self::DuplicateKey { .. } => "format.duplicate_key",
            Self::UnsortedKeys { .. } => "format.unsorted_keys",
            Self::TooDeep { .. } => "format.too_deep",
            Self::InvalidUtf8 { .. } => "format.invalid_utf8",
            Self::Missing { .. } => "format.missing",
            Self::Unknown { .. } => "format.unknown",
            Self::WrongType { .. } => "format.wrong_type",
            Self::OutOfRange { .. } => "format.out_of_range",
            Self::Profile { .. } => "format.profile",
            Self::NotSign1 => "format.not_sign1",
            Self::CoseHeader { .. } => "format.cose_header",
            Self::NotCanonical => "format.not_canonical",
            Self::Json { .. } => "format.json",
            Self::Base64 { .. } => "format.base64",
            Self::Record { .. } => "format.record",
            Self::DigestMismatch { .. } => "format.digest_mismatch",
        }
    }
}
