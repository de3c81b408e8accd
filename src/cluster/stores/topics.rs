//! On which topics a store's messages travel. Zeek's nodes subscribe to none of them.

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// Whoever is the master.
    Master,
    /// All clones; masters hear it too, to find out about each other.
    Clones,
    /// The node with this id.
    One(Vec<u8>),
}

/// `zeek-cluster/store/NAME/master`, `…/clones` or `…/to/NODE-ID`. Subscriptions match prefixes and a name may hold a `/`: a
/// receiver compares the whole topic.
pub fn topic(store: &str, to: &To) -> Vec<u8> {
    let mut topic = format!("zeek-cluster/store/{store}/").into_bytes();
    match to {
        To::Master => topic.extend(b"master"),
        To::Clones => topic.extend(b"clones"),
        To::One(id) => {
            topic.extend(b"to/");
            topic.extend(id);
        }
    }
    topic
}
