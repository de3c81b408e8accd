//! Problems of a layout, drawn with their lines: file, line, column, underline, what was expected, what to do.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::layout::Problem;

/// Draws all problems of a file; `level` is `error` or `warning`.
pub fn draw(problems: &[Problem], level: &str, colour: bool) -> String {
    let renderer = match colour {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let drawn: Vec<String> = problems.iter().map(|problem| draw_one(&renderer, problem, level)).collect();
    drawn.join("\n\n")
}

fn draw_one(renderer: &Renderer, problem: &Problem, level: &str) -> String {
    let level = match level {
        "warning" => Level::WARNING,
        _ => Level::ERROR,
    };
    let path = problem.file.display().to_string();
    let title = level.primary_title(problem.message.as_str());
    // Of a line that was cut the place says more than the part of it that is left.
    let beyond = problem.column as usize > problem.line_text.chars().count() + 1;
    let place = format!("{path}:{}:{}", problem.line, problem.column);
    let mut group = if problem.line == 0 {
        title.element(annotate_snippets::Origin::path(path))
    } else if beyond {
        title.element(annotate_snippets::Origin::path(place))
    } else {
        let start = byte_of(&problem.line_text, problem.column.saturating_sub(1) as usize);
        let end = byte_of(&problem.line_text, (problem.column.saturating_sub(1) + problem.length) as usize);
        let expected = problem.expected.as_ref().map(|expected| format!("expected {expected}"));
        let annotation = AnnotationKind::Primary.span(start..end.max(start)).label(expected);
        let snippet = Snippet::source(problem.line_text.as_str()).line_start(problem.line as usize).path(path);
        title.element(snippet.annotation(annotation))
    };
    if let (true, Some(expected)) = (problem.line == 0 || beyond, &problem.expected) {
        group = group.element(Level::NOTE.message(format!("expected {expected}")));
    }
    if let Some(hint) = &problem.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// The byte at which a character of a line begins; the line's end for one beyond it.
fn byte_of(line: &str, character: usize) -> usize {
    line.char_indices().nth(character).map_or(line.len(), |(byte, _)| byte)
}
