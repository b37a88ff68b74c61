//! `just bench`: compares Quoth with its peers on this machine, and writes the ratios to `BENCHMARKS.md`.
//!
//! Every comparison alternates between one measurement of Quoth and one of the peer, so that other load on the machine
//! affects both. The result is the median of the ratios of neighbouring measurements, and their range.

#![forbid(unsafe_code)]
// A bench stops at the first unexpected result.
#![allow(clippy::unwrap_used)]

mod boot;
mod client;
mod exercise;
mod llama;
mod load;
mod machine;
mod node;
mod page;
mod pair;
mod plan;
mod proxied;
mod receipts;
mod relay;
mod row;
mod slice;
mod statistics;
mod verify;

use plan::{Plan, USAGE};
use row::Row;

fn main() {
    let plan = Plan::from_arguments().unwrap_or_else(|problem| {
        eprintln!("{problem}\n{USAGE}");
        std::process::exit(2);
    });
    if let Some(program) = &plan.exercise {
        return exercise::run(program);
    }
    let (mut rows, mut profile) = (Vec::<Row>::new(), String::new());
    for part in &plan.parts {
        let start = rows.len();
        rows.extend(match part.as_str() {
            "chats" => llama::chats(&plan),
            "serving" => llama::serving(&plan),
            "replays" => llama::replays(&plan),
            "receipts" => receipts::measure(&plan),
            "proxied" => {
                let (rows, found) = proxied::measure(&plan);
                println!("{found}\n");
                profile = found;
                rows
            }
            "relay" => relay::measure(&plan),
            "load" => load::measure(&plan),
            "boot" => boot::measure(&plan),
            "verify" => verify::measure(&plan),
            other => panic!("no part is called {other}"),
        });
        println!("{}", page::table(&rows[start..]));
    }
    if let Some(out) = &plan.out {
        std::fs::write(out, page::page(&rows, &profile, plan.rounds)).unwrap();
        eprintln!("written to {}", out.display());
    }
    if rows.iter().any(|row| !row.met()) {
        eprintln!("not every goal is met");
    }
}
