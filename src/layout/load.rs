//! The one way from a layout's text to a checked model.

use std::net::IpAddr;
use std::path::Path;

use super::problem::{Problem, Problems, Sources};
use super::spec::LayoutSpec;
use super::{Layout, expand, validate, yaml};

/// What a layout has to ask the machine that reads it; this room itself opens nothing.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The address of a host name, IPv4 first, as the system's resolver has it; never asked about addresses or `localhost`.
    pub resolve: &'a dyn Fn(&str) -> Option<IpAddr>,
    /// Whether an address belongs to this machine; never asked about loopback addresses.
    pub is_local: &'a dyn Fn(IpAddr) -> bool,
}

/// A layout without problems, and what may be worth a look.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Checked and expanded.
    pub layout: Layout,
    /// In the order of the file.
    pub warnings: Vec<Problem>,
}

/// Reads a layout file. `origin` is the file's name: it gives the cluster its default name and stands in each problem.
/// All problems of the file come back together, in its order.
///
/// # Errors
/// All problems, at least one, each with its place, what was expected and the nearest known word. Warnings are no
/// errors.
pub fn load(text: &str, origin: &Path, env: &Environment<'_>) -> Result<Loaded, Vec<Problem>> {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let source = sources.add(origin, text);
    let spec = yaml::read(text, source, &mut problems);
    finish(spec, origin, env, &sources, problems)
}

/// From what was typed to the model: the same for all ways in. Without a spec there are problems.
pub(crate) fn finish(
    spec: Option<LayoutSpec>,
    origin: &Path,
    env: &Environment<'_>,
    sources: &Sources,
    mut problems: Problems,
) -> Result<Loaded, Vec<Problem>> {
    let layout = spec.map(|spec| {
        let mut expanded = expand::expand(&spec, origin, env, &mut problems);
        validate::validate(&spec, &expanded, &mut problems);
        for (host, span) in expanded.layout.hosts.iter_mut().zip(&expanded.host_spans) {
            host.line = if spec.hosts.is_empty() { 0 } else { sources.line(*span) };
        }
        let mut layout = expanded.layout;
        layout.hosts.retain(|host| layout.nodes.iter().any(|node| node.host == host.name));
        layout
    });
    let (problems, warnings) = problems.finish(sources);
    match layout {
        Some(layout) if problems.is_empty() => Ok(Loaded { layout, warnings }),
        _ => Err(problems),
    }
}
