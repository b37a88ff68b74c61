//! Finds the enclave's program: the given one, or the one in this program's folder.
//!
//! There may be several builds of the engine. The one for the widest instruction set of this processor is chosen. The node
//! statement and the arithmetic in every receipt name the build.

use std::path::{Path, PathBuf};

use crate::HostError;

/// The program's name.
const NAME: &str = "quoth-enclave";

/// Returns the path of the program to start.
pub(crate) fn find(given: Option<PathBuf>) -> Result<PathBuf, HostError> {
    let path = match given {
        Some(path) => path,
        None => {
            let own = std::env::current_exe().map_err(HostError::system("finding this program"))?;
            widest(own.parent().unwrap_or(Path::new("")), has_v4())
        }
    };
    std::fs::canonicalize(&path).map_err(HostError::file(path))
}

fn widest(folder: &Path, has_v4: bool) -> PathBuf {
    let wide = folder.join(format!("{NAME}-x86-64-v4"));
    if has_v4 && wide.is_file() { wide } else { folder.join(NAME) }
}

/// Returns whether the processor has the instructions of the x86-64-v4 build.
fn has_v4() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_widest_build_that_can_run_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (narrow, wide) = (folder.path().join(NAME), folder.path().join("quoth-enclave-x86-64-v4"));
        assert_eq!(widest(folder.path(), true), narrow);
        std::fs::write(&wide, "").unwrap();
        assert_eq!(widest(folder.path(), true), wide);
        assert_eq!(widest(folder.path(), false), narrow);
    }

    #[test]
    fn a_given_program_is_taken_and_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("other");
        assert!(matches!(find(Some(file.clone())), Err(HostError::File { .. })));
        std::fs::write(&file, "").unwrap();
        assert_eq!(find(Some(file.clone())).unwrap(), std::fs::canonicalize(file).unwrap());
    }
}
