//! Every value that can be constructed decodes to itself: receipts, checkpoints, statements and orders.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use quoth_attestation::{Digest, ExchangeId};
use quoth_attestation::bounded::{Blob, List, Text};
use quoth_attestation::checkpoint::{Checkpoint, Place, Version};
use quoth_attestation::commit::Commitment;
use quoth_attestation::cose::{KeyId, Payload, Signed};
use quoth_attestation::receipt::{
    Credential, Ending, Exchange, Execution, Level, Outcome, Receipt, Retries, Status, Times, Upstream, Usage,
};
use quoth_attestation::secret::{Name, Sealed, SecretOrder};
use quoth_attestation::statement::{Model, OtherKeys, Statement, Validity};

/// The specification's example.
const STATEMENT: &[u8] = include_bytes!("../corpus/statement/spec");
/// Maximum length of texts. It exceeds every limit.
const LONGEST: usize = 2100;

/// Returns a text if it is valid. Short texts are more likely.
fn text<const MAX: usize>(input: &mut Unstructured<'_>) -> Result<Option<Text<MAX>>> {
    let letter = char::from_u32(input.int_in_range(1..=0x2fff)?).unwrap_or('a');
    let length = if input.ratio(1, 4)? { input.int_in_range(0..=LONGEST)? } else { input.int_in_range(0..=40)? };
    let text: String = std::iter::repeat_n(letter, length / letter.len_utf8()).collect();
    Ok(Text::new(text).ok())
}

fn blob<const MIN: usize, const MAX: usize>(input: &mut Unstructured<'_>) -> Result<Option<Blob<MIN, MAX>>> {
    let length = input.int_in_range(0..=MAX + 1)?;
    Ok(Blob::new(vec![7; length]).ok())
}

fn receipt(input: &mut Unstructured<'_>) -> Result<Option<Receipt>> {
    let nothing = Commitment(Digest(input.arbitrary()?));
    let parts = (text(input)?, text(input)?, text(input)?, text(input)?, text(input)?);
    let (Some(method), Some(target), Some(provider), Some(host), Some(model_asked)) = parts else { return Ok(None) };
    let upstream = Upstream {
        provider,
        host,
        port: input.arbitrary()?,
        tls: None,
        head: nothing,
        sent: nothing,
        received: nothing,
        model_asked,
        model_answered: text(input)?,
        request_id: text(input)?,
        credential: Credential::Caller,
        retries: Retries::new(input.int_in_range(0..=4)?).unwrap_or(Retries::LEAST),
    };
    let Ok(status) = Status::new(input.arbitrary()?) else { return Ok(None) };
    let Ok(times) = Times::new(input.arbitrary()?, input.arbitrary()?, input.arbitrary()?) else { return Ok(None) };
    let (streamed, outcome) = (input.arbitrary()?, *input.choose(&Outcome::ALL)?);
    let ending = *input.choose(&[None, Some(Ending::Terminal), Some(Ending::FinishReason)])?;
    let exchange = Exchange {
        method,
        target,
        status,
        request: nothing,
        response: nothing,
        response_length: input.arbitrary()?,
        streamed,
        outcome,
        // Of other exchanges none is written.
        ending: ending.filter(|_| streamed && outcome.is_whole()),
        answer: input.arbitrary::<bool>()?.then_some(nothing),
    };
    Ok(Some(Receipt {
        iat: input.arbitrary()?,
        cti: ExchangeId(input.arbitrary()?),
        nonce: None,
        node: nothing.0,
        seq: input.arbitrary()?,
        prev: nothing.0,
        level: Level::Tee,
        exchange,
        execution: input.arbitrary::<bool>()?.then_some(Execution::Upstream(upstream)),
        usage: Some(Usage { prompt: input.arbitrary()?, completion: input.arbitrary()? }),
        times,
        parent: None,
    }))
}

fn checkpoint(input: &mut Unstructured<'_>) -> Result<Checkpoint> {
    let nothing = Digest(input.arbitrary()?);
    let place = match std::num::NonZeroU64::new(input.arbitrary()?) {
        Some(number) => Place::Later { number, prev: nothing },
        None => Place::First,
    };
    Ok(Checkpoint {
        node: nothing,
        cti: ExchangeId(input.arbitrary()?),
        nonce: None,
        request: Commitment(nothing),
        status: input.arbitrary()?,
        place,
        offset: input.arbitrary()?,
        prefix: Commitment(nothing),
        version: *input.choose(&[Version::V1, Version::V2])?,
    })
}

fn order(input: &mut Unstructured<'_>) -> Result<Option<SecretOrder>> {
    let Ok(name) = Name::new(input.arbitrary::<&str>()?) else { return Ok(None) };
    let encapsulated = input.arbitrary()?;
    let sealed = blob(input)?.map(|ciphertext| Sealed { encapsulated, ciphertext });
    Ok(Some(SecretOrder { node: Digest(input.arbitrary()?), name, counter: input.arbitrary()?, sealed }))
}

fn statement(input: &mut Unstructured<'_>) -> Result<Option<Statement>> {
    let mut statement = Statement::decode(STATEMENT).unwrap();
    let (mut keys, mut models) = (Vec::new(), Vec::new());
    for _ in 0..input.int_in_range(0..=20)? {
        keys.extend(text(input)?.zip(blob(input)?));
    }
    for _ in 0..input.int_in_range(0..=40)? {
        models.extend(text(input)?.map(|name| Model { name, sha256: Digest([1; 32]), size: 1 }));
    }
    let (Ok(keys), Ok(models)) = (OtherKeys::new(keys), List::new(models)) else { return Ok(None) };
    let Ok(validity) = Validity::new(input.arbitrary()?, input.arbitrary()?) else { return Ok(None) };
    (statement.keys.other, statement.models, statement.validity) = (keys, models, validity);
    Ok(Some(statement))
}

fn same<T: Payload + PartialEq>(claims: T) {
    assert!(T::decode(&claims.encode()).unwrap() == claims);
    let signed = Signed::sign(claims, KeyId([1; 8]), |_| [2; 64]).unwrap();
    assert!(Signed::<T>::decode(signed.bytes()).unwrap().claims() == signed.claims());
}

fn all(input: &mut Unstructured<'_>) -> Result<()> {
    match input.int_in_range(0..=3)? {
        0 => receipt(input)?.into_iter().for_each(same),
        1 => same(checkpoint(input)?),
        2 => order(input)?.into_iter().for_each(same),
        _ => statement(input)?
            .into_iter()
            .for_each(|statement| assert_eq!(Statement::decode(&statement.encode()).as_ref(), Ok(&statement))),
    }
    Ok(())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The end of the input ends it.
    let _ = all(&mut Unstructured::new(bytes));
});
