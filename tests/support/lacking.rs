//! Tests that need what this machine does not have. Also used by the tests in `src/`.

/// Says that a test is ignored, and why.
///
/// # Panics
/// Where `CI` is set: there everything is to be installed (`tests/run`), and a test that did nothing must not pass.
pub fn ignored(reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value.is_empty()), "cannot run, and CI is set: {reason}");
    println!("ignored: {reason}");
}
