//! What several integration tests share.

use std::path::{Path, PathBuf};

/// A file or folder of real data: below the folder that `THERMOCLINE_TEST_DATA` names, or else below the one
/// that lies beside a checkout. `None`, said on stderr, where there is none: the test is then skipped.
#[allow(clippy::print_stderr, reason = "a test that was skipped says so")]
pub(crate) fn real_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("THERMOCLINE_TEST_DATA").map(PathBuf::from).or_else(|| {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
        beside.map(|folder| folder.join("shared").join("data")).find(|data| data.is_dir())
    });
    let path = root.map(|root| root.join(name)).filter(|path| path.exists());
    if path.is_none() {
        eprintln!("skipped: there is no real data {name}; THERMOCLINE_TEST_DATA names the folder that holds it");
    }
    path
}
