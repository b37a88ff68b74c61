//! Why bytes are not of a format.

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
        /// Named limit of the format, bytes.
        limit: usize,
        /// Length found, bytes.
        actual: usize,
    },
    /// The input ends inside an item, or an item claims more bytes than follow.
    #[error("truncated at byte {offset}")]
    Truncated {
        /// Where the unfinished item starts.
        offset: usize,
    },
    /// Bytes follow the end of the value.
    #[error("{count} bytes follow the end")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// A CBOR integer or length is not in its shortest form (RFC 8949 §4.2.1).
    #[error("integer or length at byte {offset} is not in its shortest form")]
    NonMinimal {
        /// Where.
        offset: usize,
    },
    /// A CBOR string, array or map of indefinite length (RFC 8949 §4.2.1).
    #[error("indefinite length at byte {offset}")]
    Indefinite {
        /// Where.
        offset: usize,
    },
    /// Additional information 28 to 30, which RFC 8949 §3 reserves.
    #[error("reserved CBOR head at byte {offset}")]
    Reserved {
        /// Where.
        offset: usize,
    },
    /// A CBOR type that none of the formats uses: a tag, a float, null, undefined or another simple value.
    #[error("CBOR type not allowed at byte {offset}")]
    NotAllowed {
        /// Where.
        offset: usize,
    },
    /// A map key occurs twice.
    #[error("duplicate map key at byte {offset}")]
    DuplicateKey {
        /// Where the second one starts.
        offset: usize,
    },
    /// Map keys are not in bytewise order of their encodings (RFC 8949 §4.2.1).
    #[error("map key out of order at byte {offset}")]
    UnsortedKeys {
        /// Where.
        offset: usize,
    },
    /// Items are nested deeper than the limit.
    #[error("nested deeper than {limit} at byte {offset}")]
    TooDeep {
        /// Named limit.
        limit: usize,
        /// Where.
        offset: usize,
    },
    /// A text string is not UTF-8.
    #[error("text at byte {offset} is not UTF-8")]
    InvalidUtf8 {
        /// Where the item starts.
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
    #[error("{field} is out of range: {expected}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
    /// The value is of another format or version.
    #[error("profile is {actual}, expected {expected}")]
    Profile {
        /// The profile this decoder reads.
        expected: &'static str,
        /// The one found.
        actual: String,
    },
    /// The COSE object does not begin with tag 18 (RFC 9052 §4.2).
    #[error("not a tagged COSE_Sign1")]
    NotSign1,
    /// The COSE headers are not exactly the ones that the format prescribes.
    #[error("COSE header {parameter} is not the prescribed one")]
    CoseHeader {
        /// The header parameter: `alg`, `kid`, `typ` or `other`.
        parameter: &'static str,
    },
    /// The value is well formed, but encoding it again gives other bytes.
    #[error("not in canonical form")]
    NotCanonical,
    /// The text is not the JSON that the format prescribes.
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
    /// A line of an event stream looks like a record of Quoth's and is none, or stands where none may.
    #[error("stream record at offset {offset} is malformed or out of place")]
    Record {
        /// Offset in the body with the records before it removed.
        offset: u64,
    },
    /// Two digests that must agree do not.
    #[error("{field} is {actual}, expected {expected}")]
    DigestMismatch {
        /// What was compared.
        field: &'static str,
        /// The digest that was required.
        expected: Box<Digest>,
        /// The digest found.
        actual: Box<Digest>,
    },
}

impl FormatError {
    /// Stable code, for programs and tests.
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
