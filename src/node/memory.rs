//! Keeps an idle node small.

/// One heap for the few threads of a node: glibc would give each thread its own, and none ever returns what it took.
/// Called before the first thread starts.
pub(super) fn use_one_heap() {
    // SAFETY: mallopt only sets a number inside the allocator, and no other thread runs yet.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
