//! The part `boot`: the size of images, the time from power-on to an answer, and the speed of virtual sockets.

mod far;
mod start;

use std::fs;
use std::path::Path;

use quoth_tests::Image;

use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::Series;

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let built = "just bench builds the image's program";
    let (nitro, snp) = (Image::build("nitro", "nitro").expect(built), Image::build("snp", "none").expect(built));
    let mut rows = vec![size(&nitro, &snp)];
    rows.push(start::measure(plan, &nitro, "qemu-nitro"));
    rows.push(start::measure(plan, &snp, "qemu-snp"));
    rows.extend(far::measure(plan, &snp));
    rows
}

fn size(nitro: &Image, snp: &Image) -> Row {
    let kib = |file: &Path| fs::metadata(file).unwrap().len() as f64 / 1024.0;
    let (eif, kernel) = (kib(&nitro.out().join("image.eif")), kib(&snp.out().join("kernel")));
    let program = kib(&nitro.program);
    Row {
        what: "image for Nitro, a file".into(),
        ours: format!("kernel {kernel:.0} KiB, program {program:.0} KiB, the rest {:.0} KiB", eif - kernel - program),
        peer: String::new(),
        value: Series::one(eif),
        goal: Goal::Kib,
    }
}
