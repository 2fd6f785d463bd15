//! Diagnostics for people, as rustc shows them, and for machines.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::diagnostic::{Diagnostic, Severity};
use crate::mask::mask;

/// The most diagnostics shown at once to people; the rest are counted.
const MAX_SHOWN: usize = 50;

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// None.
    Plain,
    /// ANSI colours.
    Colour,
}

/// A diagnostic with its place as a person counts it; serialises for `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// "P0101".
    pub code: String,
    /// "error" or "warning".
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// What about the place.
    pub label: String,
    /// The plan's path as given.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What to do.
    pub help: Option<String>,
}

/// Each diagnostic with file, line and column.
pub fn locate(diagnostics: &[Diagnostic], name: &str, text: &str) -> Vec<Located> {
    let located = |diagnostic: &Diagnostic| {
        let (line, column) = position(text, diagnostic.label.span.start);
        Located {
            code: diagnostic.code.to_string(),
            severity: diagnostic.severity().to_string(),
            message: diagnostic.message.clone(),
            label: diagnostic.label.text.clone(),
            file: name.to_owned(),
            line,
            column,
            help: diagnostic.help.clone(),
        }
    };
    diagnostics.iter().map(located).collect()
}

/// All diagnostics as text: file, line, column, the line as written with secrets masked, what was
/// expected, what to do. Ends in a newline unless there is nothing to say.
pub fn render(diagnostics: &[Diagnostic], name: &str, text: &str, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let masked = mask(text);
    let mut rendered = String::new();
    for diagnostic in diagnostics.iter().take(MAX_SHOWN) {
        rendered.push_str(&one(diagnostic, name, &masked, &renderer));
        rendered.push_str("\n\n");
    }
    if let Some(hidden) = diagnostics.len().checked_sub(MAX_SHOWN).filter(|n| *n > 0) {
        rendered.push_str(&format!("and {hidden} more\n"));
    }
    rendered
}

fn one(diagnostic: &Diagnostic, name: &str, masked: &str, renderer: &Renderer) -> String {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let label = &diagnostic.label;
    let primary = AnnotationKind::Primary.span(first_line(masked, &label.span));
    let mut snippet = Snippet::source(masked)
        .path(name)
        .annotation(primary.label(label.text.as_str()));
    for other in &diagnostic.others {
        let context = AnnotationKind::Context.span(first_line(masked, &other.span));
        snippet = snippet.annotation(context.label(other.text.as_str()));
    }
    let code = diagnostic.code.to_string();
    let title = level.primary_title(diagnostic.message.as_str()).id(code);
    let mut group = title.element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The part of a span on its first line: what is wrong with a table is said at its head.
fn first_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor(text, span.start);
    let end = floor(text, span.end.max(start));
    let line = text[start..end]
        .find('\n')
        .map_or(end, |length| start + length);
    start..line
}

fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..floor(text, offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
