//! Downloads inputs and checks their hashes.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Input;
use crate::error::ImageError;
use crate::tool;

/// Time limits for the connection and for the whole download, seconds.
const CONNECT: u64 = 30;
const WHOLE: u64 = 1800;

/// Returns the file in `folder`. Downloads it from the first mirror that has it, if needed.
pub(super) fn get(input: &Input, mirrors: &[&str], folder: &Path) -> Result<PathBuf, ImageError> {
    let name = input.path.rsplit('/').next().unwrap_or_default();
    let file = folder.join(format!("{}-{name}", &input.sha256[..16]));
    if is(input, &file) {
        return Ok(file);
    }
    fs::create_dir_all(folder).map_err(ImageError::at(folder))?;
    let mut failed = None;
    for mirror in mirrors {
        match fetch(input, mirror, folder, &file) {
            Ok(()) => return Ok(file),
            // The error of the first mirror is the most helpful one.
            Err(error @ ImageError::Fetch { .. }) => _ = failed.get_or_insert(error),
            Err(error) => return Err(error),
        }
    }
    Err(failed.unwrap_or_else(|| ImageError::Lock(format!("no mirror for {name}"))))
}

fn fetch(input: &Input, mirror: &str, folder: &Path, file: &Path) -> Result<(), ImageError> {
    let draft = tempfile::Builder::new().prefix(".fetching-").tempfile_in(folder).map_err(ImageError::at(folder))?;
    let url = format!("{}/{}", mirror.trim_end_matches('/'), input.path);
    let mut curl = tool::command("curl");
    curl.args(["--fail", "--silent", "--show-error", "--location"]);
    curl.args(["--connect-timeout", &CONNECT.to_string(), "--max-time", &WHOLE.to_string()]);
    curl.args(["--max-filesize", &input.size.to_string(), "--output"]).arg(draft.path()).arg(&url);
    tool::run(curl, "curl").map_err(|error| match error {
        ImageError::Tool { said, .. } => ImageError::Fetch { url: url.clone(), problem: said },
        other => other,
    })?;
    if !is(input, draft.path()) {
        return Err(ImageError::Fetch { url, problem: "the bytes differ from the hash in the lock".into() });
    }
    draft.persist(file).map_err(|error| ImageError::at(file)(error.error))?;
    Ok(())
}

/// Returns whether a file has the input's size and hash.
fn is(input: &Input, file: &Path) -> bool {
    let digest = || {
        let mut file = File::open(file)?;
        if file.metadata()?.len() != input.size {
            return Ok(None);
        }
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok::<_, std::io::Error>(Some(hex::encode(hash.finalize()))),
                count => hash.update(&buffer[..count]),
            }
        }
    };
    digest().is_ok_and(|digest| digest.as_ref() == Some(&input.sha256))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    const BYTES: &[u8] = b"a package";

    fn input() -> Input {
        Input {
            name: "p".into(),
            package: "p".into(),
            suite: "s".into(),
            release: "1".into(),
            path: "pool/main/p/p_1_all.deb".into(),
            size: BYTES.len() as u64,
            sha256: hex::encode(Sha256::digest(BYTES)),
        }
    }

    /// Starts a mirror that answers once.
    fn mirror(status: &'static str, body: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let count = stream.read(&mut asked).unwrap();
            assert!(asked[..count].starts_with(b"GET /debian/pool/main/p/p_1_all.deb HTTP/1.1\r\n"));
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).unwrap();
            stream.write_all(body).unwrap();
        });
        format!("http://{address}/debian/")
    }

    #[test]
    fn what_comes_is_what_the_lock_names_and_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = get(&input(), &[&mirror("200 OK", BYTES)], folder.path()).unwrap();
        assert_eq!(fs::read(&file).unwrap(), BYTES);
        // No mirror is asked again while the cached file is intact.
        assert_eq!(get(&input(), &["http://127.0.0.1:1"], folder.path()).unwrap(), file);
        fs::write(&file, b"b package").unwrap();
        assert!(get(&input(), &["http://127.0.0.1:1"], folder.path()).is_err());
    }

    #[test]
    fn what_a_mirror_no_longer_has_comes_from_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let (gone, archive) = (mirror("404 Not Found", b""), mirror("200 OK", BYTES));
        assert_eq!(fs::read(get(&input(), &[&gone, &archive], folder.path()).unwrap()).unwrap(), BYTES);
        let folder = tempfile::tempdir().unwrap();
        let (gone, gone_too) = (mirror("404 Not Found", b""), mirror("410 Gone", b""));
        let error = get(&input(), &[&gone, &gone_too], folder.path()).unwrap_err().to_string();
        assert!(error.contains("404") && error.contains("quoth-images lock"), "{error}");
    }

    #[test]
    fn anything_else_is_refused_and_not_kept() {
        for (status, body) in
            [("200 OK", &b"b package"[..]), ("200 OK", b"a pack"), ("200 OK", b"a package and more"), ("404 No", BYTES)]
        {
            let folder = tempfile::tempdir().unwrap();
            let error = get(&input(), &[&mirror(status, body)], folder.path()).unwrap_err();
            assert!(matches!(error, ImageError::Fetch { .. }), "{error}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{status}");
        }
    }
}
