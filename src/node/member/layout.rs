//! A layout from its file or text, for programs.

use std::path::Path;

use super::error::LayoutError;
use crate::layout::{self, Environment, Layout};
use crate::node::environment;

/// Layouts above this size are refused before they are read.
const MAX_BYTES: u64 = 1 << 20;

/// Reads and checks a layout in YAML; host names are looked up with the system's resolver. Blocks, for some seconds when a
/// name server is away.
///
/// # Errors
/// An unreadable file, or all problems of the layout together.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("cluster.yaml");
/// std::fs::write(&path, "nodes:\n  manager: { type: manager }\n  worker: { type: worker, count: 2 }\n")?;
/// let layout = zeek_cluster::read_layout(&path)?;
/// let names: Vec<&str> = layout.nodes.iter().map(|node| node.name.as_str()).collect();
/// assert_eq!(names, ["manager", "worker-1", "worker-2"]);
/// # Ok(())
/// # }
/// ```
pub fn read_layout(path: impl AsRef<Path>) -> Result<Layout, LayoutError> {
    let path = path.as_ref();
    let unreadable = |source| LayoutError::File { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > MAX_BYTES {
        return Err(LayoutError::TooLarge { path: path.to_owned(), bytes, most: MAX_BYTES });
    }
    parse_layout(&std::fs::read_to_string(path).map_err(unreadable)?, path)
}

/// As [`read_layout`], from a text. `origin` stands in each problem, and its last part without `.yaml` is the cluster's name
/// unless the layout gives one.
///
/// # Errors
/// All problems of the layout together.
///
/// ```
/// let wrong = zeek_cluster::parse_layout("nodes:\n  manager: { type: manger }\n", "campus.yaml").unwrap_err();
/// assert!(wrong.to_string().starts_with("campus.yaml:2:20: "), "{wrong}");
/// ```
pub fn parse_layout(text: &str, origin: impl AsRef<Path>) -> Result<Layout, LayoutError> {
    let environment = Environment { resolve: &environment::resolve, is_local: &environment::is_local };
    layout::load(text, origin.as_ref(), &environment).map(|loaded| loaded.layout).map_err(LayoutError::Problems)
}
