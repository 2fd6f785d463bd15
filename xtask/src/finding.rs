//! What a check found: where, what, and how to mend it.

use std::fmt;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the workspace.
    pub(crate) path: String,
    /// From 1; 0 where the file as a whole is meant.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) remedy: String,
    /// Whether it fails the run.
    pub(crate) severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Error,
    /// Worth knowing, and often not ours to mend.
    Note,
}

impl Finding {
    pub(crate) fn new(
        path: &str,
        line: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
            remedy: remedy.into(),
            severity: Severity::Error,
        }
    }

    pub(crate) fn note(self) -> Self {
        Self {
            severity: Severity::Note,
            ..self
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            message,
            remedy,
            severity,
        } = self;
        let kind = match severity {
            Severity::Error => "",
            Severity::Note => "note: ",
        };
        match line {
            0 => write!(f, "{path}: {kind}{message}\n    {remedy}"),
            line => write!(f, "{path}:{line}: {kind}{message}\n    {remedy}"),
        }
    }
}
