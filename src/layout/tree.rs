//! A YAML document as a tree whose every node knows its place, so that a schema can report all problems at once.
//!
//! What a hostile file could cost is bounded before it costs: size, depth, and the number of nodes after aliases and
//! merges. Aliases share their target; nothing is copied.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag};

use super::habit;
use super::problem::{Report, Span, Spanned};

/// Larger files are refused unread.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// Deeper documents are refused, aliases counted in.
pub(crate) const MAX_DEPTH: usize = 64;
/// Documents of more nodes, aliases and merges written out, are refused.
pub(crate) const MAX_NODES: usize = 500_000;

/// A node of the document.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) span: Span,
    pub(crate) value: Value,
    /// Nodes in it, itself included, aliases written out.
    weight: usize,
    /// Levels below it, itself included.
    depth: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Tree>>),
    Map(Vec<Entry>),
}

/// A scalar as text; what it means depends on the key that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Spanned<String>,
    pub(crate) value: Rc<Tree>,
}

impl Scalar {
    /// Nothing, `~` or `null`, unquoted.
    pub(crate) fn is_null(&self) -> bool {
        !self.quoted && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Tree {
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_null())
    }

    /// The value of a key; the first one, where a key was written twice.
    pub(crate) fn get(&self, key: &str) -> Option<&Rc<Tree>> {
        self.entries().iter().find(|entry| entry.key.value == key).map(|entry| &entry.value)
    }

    /// The entries of a mapping; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; anything else but null is a list of one.
    pub(crate) fn elements(self: &Rc<Tree>) -> &[Rc<Tree>] {
        match &self.value {
            Value::List(elements) => elements,
            _ if self.is_null() => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar(scalar) if scalar.is_null() => "nothing".to_owned(),
            Value::Scalar(scalar) => format!("`{}`", shorten(&scalar.text)),
        }
    }
}

/// At most 60 characters, on one line.
pub(crate) fn shorten(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    match text.chars().count() {
        0..=60 => text.chars().map(clean).collect(),
        _ => text.chars().take(57).map(clean).chain("...".chars()).collect(),
    }
}

/// Reads the one document of a text. An empty text is a null.
pub(crate) fn parse(text: &str, source: usize) -> Result<Rc<Tree>, Report> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than a layout may have", text.len());
        return Err(Report::new(Span { source, start: 0, end: 0 }, message).expected("at most 1 MiB"));
    }
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        emit_unresolved_aliases: true,
    };
    let mut builder = Builder { source, text_len: text.len(), ..Builder::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| builder.syntax(text, &error))?;
        let range = span.byte_range().unwrap_or(text.len()..text.len());
        let end = range.end.min(text.len()).max(range.start);
        builder.event(event, Span { source, start: range.start.min(text.len()), end })?;
    }
    let nothing = Span { source, start: 0, end: 0 };
    Ok(builder.document.unwrap_or_else(|| Rc::new(null(nothing))))
}

fn null(span: Span) -> Tree {
    Tree { span, value: Value::Scalar(Scalar { text: String::new(), quoted: false }), weight: 1, depth: 1 }
}

/// A collection that is not yet closed.
#[derive(Debug)]
struct Open {
    span: Span,
    anchor: usize,
    kind: OpenKind,
    weight: usize,
    depth: usize,
}

#[derive(Debug)]
enum OpenKind {
    List(Vec<Rc<Tree>>),
    Map { entries: Vec<Entry>, key: Option<Spanned<String>>, merged: Vec<Entry> },
}

#[derive(Debug, Default)]
struct Builder {
    source: usize,
    text_len: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Tree>>,
    document: Option<Rc<Tree>>,
}

impl Builder {
    fn syntax(&self, text: &str, error: &ScanError) -> Report {
        let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
        let step =
            text.get(start..).and_then(|rest| rest.chars().next()).filter(|c| *c != '\n').map_or(0, char::len_utf8);
        let span = Span { source: self.source, start, end: start + step };
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return too_deep(span);
        }
        let line = text[..start].matches('\n').count();
        if let Some((at, length, what, hint)) = habit::invisible(text, line) {
            return Report::new(Span { start: at, end: at + length, ..span }, format!("not valid YAML: {what}"))
                .hint(hint);
        }
        let report = Report::new(span, format!("not valid YAML: {}", error.info()));
        match habit::open_bracket(text, start) {
            Some((at, bracket)) if text[at..start].contains('\n') => {
                let span = Span { start: at, end: at + 1, ..span };
                let close = if bracket == '{' { '}' } else { ']' };
                Report::new(span, format!("not valid YAML: `{bracket}` is not closed")).expected(format!("`{close}`"))
            }
            _ => report,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Report> {
        match event {
            Event::DocumentStart(..) if self.document.is_some() => {
                Err(Report::new(span, "a second document begins here").expected("one document in a file"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain || is_string(tag.as_deref(), span)?;
                let value = Value::Scalar(Scalar { text: text.into_owned(), quoted });
                self.close(Rc::new(Tree { span, value, weight: 1, depth: 1 }), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_tag(tag.as_deref(), &["seq"], span)?;
                self.begin(span, anchor, OpenKind::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_tag(tag.as_deref(), &["map"], span)?;
                self.begin(span, anchor, OpenKind::Map { entries: Vec::new(), key: None, merged: Vec::new() })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(id) => match self.anchors.get(&id) {
                Some(target) => self.close(aliased(target, span), 0),
                None => Err(Report::new(span, "this alias stands inside of what it names")),
            },
            Event::UnresolvedAlias(name) => {
                Err(Report::new(span, format!("unknown alias `*{name}`")).expected("an anchor `&name` above it"))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, kind: OpenKind) -> Result<(), Report> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.open.push(Open { span, anchor, kind, weight: 1, depth: 1 });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Report> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let span = Span { end: end.end.max(open.span.end).min(self.text_len), ..open.span };
        let value = match open.kind {
            OpenKind::List(elements) => Value::List(elements),
            OpenKind::Map { mut entries, merged, .. } => {
                if !merged.is_empty() {
                    let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.value.clone()).collect();
                    entries.extend(merged.into_iter().filter(|entry| known.insert(entry.key.value.clone())));
                }
                Value::Map(entries)
            }
        };
        self.close(Rc::new(Tree { span, value, weight: open.weight, depth: open.depth }), open.anchor)
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, tree: Rc<Tree>, anchor: usize) -> Result<(), Report> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&tree));
        }
        let level = self.open.len();
        let Some(open) = self.open.last_mut() else {
            self.document = Some(tree);
            return Ok(());
        };
        open.weight = open.weight.saturating_add(tree.weight);
        open.depth = open.depth.max(tree.depth + 1);
        if open.weight > MAX_NODES {
            let message = format!("with its aliases written out this holds more than {MAX_NODES} values");
            return Err(Report::new(tree.span, message));
        }
        if level + tree.depth > MAX_DEPTH + 1 {
            return Err(too_deep(tree.span));
        }
        match &mut open.kind {
            OpenKind::List(elements) => elements.push(tree),
            OpenKind::Map { entries, key, merged } => match key.take() {
                None => *key = Some(key_of(&tree)?),
                Some(key) if key.value == "<<" => merge(&tree, merged)?,
                Some(key) => entries.push(Entry { key, value: tree }),
            },
        }
        Ok(())
    }
}

/// The target of an alias with the place of the alias: what is wrong in it is reported where it was written, and what
/// is wrong with using it here is reported here.
fn aliased(target: &Rc<Tree>, span: Span) -> Rc<Tree> {
    match &target.value {
        Value::Scalar(_) => Rc::new(Tree { span, ..(**target).clone() }),
        _ => Rc::clone(target),
    }
}

fn key_of(tree: &Tree) -> Result<Spanned<String>, Report> {
    match &tree.value {
        Value::Scalar(scalar) => Ok(Spanned::new(scalar.text.clone(), tree.span)),
        _ => Err(Report::new(tree.span, format!("{} is no key", tree.describe())).expected("a word")),
    }
}

/// `<<: *a` and `<<: [*a, *b]`; of a key that comes twice, the first stays (see [`Builder::end`]).
fn merge(tree: &Rc<Tree>, merged: &mut Vec<Entry>) -> Result<(), Report> {
    for part in tree.elements() {
        if !matches!(part.value, Value::Map(_)) {
            return Err(Report::new(part.span, format!("{} cannot be merged", part.describe()))
                .expected("an alias of a mapping"));
        }
        merged.extend(part.entries().iter().cloned());
    }
    Ok(())
}

fn too_deep(span: Span) -> Report {
    Report::new(span, "this is nested too deeply").expected(format!("at most {MAX_DEPTH} levels"))
}

/// Whether a scalar's tag says that it is text.
fn is_string(tag: Option<&Tag>, span: Span) -> Result<bool, Report> {
    refuse_tag(tag, &["str", "int", "float", "bool", "null"], span)?;
    Ok(tag.and_then(Tag::core_suffix) == Some("str"))
}

fn refuse_tag(tag: Option<&Tag>, known: &[&str], span: Span) -> Result<(), Report> {
    match tag {
        Some(tag) if !tag.core_suffix().is_some_and(|suffix| known.contains(&suffix)) => {
            Err(Report::new(span, format!("the tag `{}` means nothing here", shorten(&tag.original()))))
        }
        _ => Ok(()),
    }
}
