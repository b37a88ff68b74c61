//! `ask`: asks a node and proves its answer.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use quoth_client::{Client, ClientError, Exchange, Options, OrderError, Proven};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::answer::{EventText, error_message, whole_text};
use crate::args::Ask;
use crate::error::CliError;
use crate::files;
use crate::report::Report;
use crate::summary::{self, View};
use crate::terminal::safe;

/// The suffix of a saved exchange's file name.
const SUFFIX: &str = ".transcript.json";

/// Asks, shows the answer as it arrives, and reports what is proven.
pub(crate) async fn run(args: Ask) -> Result<Report, CliError> {
    let save = args.save.as_deref().map(transcript_name);
    if let Some(file) = save.as_deref().filter(|file| file.exists()) {
        let source = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(CliError::File { file: file.into(), source });
    }
    let client = Client::new(files::policy(args.common.policy.as_ref())?);
    let headers = args.key_file.as_ref().map(bearer).transpose()?.unwrap_or_default();
    let options = Options { details: args.details, head: args.head, headers, ..Options::default() };
    let connection = client.connect(&args.url).await?;
    // Do not send a prompt for a model that the policy does not accept.
    connection.node().accepts_model(&args.model).map_err(ClientError::from)?;
    let mut exchange = connection.post(Client::CHAT, body(&args).to_string(), options).await?;
    let mut words = String::new();
    if let Err(error) = show(&mut exchange, args.common.json, &mut words).await {
        // Keep what arrived before the cut, with its checkpoints.
        if let Some(file) = save {
            files::write_new(&file, exchange.transcript().encode().as_bytes())?;
        }
        return Err(error);
    }
    let proven = exchange.finish().await?;
    if let Some(file) = &save {
        files::write_new(file, proven.transcript.encode().as_bytes())?;
    }
    if proven.transcript.response.status >= 400 {
        let message = error_message(&proven.transcript.response.body).unwrap_or_default();
        return Err(CliError::Answered { status: proven.transcript.response.status, message });
    }
    let mut report = report(&proven, words, save.as_deref());
    if args.head && proven.head.is_none() {
        report.not_proven("that the node's log has the answer: the node signed no head");
    }
    Ok(report)
}

fn bearer(file: &PathBuf) -> Result<HeaderMap, CliError> {
    let value = Zeroizing::new(["Bearer ", &files::secret(Some(file))?].concat());
    let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| ClientError::from(OrderError::Secret))?;
    value.set_sensitive(true);
    Ok([(AUTHORIZATION, value)].into_iter().collect())
}

fn body(args: &Ask) -> Value {
    let system = args.system.iter().map(|text| json!({ "role": "system", "content": text }));
    let messages: Vec<Value> = system.chain([json!({ "role": "user", "content": args.prompt })]).collect();
    let mut body = Map::new();
    body.insert("model".into(), args.model.as_str().into());
    body.insert("messages".into(), messages.into());
    body.insert("stream".into(), (!args.no_stream).into());
    if let Some(tokens) = args.max_tokens {
        body.insert("max_tokens".into(), tokens.into());
    }
    if let Some(temperature) = args.temperature {
        body.insert("temperature".into(), decimal(temperature));
    }
    if let Some(seed) = args.seed {
        body.insert("seed".into(), seed.into());
    }
    Value::Object(body)
}

/// The number as typed: 0.7, and not all digits of the nearest f32.
fn decimal(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

async fn show(exchange: &mut Exchange, quiet: bool, words: &mut String) -> Result<(), CliError> {
    let mut events = exchange.is_stream().then(EventText::default);
    while let Some(bytes) = exchange.next().await? {
        let text = match &mut events {
            Some(events) => events.push(&bytes),
            None => whole_text(&bytes).unwrap_or_default(),
        };
        if !quiet {
            print(&text).map_err(CliError::Output)?;
        }
        words.push_str(&text);
    }
    match quiet || words.is_empty() || words.ends_with('\n') {
        true => Ok(()),
        false => print("\n").map_err(CliError::Output),
    }
}

/// A model's text is hostile: remove everything that a terminal acts on.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.is_terminal() {
        true => out.write_all(safe(text).as_bytes())?,
        false => out.write_all(text.as_bytes())?,
    }
    out.flush()
}

fn report(proven: &Proven, words: String, saved: Option<&Path>) -> Report {
    let mut report = Report::new("this answer, to this question, from this node");
    let node = proven.connection.node();
    summary::node(&mut report, node, View::Exchange);
    summary::exchange(&mut report, &proven.transcript, &proven.exchange);
    if let Some(details) = &proven.transcript.details {
        summary::details(&mut report, details);
    }
    if let Some(head) = &proven.head {
        summary::head(&mut report, head);
    }
    summary::limits_of_exchange(&mut report, node, proven.exchange.receipt().claims());
    if let Some(file) = saved {
        report.row("saved", format!("{}  (check it: quoth-verify transcript FILE)", file.display()));
        report.member("transcript", file.display().to_string());
    }
    report.member("answer", words);
    report
}

fn transcript_name(name: &Path) -> PathBuf {
    match name.as_os_str().to_string_lossy().ends_with(SUFFIX) {
        true => name.into(),
        false => {
            let mut file = name.as_os_str().to_owned();
            file.push(SUFFIX);
            file.into()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn ask(arguments: &[&str]) -> Ask {
        let start = ["quoth-verify", "ask", "https://node", "-m", "m", "hello"];
        match Arguments::try_parse_from(start.iter().chain(arguments)).unwrap().command {
            Command::Ask(ask) => ask,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_become_a_request() {
        let minimal = json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }], "stream": true });
        assert_eq!(body(&ask(&[])), minimal);
        let full = body(&ask(&[
            "--system",
            "be brief",
            "--max-tokens",
            "9",
            "--temperature",
            "0.7",
            "--seed",
            "4",
            "--no-stream",
        ]));
        assert_eq!(full["messages"][0], json!({ "role": "system", "content": "be brief" }));
        assert_eq!((&full["max_tokens"], &full["seed"], &full["stream"]), (&json!(9), &json!(4), &json!(false)));
        assert_eq!(full["temperature"].to_string(), "0.7");
    }

    #[test]
    fn transcripts_are_named_once() {
        assert_eq!(transcript_name(Path::new("a")), Path::new("a.transcript.json"));
        assert_eq!(transcript_name(Path::new("a.transcript.json")), Path::new("a.transcript.json"));
    }
}
