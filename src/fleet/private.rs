//! Folders for sockets that nobody else may open.

use std::io;
use std::path::Path;

use tempfile::TempDir;

/// Below this length the path of a folder leaves room for a socket's name in it, and for what `ssh` adds to that while it
/// makes one (17 characters; a path has 107 bytes at most, unix(7)).
const SHORT: usize = 60;

/// A new folder of mode 0700 with a short path, plain enough for `ssh` to take it as it is. It goes away with the value.
pub(super) fn folder() -> io::Result<TempDir> {
    let usual = std::env::temp_dir();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
    let fits = usual.is_dir() && usual.to_str().is_some_and(|path| path.len() <= SHORT && path.chars().all(is_plain));
    // Mode 0700 is what `tempdir_in` makes.
    tempfile::Builder::new().prefix("zc-").tempdir_in(if fits { &usual } else { Path::new("/tmp") })
}
