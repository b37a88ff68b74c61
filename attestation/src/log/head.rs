//! The head: size and root of a log, signed by the node's settlement key for Ethereum contracts.

use alloc::vec::Vec;

use super::check_size;
use super::tree::empty_root;
use crate::{Digest, FormatError};

/// Bytes of a signed head.
pub const BYTES: usize = CLAIMS + SIGNATURE;
/// Bytes of a head without its signature.
const CLAIMS: usize = 32 + 8 + 32 + 8 + 1;
const SIGNATURE: usize = 65;
/// What a head's signature begins with, so that it is no signature of anything else.
const DOMAIN: &[u8] = b"quoth/head/1\0";
/// The flag of a log that is closed. All others are zero.
const CLOSED: u8 = 1;

/// The order of secp256k1's group (SEC 2 §2.4.1).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc,
    0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];
/// The largest `s` of a signature in its one accepted form: half of that order, rounded down (EIP-2).
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// What a node says about its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    node: Digest,
    size: u64,
    root: Digest,
    time: u64,
    closed: bool,
}

/// A head and a signature, **not yet verified**.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHead {
    head: Head,
    signature: Signature,
}

/// An ECDSA signature over secp256k1 from which Ethereum recovers the key. Each signature has one form: `s` is low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    r: [u8; 32],
    s: [u8; 32],
    odd: bool,
}

impl Head {
    /// `node` is the digest of the statement, `time` Unix seconds, `closed` means that the log will not grow.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] above [`MAX_SIZE`](super::MAX_SIZE), and for a root that no tree of size 0 has.
    pub fn new(node: Digest, size: u64, root: Digest, time: u64, closed: bool) -> Result<Self, FormatError> {
        check_size(size)?;
        if size == 0 && root != empty_root() {
            return Err(FormatError::OutOfRange { field: "root", expected: "that of no entries" });
        }
        Ok(Self { node, size, root, time, closed })
    }

    /// Digest of the node's statement.
    pub fn node(&self) -> Digest {
        self.node
    }

    /// Number of receipts in the log.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the log.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// When it was signed, Unix seconds, by the clock that the statement names. It decides nothing.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Returns true if the log will not grow.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns the digest that the signature is over: SHA-256("quoth/head/1" ‖ 0x00 ‖ the first 81 bytes).
    pub fn digest(&self) -> Digest {
        Digest::of(&[DOMAIN, &self.claims()].concat())
    }

    fn claims(&self) -> Vec<u8> {
        let flags = if self.closed { CLOSED } else { 0 };
        [&self.node.0[..], &self.size.to_be_bytes(), &self.root.0, &self.time.to_be_bytes(), &[flags]].concat()
    }
}

impl SignedHead {
    /// Joins a head and the signature over its [`digest`](Head::digest).
    pub fn new(head: Head, signature: Signature) -> Self {
        Self { head, signature }
    }

    /// The head. Do not trust it before you verify the signature.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Encodes as node, size, root, time, flags, `r`, `s`, `v`: 146 bytes.
    pub fn encode(&self) -> [u8; BYTES] {
        let bytes = [&self.head.claims()[..], &self.signature.encode()].concat();
        // safe: CLAIMS and SIGNATURE bytes
        bytes.try_into().expect("146 bytes")
    }

    /// Decodes a head. Does not verify the signature.
    ///
    /// # Errors
    /// [`FormatError`] for another length, unknown flags, and what [`Head::new`] and [`Signature::new`] refuse.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let bytes: &[u8; BYTES] =
            bytes.try_into().map_err(|_| FormatError::OutOfRange { field: "head", expected: "146 bytes" })?;
        let mut rest = &bytes[..];
        let (node, size, root) = (Digest(take(&mut rest)), take(&mut rest), Digest(take(&mut rest)));
        let (time, [flags]) = (take(&mut rest), take(&mut rest));
        if flags & !CLOSED != 0 {
            return Err(FormatError::OutOfRange { field: "flags", expected: "0 or 1" });
        }
        let (size, time) = (u64::from_be_bytes(size), u64::from_be_bytes(time));
        let head = Head::new(node, size, root, time, flags == CLOSED)?;
        let (r, s, [v]) = (take(&mut rest), take(&mut rest), take(&mut rest));
        let odd = match v {
            27 => false,
            28 => true,
            _ => return Err(FormatError::OutOfRange { field: "v", expected: "27 or 28" }),
        };
        Ok(Self { head, signature: Signature::new(r, s, odd)? })
    }
}

impl Signature {
    /// Takes `r` and `s`, most significant byte first; `odd` is the parity of the y coordinate of the point whose x is `r`.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] unless 0 < r < n and 0 < s ≤ n / 2, with n the order of the group.
    pub fn new(r: [u8; 32], s: [u8; 32], odd: bool) -> Result<Self, FormatError> {
        if r == [0; 32] || r >= ORDER {
            return Err(FormatError::OutOfRange { field: "r", expected: "1 to n - 1" });
        }
        if s == [0; 32] || s > HALF_ORDER {
            return Err(FormatError::OutOfRange { field: "s", expected: "1 to n / 2" });
        }
        Ok(Self { r, s, odd })
    }

    /// `r`, most significant byte first.
    pub fn r(&self) -> &[u8; 32] {
        &self.r
    }

    /// `s`, most significant byte first.
    pub fn s(&self) -> &[u8; 32] {
        &self.s
    }

    /// Returns true if the y coordinate of the point whose x is `r` is odd.
    pub fn is_odd(&self) -> bool {
        self.odd
    }

    /// Encodes as Ethereum does: `r`, `s`, and 27 or 28.
    pub fn encode(&self) -> [u8; SIGNATURE] {
        let mut bytes = [0; SIGNATURE];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..64].copy_from_slice(&self.s);
        bytes[64] = 27 + u8::from(self.odd);
        bytes
    }
}

/// Takes the next bytes of a value whose length was checked.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    // safe: the caller checked the length
    let (taken, after) = rest.split_first_chunk().expect("the length was checked");
    *rest = after;
    *taken
}
