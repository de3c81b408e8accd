//! The resolved layout for eyes and for pipes.

use crate::layout::{self, Layout};

/// The layout as YAML with everything written out; reading it again gives the same layout.
pub fn layout_yaml(layout: &Layout) -> String {
    layout::to_yaml(layout)
}

/// The same as one JSON object, indented.
pub fn layout_json(layout: &Layout) -> String {
    let mut text = serde_json::to_string_pretty(&layout::to_value(layout)).expect("text keys and finite numbers only");
    text.push('\n');
    text
}
