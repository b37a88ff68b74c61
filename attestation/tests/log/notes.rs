//! Notes, checkpoints and proofs are those of C2SP: the crates `signed_note` and `tlog_tiles` read ours, and we read theirs.

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use quoth_attestation::Digest;
use quoth_attestation::log::checkpoint::{LogCheckpoint, origin};
use quoth_attestation::log::note::{ED25519, MAX_BYTES, MAX_SIGNATURES, Note, NoteSignature, key_id};
use quoth_attestation::log::proof::LogProof;
use quoth_attestation::log::{MAX_SIZE, inclusion};
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::Checkpoint as Known;

use crate::reference::{entries, read, root};

const NODE: Digest = Digest([0xab; 32]);

fn key() -> SigningKey {
    SigningKey::from_bytes(&core::array::from_fn(|index| index as u8))
}

fn public() -> [u8; 32] {
    key().verifying_key().to_bytes()
}

fn checkpoint(size: u64) -> LogCheckpoint {
    LogCheckpoint::new(NODE, size, root(&entries(size))).unwrap()
}

fn signed(size: u64) -> Note {
    checkpoint(size).sign(&public(), |text| key().sign(text).to_bytes())
}

/// The key as others write it: name, id and key.
fn verifier_key() -> String {
    let typed = [&[ED25519][..], &public()].concat();
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, typed);
    format!("{}+{}+{encoded}", origin(&NODE), hex::encode(key_id(&origin(&NODE), ED25519, &public())))
}

#[test]
fn others_verify_our_checkpoints() {
    let note = signed_note::Note::from_bytes(signed(7).encode().as_bytes()).unwrap();
    let verifier = StandardVerifier::new(&verifier_key()).unwrap();
    let (verified, unverified) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    let known = Known::from_bytes(note.text()).unwrap();
    assert_eq!((known.origin(), known.size(), known.extension()), (&*origin(&NODE), 7, ""));
    assert_eq!(known.hash().0, root(&entries(7)).0);
}

#[test]
fn we_read_what_others_write() {
    let known = Known::new(&origin(&NODE), 7, tlog_tiles::Hash(root(&entries(7)).0), "").unwrap();
    let signature = key().sign(&known.to_bytes());
    let id = key_id(&origin(&NODE), ED25519, &public());
    let line = signed_note::Signature::new(origin(&NODE), u32::from_be_bytes(id), signature.to_bytes().to_vec());
    let cosignature = signed_note::Signature::new("witness.example".into(), 9, vec![4; 72]);
    let written = signed_note::Note::new(&known.to_bytes(), &[line.unwrap(), cosignature.unwrap()]).unwrap().to_bytes();
    let note = Note::decode(&written).unwrap();
    assert_eq!(note.encode().as_bytes(), written);
    let read = LogCheckpoint::decode(note.text()).unwrap();
    assert_eq!(read, checkpoint(7));
    let own: Vec<_> = read.own(&note, &public()).map(NoteSignature::bytes).collect();
    assert_eq!(own, [&signature.to_bytes()[..]]);
    assert_eq!(read.own(&note, &[9; 32]).count(), 0);
}

#[test]
fn a_checkpoint_has_one_text() {
    let honest = checkpoint(7).text();
    assert_eq!(LogCheckpoint::decode(&honest), Ok(checkpoint(7)));
    let hash = honest.lines().nth(2).unwrap();
    let node = NODE.to_string();
    let with = |origin: &str, size: &str, hash: &str, end: &str| format!("{origin}\n{size}\n{hash}{end}");
    let ours = origin(&NODE);
    for wrong in [
        with(&ours, "7", hash, ""),
        with(&ours, "7", hash, "\nextension\n"),
        with(&ours, "7", hash, "\n\n"),
        with(&ours, "07", hash, "\n"),
        with(&ours, "+7", hash, "\n"),
        with(&ours, "-7", hash, "\n"),
        with(&ours, "", hash, "\n"),
        with(&ours, &(MAX_SIZE + 1).to_string(), hash, "\n"),
        with(&ours, "18446744073709551616", hash, "\n"),
        with(&ours.to_uppercase(), "7", hash, "\n"),
        with(&format!("quoth.dev/log/{}", node.to_uppercase()), "7", hash, "\n"),
        with(&format!("example.com/{node}"), "7", hash, "\n"),
        with(&ours, "7", &hash[..40], "\n"),
        with(&ours, "7", hash.trim_end_matches('='), "\n"),
        String::new(),
    ] {
        assert!(LogCheckpoint::decode(&wrong).is_err(), "{wrong:?}");
    }
    assert!(LogCheckpoint::decode(&with(&ours, &MAX_SIZE.to_string(), hash, "\n")).is_ok());
}

#[test]
fn what_is_no_note_is_refused() {
    let honest = signed(7).encode();
    assert!(Note::decode(honest.as_bytes()).is_ok());
    let line = honest.lines().last().unwrap();
    for wrong in [
        "",
        "\n",
        "text\n",
        "text\n\n",
        &format!("text\n{line}\n"),
        &format!("text\n\n{line}"),
        &format!("text\n\n{line}\n\n"),
        &format!("text\r\n\n{line}\n"),
        &format!("te\txt\n\n{line}\n"),
        &format!("text\n\n{}\n", line.replace('\u{2014}', "-")),
        "text\n\n\u{2014} name AAAA\n",
        "text\n\n\u{2014} na+me AAAAAAA=\n",
        "text\n\n\u{2014} na\u{a0}me AAAAAAA=\n",
        "text\n\n\u{2014}  AAAAAAA=\n",
        "text\n\n\u{2014} name AAAAAAA= AAAAAAA=\n",
        "text\n\n\u{2014} name AAAAAAA\n",
    ] {
        assert!(Note::decode(wrong.as_bytes()).is_err(), "{wrong:?}");
        assert!(signed_note::Note::from_bytes(wrong.as_bytes()).is_err(), "theirs: {wrong:?}");
    }
    assert!(Note::decode(b"te\xffxt\n\n\xe2\x80\x94 name AAAAAAA=\n").is_err());
}

#[test]
fn notes_end_at_their_limits() {
    let line = NoteSignature::new("name", [0; 4], &[0]).unwrap();
    let note = |lines: usize| Note::new("text\n".into(), vec![line.clone(); lines]);
    assert!(note(1).is_ok() && note(MAX_SIGNATURES).is_ok());
    assert!(note(0).is_err() && note(MAX_SIGNATURES + 1).is_err());
    let long = |bytes: usize| {
        let rest = "\n\n\u{2014} name AAAAAAA=\n";
        Note::decode(format!("{}{rest}", "a".repeat(bytes - rest.len())).as_bytes())
    };
    assert!(long(MAX_BYTES).is_ok());
    assert_eq!(long(MAX_BYTES + 1).unwrap_err().code(), "format.too_long");
    for text in ["", "text", "te\u{7}xt\n"] {
        assert!(Note::new(text.into(), vec![line.clone()]).is_err(), "{text:?}");
    }
    // Empty lines are a part of the text; the last one ends it.
    assert!(Note::new("text\n\nmore\n".into(), vec![line]).is_ok());
}

#[test]
fn a_proof_is_a_text_that_proves_one_entry() {
    let entries = entries(7);
    for (index, entry) in (0..).zip(&entries) {
        let Ok(path) = inclusion::prove(index, 7, read(&entries));
        let proof = LogProof::new(index, path, signed(7)).unwrap();
        assert!(proof.proves(entry));
        assert!(!proof.proves(&Digest([9; 32])));
        let text = proof.encode();
        assert!(text.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")));
        assert_eq!(LogProof::decode(text.as_bytes()), Ok(proof));
    }
    let alone = LogProof::new(0, vec![], signed(1)).unwrap();
    assert!(alone.proves(&entries[0]));
    assert_eq!(LogProof::decode(alone.encode().as_bytes()), Ok(alone));
}

#[test]
fn what_is_no_proof_is_refused() {
    let Ok(path) = inclusion::prove(3, 7, read(&entries(7)));
    assert!(LogProof::new(7, path.clone(), signed(7)).is_err());
    assert!(LogProof::new(3, vec![NODE; 41], signed(7)).is_err());
    let text = LogProof::new(3, path, signed(7)).unwrap().encode();
    for (old, new) in [
        ("@v1", "@v2"),
        ("index 3", "index 03"),
        ("index 3", "index +3"),
        ("index 3", "index 7"),
        ("index 3", "index"),
        ("index 3", "extra AAAA\nindex 3"),
        ("index 3\n", "index 3\nAAAA\n"),
        ("index 3\n", "index 3\n\n"),
        ("\n\n", "\n"),
        ("quoth.dev", "example.com"),
    ] {
        assert!(LogProof::decode(text.replacen(old, new, 1).as_bytes()).is_err(), "{old:?} as {new:?}");
    }
}

proptest! {
    #[test]
    fn whatever_decodes_is_encoded_so(text in "[a\n\u{2014} =A+]{0,40}", at in any::<prop::sample::Index>(), letter in "[a\n =A+7]") {
        let mut near = signed(7).encode();
        let place = at.index(near.len());
        if near.is_char_boundary(place) {
            near.insert_str(place, &letter);
        }
        for text in [text, near] {
            let ours = Note::decode(text.as_bytes());
            let theirs = signed_note::Note::from_bytes(text.as_bytes());
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", text);
            if let Ok(note) = ours {
                prop_assert_eq!(note.encode(), text);
            }
        }
    }
}
