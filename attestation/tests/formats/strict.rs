//! Every format has exactly one encoding: what is accepted encodes to the same bytes, and a changed byte is seen.

use crate::constructed::with;
use crate::support;
use quoth_attestation::FormatError;
use quoth_attestation::cbor::{self, Value};
use quoth_attestation::checkpoint::Checkpoint;
use quoth_attestation::cose::{Payload, Possession, Signed};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::receipt::Receipt;
use quoth_attestation::statement::{self, Statement};
use quoth_attestation::transcript::{Details, REDACTED, Transcript, UpstreamDetails, head};

/// Changes every byte in every bit: the result is refused, or is another value.
fn every_bit_counts<T: PartialEq + core::fmt::Debug>(
    value: &T,
    encoded: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, FormatError>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    assert_eq!(&decode(encoded).unwrap(), value);
    for at in 0..encoded.len() {
        for bit in 0..8 {
            let mut changed = encoded.to_vec();
            changed[at] ^= 1 << bit;
            if let Ok(other) = decode(&changed) {
                assert_ne!(&other, value, "bit {bit} of byte {at} does not matter");
                assert_eq!(encode(&other), changed, "two encodings of one value");
            }
        }
        assert!(decode(&encoded[..at]).is_err(), "cut at {at}");
    }
    assert!(decode(&[encoded, &[0]].concat()).is_err(), "trailing byte");
}

#[test]
fn statements() {
    let statement = support::statement();
    every_bit_counts(&statement, &statement.encode(), Statement::decode, Statement::encode);
}

#[test]
fn a_statement_lives_thirty_days_at_most() {
    let statement = support::statement();
    let ending = |at: u64| Statement::decode(&with(&statement.encode(), 11, &at.into()));
    assert!(ending(statement.issued() + statement::MAX_LIFE).is_ok());
    assert_eq!(ending(statement.issued() + statement::MAX_LIFE + 1).unwrap_err().code(), "format.out_of_range");
    assert_eq!(ending(0).unwrap_err().code(), "format.out_of_range", "backwards");
}

#[test]
fn a_statement_names_at_most_so_many_models() {
    let encoded = support::statement().encode();
    let Ok(Value::Map(entries)) = cbor::decode(&encoded, encoded.len()) else { panic!("no map") };
    let Some((_, Value::Array(models))) = entries.iter().find(|(key, _)| *key == Value::from(7)) else {
        panic!("no models")
    };
    let with_models = |count| Statement::decode(&with(&encoded, 7, &Value::Array(vec![models[0].clone(); count])));
    assert!(with_models(statement::MAX_MODELS).is_ok());
    assert_eq!(with_models(statement::MAX_MODELS + 1).unwrap_err().code(), "format.out_of_range");
}

#[test]
fn evidence() {
    let evidence = support::evidence();
    every_bit_counts(&evidence, &evidence.encode(), Evidence::decode, Evidence::encode);
}

#[test]
fn receipts_and_checkpoints() {
    let receipt = support::receipt();
    every_bit_counts(&receipt, &receipt.encode(), Receipt::decode, Receipt::encode);
    let upstream = support::upstream_receipt();
    every_bit_counts(&upstream, &upstream.encode(), Receipt::decode, Receipt::encode);
    let checkpoint = support::checkpoint();
    every_bit_counts(&checkpoint, &checkpoint.encode(), Checkpoint::decode, Checkpoint::encode);
}

#[test]
fn envelopes() {
    let signed = support::sign(support::receipt());
    every_bit_counts(&signed, signed.bytes(), Signed::<Receipt>::decode, |signed| signed.bytes().to_vec());
}

#[test]
fn one_kind_of_envelope_is_never_read_as_another() {
    let receipt = support::sign(support::receipt());
    let checkpoint = support::sign(support::checkpoint());
    let possession = support::sign(support::possession());
    assert!(Signed::<Checkpoint>::decode(receipt.bytes()).is_err());
    assert!(Signed::<Receipt>::decode(checkpoint.bytes()).is_err());
    // The payload alone would pass: the type in the header refuses.
    let mislabelled = possession.bytes().to_vec();
    let typ = Possession::TYP.as_bytes();
    let at = mislabelled.windows(typ.len()).position(|window| window == typ).unwrap();
    let mut changed = mislabelled;
    changed[at] ^= 1;
    assert_eq!(Signed::<Possession>::decode(&changed), Err(FormatError::CoseHeader { parameter: "typ" }));
}

#[test]
fn transcripts() {
    let transcript = support::transcript();
    let encoded = transcript.encode();
    every_bit_counts(&transcript, encoded.as_bytes(), Transcript::decode, |value| value.encode().into_bytes());
    let details = support::details();
    let forwarded = Details::Upstream(UpstreamDetails {
        head: head("POST", "/v1/x", [("host", &b"a"[..]), ("authorization", REDACTED)].into_iter()),
        certificates: vec![vec![0x30, 0], vec![0xff]],
        sent: Some(b"{}".to_vec()),
        received: Some(vec![0xff]),
    });
    assert!(forwarded.encode().contains("POST /v1/x\\nhost: a\\nauthorization: redacted\\n"));
    let bare = Details::Upstream(UpstreamDetails { head: vec![], certificates: vec![], sent: None, received: None });
    for details in [details, forwarded, bare] {
        every_bit_counts(&details, details.encode().as_bytes(), Details::decode, |value| value.encode().into_bytes());
    }
}

#[test]
fn a_body_is_text_if_and_only_if_it_is_utf8() {
    let mut transcript = support::transcript();
    transcript.response.body = b"\xff".to_vec();
    let encoded = transcript.encode();
    assert!(encoded.contains(r#""body":{"base64":"_w"}"#));
    assert_eq!(Transcript::decode(encoded.as_bytes()).unwrap(), transcript);
    let disguised = encoded.replace(r#"{"base64":"_w"}"#, r#"{"base64":"QQ"}"#);
    assert_eq!(Transcript::decode(disguised.as_bytes()), Err(FormatError::NotCanonical));
}

#[test]
fn debug_output_tells_nothing_of_what_was_said() {
    let shown = format!("{:?}", support::transcript());
    for secret in ["Hi", "choices", "im_start", "0f0f", "[79", "15, 15"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
