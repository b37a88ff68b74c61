//! The part `proxied`: compares a node in front of a closed provider with the provider itself, nginx, LiteLLM's proxy and a node
//! without receipts.
//!
//! All use the same fake provider, a separate process behind real TLS 1.3.

mod added;
mod door;
mod held;
mod house;
mod litellm;
mod nginx;
mod profile;
mod provider;
mod question;
mod rates;

use std::path::Path;

use crate::plan::Plan;
use crate::row::Row;
use door::Door;
use house::House;
use litellm::LiteLlm;
use nginx::Nginx;
pub(crate) use provider::Http;
use provider::Provider;
use question::{ask, question};

/// Length of an answer, words.
const WORDS: usize = 16;
/// Returns the rows, and the profile of the enclave's processor time.
pub(crate) fn measure(plan: &Plan) -> (Vec<Row>, String) {
    let provider = Provider::start(Http::Two, WORDS, 0);
    let older = Provider::start(Http::One, WORDS, 0);
    let node = House::start(&provider, Some(&plan.image));
    let over_http1 = House::start(&older, Some(&plan.image));
    let (nginx, older_nginx) = (Nginx::start(&provider), Nginx::start(&older));
    let mut rows = added::measure(plan, Http::Two, &node, &nginx, &provider);
    rows.extend(added::measure(plan, Http::One, &over_http1, &older_nginx, &older));
    drop(older_nginx);
    rows.extend(rates::against_nginx(plan, &[(Http::Two, &node), (Http::One, &over_http1)], &nginx));
    let profile = profile::of(&node);
    let (plain, bare) = (House::start(&provider, None), House::start(&provider, Some(&plan.without_receipts)));
    rows.extend(rates::without_receipts(plan, &plain, &bare));
    if let Some(program) = &plan.litellm {
        rows.extend(rates::against_litellm(plan, &node, &LiteLlm::start(program, &provider)));
    }
    rows.extend([Http::Two, Http::One].into_iter().flat_map(|http| held::measure(plan, http)));
    (rows, profile)
}

/// Requests whole answers and streams of a provider through `program`.
pub(crate) fn exercise(program: &Path, http: Http, requests: usize) {
    let provider = Provider::start(http, WORDS, 0);
    let node = House::start(&provider, Some(program));
    let mut connection = node.connect();
    for request in 0..requests {
        ask(&mut connection, &question(request % 8 == 0));
    }
    node.stop();
}
