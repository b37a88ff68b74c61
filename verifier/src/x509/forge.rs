//! DER parts of forged certificates, for tests of every platform.
#![allow(clippy::unwrap_used)]

use alloc::vec;
use alloc::vec::Vec;

use aws_lc_rs::rsa::KeyPair as RsaKey;
use aws_lc_rs::signature::KeyPair as _;
use p384::ecdsa::SigningKey as P384Key;

/// One item of DER; its content comes in parts.
pub(crate) fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        one @ 0x80..0x100 => out.extend([0x81, one as u8]),
        two => out.extend([0x82, (two >> 8) as u8, two as u8]),
    }
    out.extend(content);
    out
}

pub(crate) fn hexed(text: &str) -> Vec<u8> {
    hex::decode(text.replace([' ', '\n'], "")).unwrap()
}

/// A time before 2050, as a UTCTime (RFC 5280 §4.1.2.5).
pub(crate) fn time(text: &str) -> Vec<u8> {
    der(0x17, &[&text.as_bytes()[2..]])
}

pub(crate) fn extension(oid: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let flag = if critical { hexed("0101ff") } else { Vec::new() };
    der(0x30, &[&hexed(oid), &flag, &der(0x04, &[value])])
}

pub(crate) fn rsa_info(key: &RsaKey) -> Vec<u8> {
    let algorithm = hexed("300d06092a864886f70d0101010500");
    der(0x30, &[&algorithm, &der(0x03, &[&[0], key.public_key().as_ref()])])
}

pub(crate) fn p384_info(key: &P384Key) -> Vec<u8> {
    let algorithm = hexed("301006072a8648ce3d020106052b81040022");
    der(0x30, &[&algorithm, &der(0x03, &[&[0], key.verifying_key().to_sec1_point(false).as_bytes()])])
}
