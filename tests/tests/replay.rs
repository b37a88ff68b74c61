//! Replays: answers that nodes signed under load match token by token. Invented answers do not.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use quoth_attestation::cbor::{self, Value as Cbor};
use quoth_attestation::receipt::{Ending, Execution, Outcome, Receipt};
use quoth_attestation::transcript::{Details, LocalDetails, Transcript};
use quoth_tests::{Liar, Node, Options, Request, command, save, transcripts_under_load};
use quoth_tiny_model::Kind;
use serde_json::{Value, json};

const REQUESTS: usize = 240;

/// The output of `quoth-verify replay`: the verdicts, the summary, and the exit code.
struct Said {
    verdicts: Vec<Value>,
    summary: Value,
    exit: Option<i32>,
}

impl Said {
    /// Returns verdict and code of each exchange.
    fn codes(&self) -> Vec<(&str, &str)> {
        let text = |object: &'_ Value, name: &str| object[name].as_str().unwrap_or_default().to_owned().leak() as &str;
        self.verdicts.iter().map(|object| (text(object, "verdict"), text(object, "code"))).collect()
    }
}

fn replay(policy: &Path, model: &Path, files: &[PathBuf]) -> Said {
    let mut command = command("quoth-verify");
    // Other tests use the processors, too.
    command.args(["replay", "--json", "--threads", "1"]).args(files);
    command.arg("--model").arg(model).arg("--policy").arg(policy);
    let output = command.output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut verdicts: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = verdicts.pop().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    Said { verdicts, summary, exit: output.status.code() }
}

/// Returns requests of every kind.
fn requests(count: usize) -> Vec<Request> {
    let schema = json!({
        "type": "object",
        "properties": { "a": { "type": "integer" }, "b": { "type": "array", "items": { "type": "string" }, "maxItems": 4 } },
        "required": ["a", "b"],
    });
    let endless = json!({ "2": -100, "3": -100 });
    let kinds = [
        json!({ "temperature": 0, "logit_bias": endless }),
        json!({ "temperature": 0.7 }),
        json!({ "temperature": 1.3, "top_p": 0.9, "top_k": 40, "min_p": 0.01, "logit_bias": endless }),
        json!({ "logprobs": true, "top_logprobs": 20 }),
        json!({ "logprobs": true, "temperature": 0, "max_tokens": 1 }),
        json!({ "frequency_penalty": 1.2, "presence_penalty": -0.5, "logit_bias": endless }),
        json!({ "repeat_penalty": 1.3, "logprobs": true, "top_logprobs": 2, "stream_options": { "include_usage": true } }),
        json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "x", "schema": schema } } }),
        json!({ "response_format": { "type": "json_object" }, "temperature": 1.8, "logprobs": true, "top_logprobs": 3 }),
        json!({ "stop": ["a", "7", "oo"], "logit_bias": { "2": -100, "300": 3.5 } }),
        json!({ "stop": "e", "logprobs": true, "stream_options": { "include_usage": true } }),
        // Without a seed and without a length.
        json!({ "seed": null, "logit_bias": { "2": 4, "3": 4 }, "max_tokens": null }),
    ];
    let body = |index: usize| {
        let (kind, words) = (&kinds[index % kinds.len()], "ba be bi 1, <|im_end|> € ".repeat(1 + index * 7 % 13));
        let (stream, is_chat) = ((index / 2).is_multiple_of(2), index % 5 < 3);
        let mut body = json!({ "model": Node::MODEL, "seed": index, "max_tokens": 40 + index % 90, "stream": stream });
        body.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        let map = body.as_object_mut().unwrap();
        if !stream {
            map.remove("stream_options");
        }
        match is_chat || map.contains_key("response_format") {
            true => drop(map.insert("messages".into(), json!([{ "role": "user", "content": words }]))),
            false => {
                map.insert("prompt".into(), words.replace("<|im_end|>", "").into());
                if map.remove("top_logprobs").is_some() || map.contains_key("logprobs") {
                    map.insert("logprobs".into(), 5.into());
                }
            }
        }
        body
    };
    let request = |index| {
        let body = body(index);
        let hang_up_after = (index % 9 == 4 && body["stream"] == true).then_some(index % 4);
        Request { body, hang_up_after }
    };
    (0..count).map(request).collect()
}

async fn loaded_node() -> Node {
    Node::with(Options { parallel: 8, ..Options::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_loaded_node_signed_comes_out_again() {
    let node = loaded_node().await;
    let requests = requests(REQUESTS);
    let hang_ups = requests.iter().filter(|request| request.hang_up_after.is_some()).count();
    assert!(hang_ups > 5);
    let transcripts = transcripts_under_load(&node, requests, 16).await;
    assert_eq!(transcripts.len(), REQUESTS - hang_ups);
    let folder = tempfile::tempdir().unwrap();
    let files = save(folder.path(), &transcripts);
    let said = replay(&node.policy_file(), node.model_file(), &files);
    let wrong: Vec<&Value> = said.verdicts.iter().filter(|object| object["verdict"] != "match").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!((said.exit, said.verdicts.len()), (Some(0), files.len()));
    let summary = &said.summary;
    assert_eq!((&summary["kind"], &summary["match"]), (&json!("summary"), &json!(files.len())));
    let tokens: usize = transcripts
        .iter()
        .map(|transcript| transcript.details.as_ref().and_then(Details::local).unwrap())
        .map(|details| details.prompt_tokens.len() + details.output_tokens.len() - 1)
        .sum();
    assert_eq!(summary["tokens"], tokens);
    eprintln!("{} exchanges, {tokens} tokens, {} s", files.len(), summary["replay_seconds"]);
}

/// Returns honest exchanges, for false receipts: a whole chat with log-probabilities, a stream without a seed, a completion
/// with log-probabilities, and one with a grammar.
async fn honest(node: &Node) -> Vec<Transcript> {
    let endless = json!({ "2": -100, "3": -100 });
    let question = json!([{ "role": "user", "content": "ba be bi" }]);
    let bodies = [
        json!({ "messages": question, "seed": 5, "max_tokens": 30, "logprobs": true, "top_logprobs": 4, "logit_bias": endless }),
        json!({ "messages": question, "max_tokens": 30, "stream": true, "logit_bias": endless }),
        json!({ "prompt": "ba be bi", "seed": 6, "max_tokens": 30, "logprobs": 3, "logit_bias": endless }),
        json!({ "messages": question, "seed": 7, "max_tokens": 50, "response_format": { "type": "json_object" } }),
    ];
    let request = |mut body: Value| {
        body["model"] = Node::MODEL.into();
        Request { body, hang_up_after: None }
    };
    transcripts_under_load(node, bodies.into_iter().map(request).collect(), 4).await
}

fn details(transcript: &mut Transcript) -> &mut LocalDetails {
    let Some(Details::Local(details)) = &mut transcript.details else { panic!("not a local execution") };
    details
}

/// Replaces a field of the recorded sampling.
fn resample(transcript: &mut Transcript, key: u16, value: Cbor<'static>) {
    let details = details(transcript);
    let Ok(Cbor::Map(mut map)) = cbor::decode(&details.sampling, 1 << 20) else { panic!("no map") };
    match map.iter_mut().find(|(known, _)| *known == Cbor::from(key)) {
        Some((_, old)) => *old = value,
        None => map.push((Cbor::from(key), value)),
    }
    let changed = cbor::encode(&Cbor::Map(map));
    details.sampling = changed;
}

fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(std::mem::take(bytes)).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    *bytes = text.replacen(from, to, 1).into_bytes();
}

/// Returns the first reported log-probability, as written.
fn first_logprob(transcript: &Transcript) -> String {
    let text = str::from_utf8(&transcript.response.body).unwrap();
    let (_, after) = text.split_once("\"logprob\":").or_else(|| text.split_once("\"token_logprobs\":[")).unwrap();
    after.split([',', ']']).next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_is_refused_and_what_was_made_up_differs() {
    let node = loaded_node().await;
    let honest = honest(&node).await;
    let [whole, stream, text, grammar] = &honest[..] else { panic!("{}", honest.len()) };
    let folder = tempfile::tempdir().unwrap();
    let judge = |policy: &Path, transcripts: &[Transcript]| {
        let files = save(folder.path(), transcripts);
        replay(policy, node.model_file(), &files)
    };

    // Edited without a key.
    type Edit = fn(&mut Transcript);
    let edits: [Edit; 4] = [
        |edited| details(edited).output_tokens[7] ^= 1,
        |edited| resample(edited, 5, Cbor::from(6)),
        |edited| replace(&mut edited.response.body, "\"content\":\"", "\"content\":\"No. "),
        |edited| details(edited).prompt_tokens[3] ^= 1,
    ];
    let edited: Vec<Transcript> = edits
        .iter()
        .map(|edit| {
            let mut edited = whole.clone();
            edit(&mut edited);
            edited
        })
        .collect();
    let said = judge(&node.policy_file(), &edited);
    assert!(said.verdicts.iter().all(|object| object["verdict"] == "refused"), "{:?}", said.verdicts);
    assert_eq!((said.exit, &said.summary["refused"]), (Some(1), &json!(4)));
    assert!(said.summary["replay_seconds"].is_null(), "nothing was computed");

    // Signed by an enclave with an accepted key that did not compute the answer.
    let liar = Liar::new();
    let policy = folder.path().join("liar.toml");
    fs::write(&policy, liar.policy()).unwrap();
    let retold: Vec<Transcript> = honest.iter().map(|transcript| liar.sign(transcript, |_, _| {})).collect();
    let said = judge(&policy, &retold);
    assert_eq!((said.exit, said.codes()), (Some(0), vec![("match", ""); 4]), "its signature alone changes nothing");

    type Lie<'a> = (&'a Transcript, &'static str, &'a dyn Fn(&mut Transcript, &mut Receipt));
    let logprob = first_logprob(whole);
    let lower = |told: &mut Transcript, _: &mut Receipt| {
        let lower = format!("{}1", logprob);
        replace(&mut told.response.body, &format!("\"logprob\":{logprob}"), &format!("\"logprob\":{lower}"));
    };
    let text_logprob = first_logprob(text);
    let lower_text = |told: &mut Transcript, _: &mut Receipt| {
        replace(&mut told.response.body, &format!("[{text_logprob}"), &format!("[{text_logprob}1"));
    };
    let lies: &[Lie<'_>] = &[
        (whole, "replay.output", &|told, _| details(told).output_tokens[0] ^= 1),
        (whole, "replay.output", &|told, _| details(told).output_tokens[17] ^= 1),
        (text, "replay.output", &|told, _| *details(told).output_tokens.last_mut().unwrap() ^= 1),
        (whole, "replay.output", &|told, _| details(told).output_tokens[9] = u32::MAX),
        // Shorter, longer, or with another finish reason.
        (whole, "replay.output", &|told, _| details(told).output_tokens.truncate(29)),
        (whole, "replay.output", &|told, _| details(told).output_tokens.push(300)),
        (whole, "replay.finish", &|_, claims| claims.exchange.outcome = Outcome::Complete),
        (stream, "replay.output", &|told, _| resample(told, 5, Cbor::from(1))),
        (whole, "replay.sampling", &|told, _| resample(told, 5, Cbor::from(6))),
        (whole, "replay.sampling", &|told, _| resample(told, 1, Cbor::from(0))),
        (whole, "replay.sampling", &|told, _| resample(told, 2, Cbor::from(u64::from(0.5f32.to_bits())))),
        (whole, "replay.sampling", &|told, _| resample(told, 10, Cbor::Map(vec![]))),
        (whole, "replay.sampling", &|told, _| resample(told, 12, Cbor::from(31))),
        (whole, "replay.sampling", &|told, _| resample(told, 13, Cbor::from("root ::= [a-z]*"))),
        (grammar, "replay.sampling", &|told, _| resample(told, 13, Cbor::from("root ::= [a-z]*"))),
        (grammar, "replay.sampling", &|told, _| resample(told, 13, Cbor::from("root ::= root"))),
        (whole, "replay.sampling", &|told, _| details(told).sampling = vec![0xa0]),
        (whole, "replay.prompt", &|told, _| details(told).prompt.push(b'!')),
        (whole, "replay.prompt", &|told, _| replace(&mut told.request.body, "ba be", "bo be")),
        (whole, "replay.prompt_tokens", &|told, _| details(told).prompt_tokens[3] ^= 1),
        (whole, "replay.prompt_tokens", &|told, _| details(told).prompt_tokens.push(300)),
        (text, "replay.prompt_tokens", &|told, _| details(told).prompt_tokens.clear()),
        (whole, "replay.text", &|told, _| replace(&mut told.response.body, "\"content\":\"", "\"content\":\"No. ")),
        (text, "replay.text", &|told, _| replace(&mut told.response.body, "\"text\":\"", "\"text\":\"\\u001b[2J")),
        (stream, "replay.text", &|told, _| {
            replace(&mut told.response.body, "\"delta\":{\"content\":\"", "\"delta\":{\"content\":\"x")
        }),
        (whole, "replay.logprobs", &lower),
        (text, "replay.logprobs", &lower_text),
        (text, "replay.logprobs", &|told, _| {
            replace(&mut told.response.body, "\"text_offset\":[0", "\"text_offset\":[1")
        }),
        (whole, "replay.logprobs", &|told, _| replace(&mut told.response.body, "\"bytes\":[", "\"bytes\":[7,")),
        (whole, "replay.usage", &|told, _| {
            replace(&mut told.response.body, "\"completion_tokens\":30", "\"completion_tokens\":29")
        }),
        (whole, "replay.finish", &|told, _| {
            replace(&mut told.response.body, "\"finish_reason\":\"length\"", "\"finish_reason\":\"stop\"")
        }),
        // Ambiguous text.
        (whole, "replay.answer", &|told, _| {
            replace(&mut told.response.body, "\"role\":\"assistant\"", "\"refusal\":\"no\",\"role\":\"assistant\"")
        }),
        (whole, "replay.answer", &|told, _| {
            replace(&mut told.response.body, "\"content\":", "\"content\":\"other\",\"content\":")
        }),
        (whole, "replay.answer", &|told, _| told.response.status = 500),
        (stream, "replay.answer", &|told, claims| {
            told.response.body.truncate(told.response.body.len() - "data: [DONE]\n\n".len());
            claims.exchange.ending = Some(Ending::FinishReason);
        }),
        (stream, "replay.answer", &|told, _| replace(&mut told.response.body, "data: ", ": pst\n\ndata: ")),
    ];
    let after = liar.sign(stream, |told, _| told.response.body.extend(b"data: {}\n\n"));
    assert_eq!(judge(&policy, &[after]).codes(), [("refused", "stream.after_end")], "it does not come to a replay");
    let told: Vec<Transcript> = lies.iter().map(|(honest, _, lie)| liar.sign(honest, lie)).collect();
    let said = judge(&policy, &told);
    let expected: Vec<_> = lies.iter().map(|(_, code, _)| ("mismatch", *code)).collect();
    for (index, (said, expected)) in said.codes().into_iter().zip(&expected).enumerate() {
        assert_eq!(said, *expected, "lie {index}");
    }
    assert_eq!((said.exit, said.verdicts.len()), (Some(1), lies.len()));
    let changed = &said.verdicts[1]["difference"];
    assert_eq!((&changed["position"], changed["logit_margin"].is_f64()), (&json!(17), true), "{changed}");
    let honest_token = details(&mut whole.clone()).output_tokens[17];
    assert_eq!(changed["expected"]["token"], honest_token);
    assert_eq!(changed["found"]["token"], honest_token ^ 1);

    // Broken off, which is allowed: fewer tokens and less text.
    let broken = [whole, stream].map(|honest| {
        liar.sign(honest, |told, claims| {
            claims.exchange.outcome = Outcome::ClientClosed;
            details(told).output_tokens.truncate(12);
            match claims.exchange.streamed {
                true => {
                    let text = String::from_utf8(told.response.body.clone()).unwrap();
                    let events: Vec<&str> = text.split_inclusive("\n\n").take(4).collect();
                    told.response.body = events.concat().into_bytes();
                }
                false => (told.response.status, told.response.body) = (499, vec![]),
            }
        })
    });
    let said = judge(&policy, &broken);
    assert_eq!((said.exit, said.codes()), (Some(0), vec![("match", ""); 2]), "{:?}", said.verdicts);

    // Text output: one line each, without control characters.
    let files = save(folder.path(), &told);
    let mut command = command("quoth-verify");
    command.arg("replay").args(files).arg("--model").arg(node.model_file()).arg("--policy").arg(&policy);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains("✗ mismatch") && shown.contains("replay.prompt_tokens"), "{shown}");
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_computes_otherwise_is_not_compared() {
    let node = loaded_node().await;
    let honest = honest(&node).await;
    let folder = tempfile::tempdir().unwrap();
    let files = save(folder.path(), &honest);
    let other = folder.path().join("other.gguf");
    let template = quoth_tiny_model::CHAT_TEMPLATE.replace("You are tiny.", "You are huge.");
    for model in [
        quoth_tiny_model::gguf(Kind::Q8_0),
        quoth_tiny_model::with_template(Kind::F32, Some(&template)),
        b"no model at all, but long enough to be taken for the beginning of one, so its hash decides".to_vec(),
    ] {
        fs::write(&other, model).unwrap();
        let said = replay(&node.policy_file(), &other, &files);
        assert_eq!((said.exit, said.codes()), (Some(3), vec![("not-comparable", "replay.model"); 4]));
        assert!(said.summary["load_seconds"].is_null(), "the model was not even loaded");
    }

    let liar = Liar::new();
    let policy = folder.path().join("liar.toml");
    fs::write(&policy, liar.policy()).unwrap();
    fn local(claims: &mut Receipt) -> &mut quoth_attestation::receipt::Local {
        match &mut claims.execution {
            Some(Execution::Local(local)) => local,
            other => panic!("{other:?}"),
        }
    }
    type Bend = fn(&mut Transcript, &mut Receipt);
    let bends: &[(&str, Bend)] = &[
        ("replay.no_details", |told, _| told.details = None),
        ("replay.arithmetic", |_, claims| {
            local(claims).arithmetic = local(claims).arithmetic.replace("exact-1", "cpu-1").try_into().unwrap()
        }),
        ("replay.arithmetic", |_, claims| local(claims).arithmetic = "exact-1/other".try_into().unwrap()),
        ("replay.engine", |_, claims| local(claims).engine = format!("{}+", local(claims).engine).try_into().unwrap()),
        ("replay.endpoint", |told, _| told.request.target = "/v1/embeddings".into()),
        ("replay.request", |told, _| told.request.body = br#"{"model":"tiny","messages":[]}"#.to_vec()),
        ("replay.request", |told, _| told.request.body.push(b'}')),
        ("replay.not_executed", |told, claims| {
            (claims.execution, claims.usage, told.details) = (None, None, None);
            (claims.exchange.outcome, told.response.status) = (Outcome::Refused, 400);
        }),
    ];
    let mut told: Vec<Transcript> = bends.iter().map(|(_, bend)| liar.sign(&honest[0], bend)).collect();
    let mut cut = liar.sign(&honest[1], |_, _| {});
    (cut.receipt, cut.details) = (None, None);
    told.push(cut);
    // One comparable exchange does not make up for others that cannot be compared.
    told.push(liar.sign(&honest[0], |_, _| {}));
    let said = replay(&policy, node.model_file(), &save(folder.path(), &told));
    let mut expected: Vec<_> = bends.iter().map(|(code, _)| ("not-comparable", *code)).collect();
    expected.extend([("not-comparable", "replay.cut"), ("match", "")]);
    assert_eq!((said.exit, said.codes()), (Some(3), expected));
    assert_eq!(said.summary["verdict"], "not-comparable");
}
