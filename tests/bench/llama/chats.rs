//! The part `chats`: compares a single chat over HTTPS, streamed and sampled, with llama-bench, which only decodes.

use super::benches::Benches;
use super::chat::{self, Answer, Door};
use super::settings::{self, TOKENS};
use crate::machine;
use crate::node;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::row::{Goal, Row};

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let node = node::start(settings::options(plan, 8));
    let model = chat::model_of(&node);
    let question = chat::stories(&node, &model, 1).remove(0);
    let ask = || chat::together(Door::Node(&node), &model, std::slice::from_ref(&question)).remove(0);
    let prompt = ask().prompt_tokens;
    let peer = Benches { folder: &plan.peers, model: &plan.model, prompt, room: 8 };

    let (mut generation, mut whole) = (Pair::default(), Pair::default());
    for round in 1..=plan.rounds {
        eprintln!("chats: turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        let after_first = after_first(&ask());
        generation
            .push(after_first, peer.llama_bench(&["-p", "0", "-n", &TOKENS.to_string(), "-d", &prompt.to_string()]));
        machine::wait_until_quiet();
        let ours = chat::speed(&[ask()]);
        let both = peer.llama_bench(&["-p", "0", "-n", "0", "-pg", &format!("{prompt},{TOKENS}")]);
        // llama-bench counts the prompt's tokens, too.
        whole.push(ours, both * TOKENS as f64 / (TOKENS + prompt) as f64);
    }
    let row = |what: &str, peer: &str, pair: &Pair| pair.row(what, peer, "tokens/s", Goal::AtLeast(0.95));
    vec![
        row("1 chat, first to last token", "llama-bench tg", &generation),
        row("1 chat, request to end, prompt included", "llama-bench pp+tg", &whole),
    ]
}

/// Returns tokens per second after the first token.
fn after_first(answer: &Answer) -> f64 {
    let (Some(first), Some(last)) = (answer.words.first(), answer.words.last()) else { panic!("no words") };
    (TOKENS - 1) as f64 / (*last - *first).as_secs_f64()
}
