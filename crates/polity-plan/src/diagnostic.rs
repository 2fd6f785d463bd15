//! What is wrong with a plan, or risky about it: where, what was expected, and how to mend it.

use std::fmt;
use std::ops::Range;

use crate::code::Code;

/// A range of bytes of the plan's text.
pub type Span = Range<usize>;

/// The most diagnostics kept of one file: beyond, nobody reads, and a hostile file costs memory.
pub const MAX_DIAGNOSTICS: usize = 1000;

/// Whether the plan can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No.
    Error,
    /// Yes.
    Warning,
}

/// One finding. Its texts never hold a value that came from the environment, from `env` or from
/// a URL: they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its cause.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub label: Label,
    /// Other places that have to do with it.
    pub others: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
}

/// A place in the plan's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which bytes.
    pub span: Span,
    /// What about them; may be empty.
    pub text: String,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, message: impl Into<String>, span: Span) -> Self {
        Self {
            code,
            message: message.into(),
            label: Label {
                span,
                text: String::new(),
            },
            others: Vec::new(),
            help: None,
        }
    }

    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        self.label.text = text.into();
        self
    }

    pub(crate) fn other(mut self, span: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        self.others.push(Label { span, text });
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// The same with `help` where there is one.
    pub(crate) fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    /// Whether the plan can be used in spite of it.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Collects findings, up to [`MAX_DIAGNOSTICS`].
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
}

impl Findings {
    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        if !self.full() {
            self.list.push(diagnostic);
        }
    }

    /// Whether whatever is added will not be kept.
    pub(crate) fn full(&self) -> bool {
        self.list.len() >= MAX_DIAGNOSTICS
    }

    pub(crate) fn has_error(&self) -> bool {
        self.list.iter().any(|d| d.severity() == Severity::Error)
    }

    /// Keeps those for which `keep` holds.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.list.retain(keep);
    }

    /// All of them, errors and warnings together, in the order of the file.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|d| (d.label.span.start, d.code));
        self.list
    }
}

/// "did you mean `x`?" for the candidate nearest to `written`, if any is near.
pub(crate) fn did_you_mean<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(written, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// The candidate nearest to `written`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const LONGEST: usize = 64;
    const CANDIDATES: usize = 1000;
    if written.len() > LONGEST {
        return None;
    }
    let written = written.to_lowercase();
    let allowed = (written.chars().count() / 3).max(1);
    let near = |name: &&str| {
        let distance = strsim::damerau_levenshtein(&written, name);
        let prefix =
            written.len() >= 3 && (name.starts_with(&written) || written.starts_with(*name));
        (distance <= allowed || prefix).then_some(distance)
    };
    let scored = candidates
        .into_iter()
        .take(CANDIDATES)
        .filter_map(|name| near(&name).map(|distance| (distance, name)));
    scored
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
