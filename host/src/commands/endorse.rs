//! `quoth endorse`: writes the endorsements of a report to a folder.

use std::fs::{DirBuilder, File};
use std::io::Read as _;
use std::path::Path;

use crate::HostError;
use crate::args::Endorse;
use crate::endorsements::{Document, Endorsement, Endorsements, Service, Source, cache};
use crate::run_dir;
use crate::screen::{DIM, GOOD, WARN, bytes};

/// Length of a report, bytes.
const REPORT: u64 = 1184;

/// Writes what endorses a report into a folder.
///
/// # Errors
/// [`HostError::Endorsement`], [`HostError::File`], [`HostError::Usage`] if no cache folder is known.
pub async fn run(options: &Endorse) -> Result<(), HostError> {
    let family = options.family.map(Into::into);
    let report = read(&options.report)?;
    let source = Source::of(&report, family)?;
    let service = Service::new(&options.service)?;
    let cache = match &options.cache {
        Some(folder) => folder.clone(),
        None => cache().ok_or_else(|| HostError::Usage("no cache folder is known: name one with --cache".into()))?,
    };
    let mut endorsements = Endorsements::new(cache, service);
    if let Some(family) = family {
        endorsements = endorsements.of_family(family);
    }
    if options.no_crl {
        endorsements = endorsements.without_crl();
    }
    let found = endorsements.fetch(&report).await?;
    DirBuilder::new().recursive(true).create(&options.out).map_err(HostError::file(&options.out))?;
    let files = files(&found);
    for (name, document, _) in &files {
        let path = options.out.join(name);
        match document {
            Some(document) => run_dir::write(&path, document)?,
            // A file from an earlier run could be mistaken for a current one.
            None => run_dir::remove(&path)?,
        }
    }
    super::print(&text(options, &source, &found, &files))
}

type Named<'a> = (&'static str, Option<&'a [u8]>, Document);

fn files(found: &Endorsement) -> [Named<'_>; 4] {
    [
        ("vek.der", Some(&*found.vek), Document::Vcek),
        ("intermediate.der", Some(&*found.intermediate), Document::Chain),
        ("root.der", Some(&*found.root), Document::Chain),
        ("crl.der", found.crl.as_deref(), Document::Crl),
    ]
}

fn text(options: &Endorse, source: &Source, found: &Endorsement, files: &[Named<'_>]) -> String {
    let mut rows = vec![
        ("report", format!("{GOOD}genuine{GOOD:#}, {}", source.family().title())),
        ("firmware", source.tcb().to_string()),
    ];
    for (name, document, kind) in files {
        let Some(document) = document else { continue };
        let from = if found.downloaded.contains(kind) { "downloaded" } else { "from the cache" };
        let size = bytes(document.len() as u64);
        rows.push(("file", format!("{} {DIM}{size}, {from}{DIM:#}", options.out.join(name).display())));
    }
    if let Some(error) = &found.crl_not_renewed {
        rows.push(("crl", format!("{WARN}still valid, but could not be renewed{WARN:#}: {error}")));
    }
    let (report, out) = (options.report.display(), options.out.display());
    rows.push(("try it", format!("quoth-verify evidence {report} --certs {out}")));
    rows.iter().map(|(name, value)| format!("{DIM}{name:<9}{DIM:#} {value}\n")).collect()
}

/// Reads a report. Reads one byte more than a report has, which shows that a longer file is not a report.
fn read(path: &Path) -> Result<Vec<u8>, HostError> {
    let mut report = Vec::new();
    let read = File::open(path).and_then(|file| file.take(REPORT + 1).read_to_end(&mut report));
    read.map_err(HostError::file(path)).map(|_| report)
}
