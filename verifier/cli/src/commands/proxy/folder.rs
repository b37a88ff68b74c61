//! The folder of `--transcripts`: one file for each exchange, named by time and id.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quoth_attestation::ExchangeId;
use quoth_attestation::transcript::Transcript;

use super::failure::Failure;
use crate::error::CliError;
use crate::files;

#[derive(Clone)]
pub(super) struct Folder(Arc<Path>);

impl Folder {
    /// Creates the folder if necessary and checks that it is writable, before the first answer needs it.
    pub(super) fn new(path: &Path) -> Result<Self, CliError> {
        let failed = |source| CliError::File { file: path.into(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        tempfile::NamedTempFile::new_in(path).map_err(failed)?;
        Ok(Self(path.into()))
    }

    pub(super) async fn proven(&self, cti: ExchangeId, transcript: Transcript) -> Result<(), Failure> {
        self.write(cti, "", transcript).await
    }

    /// Writes a cut stream up to the cut; its checkpoints prove that part.
    pub(super) async fn cut(&self, cti: ExchangeId, transcript: Transcript) -> Result<(), Failure> {
        self.write(cti, ".cut", transcript).await
    }

    async fn write(&self, cti: ExchangeId, kind: &str, transcript: Transcript) -> Result<(), Failure> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{}-{}{kind}.transcript.json", stamp(since), cti);
        let (path, file) = (self.0.join(&name), PathBuf::from(name));
        let write = move || files::write_private(&path, transcript.encode().as_bytes());
        let failed = |error| CliError::File { file, source: std::io::Error::other(error) };
        tokio::task::spawn_blocking(write).await.map_err(failed).flatten().map_err(Failure::Unsaved)
    }
}

/// Formats a time since 1970 as `20260419T105742.123Z`, so files sort by it.
fn stamp(since: Duration) -> String {
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{:03}Z", since.subsec_millis())
}

/// Converts days since 1970 to year, month and day. Counts in eras of 400 years that start in March, so that the leap day is
/// the last day of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        for (millis, text) in [
            (0, "19700101T000000.000Z"),
            (951_782_400_000, "20000229T000000.000Z"),
            (1_709_164_799_999, "20240228T235959.999Z"),
            (1_709_251_200_000, "20240301T000000.000Z"),
            (1_735_689_599_001, "20241231T235959.001Z"),
            (4_107_542_400_000, "21000301T000000.000Z"),
        ] {
            assert_eq!(stamp(Duration::from_millis(millis)), text);
        }
    }
}
