//! What a plan may hold, as data: unknown keys, wrong types and values, what is for a later
//! version, the JSON Schema and the reference in docs/plan.md all follow from these tables.

mod authority;
pub(crate) mod balance;
pub(crate) mod events;
pub(crate) mod format;
pub(crate) mod gateway;
pub(crate) mod resilience;
pub(crate) mod route;
mod service;
pub(crate) mod site;
pub(crate) mod tables;

use crate::code::Code;

/// A TOML table whose keys are known.
pub(crate) struct Table {
    pub(crate) keys: &'static [Key],
    /// Keys of which exactly one must be there.
    pub(crate) one_of: &'static [&'static str],
    /// Keys of each of which at most one may be there.
    pub(crate) exclusive: &'static [&'static [&'static str]],
}

/// One key of a table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// What it does, in a sentence.
    pub(crate) doc: &'static str,
    /// What holds without it, as TOML or in words.
    pub(crate) default: Option<&'static str>,
    pub(crate) required: bool,
    /// The key without which this one means nothing.
    pub(crate) needs: Option<&'static str>,
    pub(crate) status: Status,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Now,
    /// Refused as "not in this version".
    Later,
}

/// What a value looks like.
pub(crate) enum Shape {
    Text(&'static Format),
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    /// One of these.
    OneOf(&'static [i64]),
    Boolean,
    /// `false`, which stands for none.
    False,
    Choice(&'static [Choice]),
    List(&'static Shape),
    /// The same, with at least one element.
    NonEmptyList(&'static Shape),
    Table(&'static Table),
    /// A table whose keys are the user's.
    Named {
        key: &'static Format,
        value: &'static Shape,
        case: Case,
    },
    Either(&'static [Shape]),
    /// A string that is split as a shell would, or an array of words.
    Command,
    /// A value that a later version will take.
    LaterTable,
}

/// Whether keys that differ by case only are two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Counts,
    /// They are one, as names of headers are.
    Ignored,
}

/// One of a few words.
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) status: Status,
}

/// What the text of a string must be.
pub(crate) struct Format {
    /// "a duration like \"2s\"".
    pub(crate) expected: &'static str,
    pub(crate) check: fn(&str) -> Result<(), Flaw>,
    pub(crate) code: Code,
    /// A regular expression for the schema.
    pub(crate) pattern: Option<&'static str>,
}

/// Why a text is not what it must be. The text itself is not in it: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is nothing of the kind, for this reason (may be empty).
    Wrong(String),
    /// A later version will take it.
    Later,
}

impl Key {
    pub(crate) const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self {
            name,
            shape,
            doc,
            default: None,
            required: false,
            needs: None,
            status: Status::Now,
        }
    }

    pub(crate) const fn later(name: &'static str) -> Self {
        let mut key = Self::new(name, Shape::LaterTable, "");
        key.status = Status::Later;
        key
    }

    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn needs(mut self, other: &'static str) -> Self {
        self.needs = Some(other);
        self
    }
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of the keys that can be used.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        let now = self.keys.iter().filter(|key| key.status == Status::Now);
        now.map(|key| key.name)
    }
}

impl Shape {
    /// "a duration like \"2s\" or `false`": what messages say was expected.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text(format) => format.expected.to_owned(),
            Self::Integer { min: i64::MIN, .. } => "a whole number".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::OneOf(numbers) => join_or(numbers.iter().map(i64::to_string)),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::False => "`false`".to_owned(),
            Self::Choice(choices) => {
                let now = choices.iter().filter(|c| c.status == Status::Now);
                join_or(now.map(|c| format!("\"{}\"", c.word)))
            }
            Self::List(_) | Self::NonEmptyList(_) => {
                format!("an array, each element {}", self.element().expected())
            }
            Self::Table(table) => {
                let names: Vec<_> = table.names().collect();
                format!("a table with {}", names.join(", "))
            }
            Self::Named { .. } => "a table".to_owned(),
            Self::Either(shapes) => {
                let now = shapes.iter().filter(|s| !matches!(s, Self::LaterTable));
                join_or(now.map(Self::expected))
            }
            Self::Command => "a command, as a string or an array of words".to_owned(),
            Self::LaterTable => "nothing in this version".to_owned(),
        }
    }

    fn element(&self) -> &'static Shape {
        match self {
            Self::List(element) | Self::NonEmptyList(element) => element,
            _ => &Self::Boolean,
        }
    }
}

pub(crate) fn join_or(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
