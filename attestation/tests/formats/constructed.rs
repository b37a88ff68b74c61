//! Whatever can be constructed can be decoded: at every limit, one past it, and for values between.

use proptest::collection::vec;
use proptest::prelude::*;
use quoth_attestation::binding::Nonce;
use quoth_attestation::bounded::{Blob, List, Text};
use quoth_attestation::cbor::{self, Value};
use quoth_attestation::checkpoint::{Checkpoint, Place};
use quoth_attestation::commit::Commitment;
use quoth_attestation::cose::{OVERHEAD, Payload, Signed};
use quoth_attestation::evidence::{self, Evidence};
use quoth_attestation::receipt::{
    Credential, Execution, Local, Receipt, Retries, Status, Times, TlsPeer, Upstream, Usage,
};
use quoth_attestation::secret::{MAX_NAME, Name, Sealed, SecretOrder};
use quoth_attestation::statement::{
    self, Keys, MAX_LIFE, MAX_MODELS, MAX_OTHER_KEYS, MAX_TEXT, MAX_UPSTREAMS, Model, OtherKeys, Software, Statement,
    Validity,
};
use quoth_attestation::{Digest, FormatError, record};

use crate::support;

fn longest<const MAX: usize>() -> Text<MAX> {
    Text::new("m".repeat(MAX)).unwrap()
}

fn widest<const MIN: usize, const MAX: usize>() -> Blob<MIN, MAX> {
    Blob::new(vec![0xff; MAX]).unwrap()
}

fn nonce() -> Nonce {
    Nonce::new([0xff; 64]).unwrap()
}

fn longest_upstream() -> Upstream {
    Upstream {
        provider: longest(),
        host: longest(),
        port: u16::MAX,
        tls: Some(TlsPeer {
            version: u16::MAX,
            suite: u16::MAX,
            leaf_spki: Digest([0xff; 32]),
            chain: Digest([0xff; 32]),
        }),
        head: Commitment(Digest([0xff; 32])),
        sent: Commitment(Digest([0xff; 32])),
        received: Commitment(Digest([0xff; 32])),
        model_asked: longest(),
        model_answered: Some(longest()),
        request_id: Some(longest()),
        credential: Credential::Operator,
        retries: Retries::new(3).unwrap(),
    }
}

fn longest_receipts() -> [Receipt; 2] {
    let honest = support::receipt();
    let local = match honest.execution.clone().unwrap() {
        Execution::Local(local) => Local { model: longest(), arithmetic: longest(), engine: longest(), ..local },
        Execution::Upstream(_) => unreachable!(),
    };
    [Execution::Local(local), Execution::Upstream(longest_upstream())].map(|execution| {
        let mut receipt = Receipt {
            iat: u64::MAX,
            nonce: Some(nonce()),
            seq: u64::MAX,
            execution: Some(execution),
            usage: Some(Usage { prompt: u64::MAX, completion: u64::MAX }),
            times: Times::new(u64::MAX, u64::MAX, u64::MAX).unwrap(),
            parent: Some(Digest([0xff; 32])),
            ..honest.clone()
        };
        receipt.exchange.method = longest();
        receipt.exchange.target = longest();
        receipt.exchange.status = Status::new(999).unwrap();
        receipt.exchange.response_length = u64::MAX;
        receipt
    })
}

fn longest_checkpoint() -> Checkpoint {
    Checkpoint {
        nonce: Some(nonce()),
        status: u16::MAX,
        place: Place::Later { number: u64::MAX.try_into().unwrap(), prev: Digest([0xff; 32]) },
        offset: u64::MAX,
        ..support::checkpoint()
    }
}

fn longest_order() -> SecretOrder {
    let sealed = Sealed { encapsulated: [0xff; 32], ciphertext: widest() };
    SecretOrder {
        name: Name::new("a".repeat(MAX_NAME)).unwrap(),
        counter: u64::MAX,
        sealed: Some(sealed),
        ..support::order()
    }
}

fn longest_statement() -> Statement {
    let model = Model { name: longest(), sha256: Digest([0xff; 32]), size: u64::MAX };
    let upstream = statement::Upstream { name: longest(), host: longest(), port: u16::MAX };
    let other = (0..MAX_OTHER_KEYS).map(|role| (Text::new(format!("{role:0>MAX_TEXT$}")).unwrap(), widest()));
    let honest = support::statement();
    Statement {
        platform: statement::Platform::Simulated,
        keys: Keys { other: OtherKeys::new(other).unwrap(), ..honest.keys.clone() },
        software: Software { name: longest(), version: longest(), commit: longest(), engine: Some(longest()) },
        models: List::new(vec![model; MAX_MODELS]).unwrap(),
        upstreams: List::new(vec![upstream; MAX_UPSTREAMS]).unwrap(),
        validity: Validity::new(u64::MAX - MAX_LIFE, u64::MAX).unwrap(),
        ..honest
    }
}

fn decodes<T: Payload + PartialEq + core::fmt::Debug>(claims: &T) -> usize {
    let payload = claims.encode();
    assert_eq!(T::decode(&payload).as_ref(), Ok(claims));
    payload.len()
}

/// Checks a claim at its limit: it decodes, and one record of a stream holds its envelope.
fn fits<T: Payload + PartialEq + core::fmt::Debug + Clone>(claims: &T) {
    let length = decodes(claims);
    assert!(length <= T::MAX_BYTES, "{length} bytes");
    let signed = support::sign(claims.clone());
    assert!(signed.bytes().len() <= length + OVERHEAD, "the envelope adds {}", signed.bytes().len() - length);
    assert_eq!(Signed::<T>::decode(signed.bytes()).unwrap().claims(), claims);
    let record = record::encode(record::Kind::Receipt, signed.bytes());
    assert!(record.len() <= record::MAX_BYTES, "a record of {} bytes", record.len());
}

#[test]
fn with_every_field_at_its_limit_a_value_is_signed_recorded_and_read() {
    longest_receipts().iter().for_each(fits);
    fits(&longest_checkpoint());
    decodes(&longest_order());
    assert!(support::sign(longest_order()).bytes().len() <= SecretOrder::MAX_BYTES + OVERHEAD);
    // An envelope of the longest payload leaves room in a record, too.
    let envelope = vec![0; Receipt::MAX_BYTES + OVERHEAD];
    assert!(record::encode(record::Kind::Receipt, &envelope).len() <= record::MAX_BYTES);
}

#[test]
fn the_longest_statement_and_its_evidence_are_read() {
    let statement = longest_statement();
    let encoded = statement.encode();
    assert!(encoded.len() <= statement::MAX_BYTES, "{} bytes", encoded.len());
    assert_eq!(Statement::decode(&encoded), Ok(statement));
    let evidence = Evidence {
        statement: widest(),
        quote: widest(),
        nonce: Some(nonce()),
        certificates: List::new(vec![widest(); evidence::MAX_CERTIFICATES]).unwrap(),
        crls: List::new(vec![widest(); evidence::MAX_CRLS]).unwrap(),
    };
    let encoded = evidence.encode();
    assert!(encoded.len() <= evidence::MAX_BYTES, "{} bytes", encoded.len());
    assert_eq!(Evidence::decode(&encoded), Ok(evidence));
}

#[test]
fn what_would_not_decode_is_not_signed() {
    #[derive(Clone, Debug, PartialEq)]
    struct Long;
    impl Payload for Long {
        const TYP: &'static str = "application/vnd.quoth.possession";
        const MAX_BYTES: usize = 63;

        fn encode(&self) -> Vec<u8> {
            vec![0; 64]
        }

        fn decode(_: &[u8]) -> Result<Self, FormatError> {
            unreachable!()
        }
    }
    let key = quoth_attestation::cose::KeyId([0; 8]);
    let signed = Signed::sign(Long, key, |_| panic!("signed"));
    assert_eq!(signed, Err(FormatError::TooLong { limit: 63, actual: 64 }));
}

#[test]
fn times_go_forward_and_lives_end() {
    assert!(Times::new(1, 1, 1).is_ok() && Times::new(2, 1, 2).is_err() && Times::new(1, 3, 2).is_err());
    assert!(Validity::new(5, 5 + MAX_LIFE).is_ok() && Validity::new(5, 6 + MAX_LIFE).is_err());
    assert!(Validity::new(5, 5).is_ok() && Validity::new(5, 4).is_err());
}

#[test]
fn other_keys_are_few_and_have_roles_of_their_own() {
    let keys = |roles: &[&str]| OtherKeys::new(roles.iter().map(|role| (Text::new(*role).unwrap(), widest())));
    assert!(keys(&["a", "b"]).is_ok());
    for roles in [&["receipt"][..], &["tls"], &["seal"], &["a", "a"]] {
        assert!(keys(roles).is_err(), "{roles:?}");
    }
    let many: Vec<_> = (0..=MAX_OTHER_KEYS).map(|role| role.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert!(keys(&many[1..]).is_ok() && keys(&many).is_err());
}

#[test]
fn names_of_secrets_are_bounded() {
    for (name, valid) in [("a", true), ("team-1", true), ("", false), ("A", false), ("a_b", false), ("é", false)] {
        assert_eq!(Name::new(name).is_ok(), valid, "{name}");
    }
    assert!(Name::new("a".repeat(64)).is_ok() && Name::new("a".repeat(65)).is_err());
}

#[test]
fn a_checkpoints_place_says_what_it_follows() {
    let second = Place::First.next(Digest([1; 32]));
    assert_eq!((Place::First.number(), Place::First.prev()), (0, None));
    assert_eq!((second.number(), second.prev()), (1, Some(&Digest([1; 32]))));
    for (place, key, value) in [(Place::First, 6, Value::from(1)), (second, 6, Value::from(0))] {
        let checkpoint = Checkpoint { place, ..support::checkpoint() };
        decodes(&checkpoint);
        let bent = with(&checkpoint.encode(), key, &value);
        assert_eq!(Checkpoint::decode(&bent).unwrap_err().code(), "format.out_of_range");
    }
}

/// The encoding of a map with another value under `key`.
pub(crate) fn with(encoded: &[u8], key: i32, value: &Value<'_>) -> Vec<u8> {
    let Ok(Value::Map(mut entries)) = cbor::decode(encoded, encoded.len()) else { panic!("no map") };
    let key = Value::from(key);
    entries.iter_mut().find(|(found, _)| *found == key).unwrap().1 = value.clone();
    cbor::encode(&Value::Map(entries))
}

fn text<const MAX: usize>(text: &str, cut: bool) -> Option<Text<MAX>> {
    // Most cases are to fit.
    let end = if cut { (0..=MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap() } else { text.len() };
    Text::new(&text[..end]).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_a_request_and_an_answer_say_the_receipt_decodes(
        texts in vec(".{0,40}|[a-z]{200,300}|.{60,90}", 7),
        target in ".{0,60}|[ -~]{2000,2100}",
        cut: bool,
        (status, retries, port) in (prop_oneof![0..1100u16, any::<u16>()], 0..6u16, any::<u16>()),
        times: [u32; 3],
        numbers: [u64; 5],
        streamed: bool,
        answered: bool,
    ) {
        let [method, provider, host, asked, model, id, engine] = &texts[..] else { unreachable!() };
        let (longest, [received, first_byte, last_byte]) = (longest_upstream(), times.map(u64::from));
        let made = || -> Option<Receipt> {
            let upstream = Upstream {
                provider: text(provider, cut)?,
                host: text(host, cut)?,
                port,
                tls: longest.tls.clone().filter(|_| answered),
                model_asked: text(asked, cut)?,
                // What a provider says is left out where it does not fit.
                model_answered: text(model, false),
                request_id: text(id, false),
                retries: Retries::new(retries).ok()?,
                ..longest.clone()
            };
            let local = || -> Option<Local> {
                let Some(Execution::Local(local)) = support::receipt().execution else { return None };
                Some(Local { model: text(asked, cut)?, arithmetic: text(engine, cut)?, engine: text(engine, cut)?, ..local })
            };
            let execution = if streamed { Execution::Upstream(upstream) } else { Execution::Local(local()?) };
            let mut receipt = Receipt {
                iat: numbers[0],
                seq: numbers[1],
                execution: Some(execution).filter(|_| numbers[2] % 4 > 0),
                usage: answered.then_some(Usage { prompt: numbers[2], completion: numbers[3] }),
                times: Times::new(received, first_byte, last_byte).ok()?,
                ..support::receipt()
            };
            receipt.exchange.method = text(method, cut)?;
            receipt.exchange.target = text(&target, cut)?;
            receipt.exchange.status = Status::new(status).ok()?;
            receipt.exchange.response_length = numbers[4];
            Some(receipt)
        };
        if let Some(receipt) = made() {
            fits(&receipt);
        }
    }
}
