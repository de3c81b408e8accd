//! The same work on many hosts at once.

use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt};

use super::host::Host;

/// Runs `work` on every host, at most `width` at once, and yields each result as it completes: exactly one per host, in
/// the order of completion. A host that hangs delays only its own result, by its own deadlines.
pub fn each<'a, T, Work, Done>(
    hosts: &'a [Arc<dyn Host>],
    width: usize,
    mut work: Work,
) -> impl Stream<Item = (Arc<dyn Host>, T)> + 'a
where
    Work: FnMut(Arc<dyn Host>) -> Done + 'a,
    Done: Future<Output = T> + 'a,
    T: 'a,
{
    let started = hosts.iter().map(move |host| {
        let result = work(host.clone());
        async move { (host.clone(), result.await) }
    });
    stream::iter(started).buffer_unordered(width.max(1))
}
