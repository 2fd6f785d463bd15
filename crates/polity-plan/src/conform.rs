//! Holds the tree against the descriptors: keys, types and values, everything wrong at once.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::command::{self, Fault};
use crate::descriptor::{Case, Choice, Flaw, Format, Key, Shape, Status, Table, join_or};
use crate::diagnostic::{Diagnostic, Findings, Span, did_you_mean, nearest};
use crate::tree::{Entry, Node, Text, Value};

/// Reports whatever in `entries`, the whole file, is not as `table` says.
pub(crate) fn conform(
    entries: &[Entry],
    table: &'static Table,
    source: &str,
    findings: &mut Findings,
) {
    Conformer { source, findings }.table(entries, table, "", 0..0);
}

struct Conformer<'a> {
    source: &'a str,
    findings: &'a mut Findings,
}

impl Conformer<'_> {
    /// `path` is "service.orders" for messages, `place` where the table is named.
    fn table(&mut self, entries: &[Entry], table: &'static Table, path: &str, place: Span) {
        for entry in entries {
            match table.key(&entry.key) {
                None => self.unknown_key(entry, table, path),
                Some(key) if key.status == Status::Later => {
                    let what = format!("`{}` is not in this version", entry.key);
                    self.findings.add(
                        Diagnostic::new(Code::NotYet, what, entry.key_span.clone())
                            .label("a later version will have it")
                            .help("remove it"),
                    );
                }
                Some(key) => {
                    self.needed(entry, key, entries, table);
                    let path = join(path, &entry.key);
                    self.value(&entry.node, &key.shape, &path, &entry.key_span);
                }
            }
        }
        self.missing(entries, table, path, place);
        self.exclusive(entries, table, path);
    }

    fn unknown_key(&mut self, entry: &Entry, table: &'static Table, path: &str) {
        let place = match path {
            "" => "at the top of a plan".to_owned(),
            path => format!("in `{path}`"),
        };
        let names: Vec<_> = table.names().collect();
        let help = did_you_mean(&entry.key, names.iter().copied())
            .unwrap_or_else(|| format!("the keys here are {}", names.join(", ")));
        let message = format!("unknown key `{}` {place}", entry.key);
        self.findings.add(
            Diagnostic::new(Code::UnknownKey, message, entry.key_span.clone())
                .label("not a key here")
                .help(help),
        );
    }

    /// A key that means nothing without another.
    fn needed(&mut self, entry: &Entry, key: &Key, entries: &[Entry], table: &'static Table) {
        let Some(needs) = key.needs else { return };
        let has = |name: &str| entries.iter().find(|entry| entry.key == name);
        let instead = table.one_of.iter().filter(|name| **name != needs);
        let Some(instead) = instead
            .copied()
            .find_map(has)
            .filter(|_| has(needs).is_none())
        else {
            return;
        };
        let message = format!("`{}` means nothing without `{needs}`", entry.key);
        self.findings.add(
            Diagnostic::new(Code::Inapplicable, message, entry.key_span.clone())
                .other(
                    instead.key_span.clone(),
                    "with this, Polity does not run the service",
                )
                .help(format!("remove `{}`, or say `{needs}`", entry.key)),
        );
    }

    fn missing(&mut self, entries: &[Entry], table: &'static Table, path: &str, place: Span) {
        let has = |name: &str| entries.iter().any(|entry| entry.key == name);
        // A misspelt key is reported as such; that it is then missing is the same fault again.
        let unknown = entries.iter().filter(|e| table.key(&e.key).is_none());
        let meant: Vec<_> = unknown
            .filter_map(|entry| nearest(&entry.key, table.names()))
            .collect();
        let mut report = |names: &[&str]| {
            if names.iter().any(|name| has(name) || meant.contains(name)) {
                return;
            }
            let names = join_or(names.iter().map(|name| format!("`{name}`")));
            let message = format!("`{path}` lacks {names}");
            self.findings.add(
                Diagnostic::new(Code::Missing, message, place.clone())
                    .label(format!("expected {names} in this table")),
            );
        };
        if !table.one_of.is_empty() {
            report(table.one_of);
        }
        for key in table.keys.iter().filter(|key| key.required) {
            report(&[key.name]);
        }
    }

    fn exclusive(&mut self, entries: &[Entry], table: &'static Table, path: &str) {
        let rules = table.exclusive.iter().copied();
        for rule in rules.chain([table.one_of]) {
            let mut present = entries
                .iter()
                .filter(|entry| rule.contains(&entry.key.as_str()));
            let Some(first) = present.next() else {
                continue;
            };
            for other in present {
                let message = format!("`{path}` has both `{}` and `{}`", first.key, other.key);
                self.findings.add(
                    Diagnostic::new(Code::Exclusive, message, other.key_span.clone())
                        .label("one of the two is too many")
                        .other(first.key_span.clone(), "the other")
                        .help("keep one of them"),
                );
            }
        }
    }

    fn value(&mut self, node: &Node, shape: &'static Shape, path: &str, place: &Span) {
        match (shape, &node.value) {
            (_, Value::Broken) => {}
            (Shape::Text(format), Value::Text(text)) => self.text(node, text, format, path),
            (Shape::Choice(choices), Value::Text(text)) => self.choice(node, text, choices, path),
            (Shape::Integer { min, max }, Value::Integer(number)) => {
                self.within(node, shape, path, (min..=max).contains(&number));
            }
            (Shape::OneOf(numbers), Value::Integer(number)) => {
                self.within(node, shape, path, numbers.contains(number));
            }
            (Shape::Number { min, max }, Value::Float(number)) => {
                self.within(node, shape, path, (min..=max).contains(&number));
            }
            (Shape::Number { min, max }, Value::Integer(number)) => {
                self.within(node, shape, path, (*min..=*max).contains(&(*number as f64)));
            }
            (Shape::Boolean, Value::Boolean(_)) | (Shape::False, Value::Boolean(false)) => {}
            (Shape::List(element), Value::List(list)) => self.list(list, element, path),
            (Shape::NonEmptyList(element), Value::List(list)) => {
                if list.is_empty() {
                    self.wrong_value(node, shape, path, "it is empty");
                }
                self.list(list, element, path);
            }
            (Shape::Table(table), Value::Table(entries)) => {
                self.table(entries, table, path, place.clone());
            }
            (Shape::Named { key, value, case }, Value::Table(entries)) => {
                if *case == Case::Ignored {
                    self.same_but_for_case(entries);
                }
                for entry in entries {
                    self.named(entry, key, value, path);
                }
            }
            (Shape::Command, Value::Text(text)) => self.command(node, text, path),
            (Shape::Command, Value::List(list)) => self.words(node, list, path),
            (Shape::Either(shapes), value) => {
                match shapes.iter().find(|shape| takes(shape, value)) {
                    Some(shape) => self.value(node, shape, path, place),
                    None => self.wrong_type(node, shape, path),
                }
            }
            (Shape::LaterTable, _) => self.later(node, path),
            _ => self.wrong_type(node, shape, path),
        }
    }

    fn list(&mut self, list: &[Node], element: &'static Shape, path: &str) {
        for (index, node) in list.iter().enumerate() {
            self.value(node, element, &format!("{path}[{index}]"), &node.span);
        }
    }

    fn named(&mut self, entry: &Entry, key: &Format, value: &'static Shape, path: &str) {
        if let Err(flaw) = (key.check)(&entry.key) {
            let message = format!("`{}` is not {}", entry.key, key.expected);
            let why = match flaw {
                Flaw::Wrong(why) => why,
                Flaw::Later => "not in this version".to_owned(),
            };
            self.findings
                .add(Diagnostic::new(key.code, message, entry.key_span.clone()).label(why));
        }
        let path = join(path, &entry.key);
        self.value(&entry.node, value, &path, &entry.key_span);
    }

    fn same_but_for_case(&mut self, entries: &[Entry]) {
        let mut seen = BTreeMap::new();
        for entry in entries {
            let place = entry.key_span.clone();
            if let Some(first) = seen.insert(entry.key.to_ascii_lowercase(), place.clone()) {
                let message = format!("`{}` is named twice", entry.key);
                self.findings.add(
                    Diagnostic::new(Code::BadName, message, place)
                        .label("case does not count here")
                        .other(first, "the same name"),
                );
            }
        }
    }

    fn text(&mut self, node: &Node, text: &Text, format: &'static Format, path: &str) {
        match (format.check)(&text.value) {
            Ok(()) => {}
            Err(Flaw::Later) => self.later(node, path),
            Err(Flaw::Wrong(why)) => {
                let message = format!("`{path}` is not {}", format.expected);
                self.findings
                    .add(Diagnostic::new(format.code, message, node.span.clone()).label(why));
            }
        }
    }

    fn choice(&mut self, node: &Node, text: &Text, choices: &'static [Choice], path: &str) {
        match choices.iter().find(|choice| choice.word == text.value) {
            Some(choice) if choice.status == Status::Later => self.later(node, path),
            Some(_) => {}
            None => {
                let now = choices.iter().filter(|c| c.status == Status::Now);
                let words: Vec<_> = now.map(|choice| choice.word).collect();
                let expected = Shape::Choice(choices).expected();
                let message = format!("`{path}` is not one of its values");
                self.findings.add(
                    Diagnostic::new(Code::WrongValue, message, node.span.clone())
                        .label(format!("expected {expected}"))
                        .maybe_help(did_you_mean(&text.written, words)),
                );
            }
        }
    }

    fn command(&mut self, node: &Node, text: &Text, path: &str) {
        let Err(fault) = command::split(&text.pieces) else {
            if text.value.contains('\0') {
                self.wrong_value(node, &Shape::Command, path, "it holds a NUL");
            }
            return;
        };
        let place = |start, length| node.part(self.source, start, length);
        let finding = match fault {
            Fault::Empty => Diagnostic::new(
                Code::BadCommand,
                format!("`{path}` is empty"),
                node.span.clone(),
            )
            .label("expected a program and its arguments"),
            Fault::Unclosed { start } => {
                let message = format!("`{path}` does not split into words");
                Diagnostic::new(Code::BadCommand, message, place(start, 1))
                    .label("this quote is never closed")
                    .help("commands are split as a shell would; an array stands as it is")
            }
            Fault::Shell { start, syntax } => {
                let message = format!("`{path}` needs a shell, and is run without one");
                Diagnostic::new(Code::ShellSyntax, message, place(start, syntax.len()))
                    .label("only a shell understands this")
                    .help(shell_help(&syntax))
            }
        };
        self.findings.add(finding);
    }

    fn words(&mut self, node: &Node, list: &[Node], path: &str) {
        for word in list {
            match &word.value {
                Value::Text(text) if text.value.contains('\0') => {
                    self.wrong_value(word, &Shape::Command, path, "it holds a NUL");
                }
                Value::Text(_) | Value::Broken => {}
                _ => self.wrong_type(word, &Shape::Command, path),
            }
        }
        let empty = list.first().is_none_or(|program| {
            program
                .text()
                .is_some_and(|program| program.value.is_empty())
        });
        if empty {
            let message = format!("`{path}` is empty");
            self.findings.add(
                Diagnostic::new(Code::BadCommand, message, node.span.clone())
                    .label("expected a program and its arguments"),
            );
        }
    }

    fn within(&mut self, node: &Node, shape: &'static Shape, path: &str, holds: bool) {
        if !holds {
            self.wrong_value(node, shape, path, "out of bounds");
        }
    }

    fn wrong_value(&mut self, node: &Node, shape: &Shape, path: &str, why: &str) {
        let message = format!("`{path}` is not {}", shape.expected());
        self.findings
            .add(Diagnostic::new(Code::WrongValue, message, node.span.clone()).label(why));
    }

    fn wrong_type(&mut self, node: &Node, shape: &Shape, path: &str) {
        let message = format!("`{path}` is {}", node.value.kind());
        self.findings.add(
            Diagnostic::new(Code::WrongType, message, node.span.clone())
                .label(format!("expected {}", shape.expected())),
        );
    }

    fn later(&mut self, node: &Node, path: &str) {
        let message = format!("this value of `{path}` is not in this version");
        self.findings.add(
            Diagnostic::new(Code::NotYet, message, node.span.clone())
                .label("a later version will take it"),
        );
    }
}

/// Whether a value of this type is for this shape.
fn takes(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Text(_) | Shape::Choice(_) => matches!(value, Value::Text(_)),
        Shape::Integer { .. } | Shape::OneOf(_) => matches!(value, Value::Integer(_)),
        Shape::False => matches!(value, Value::Boolean(false)),
        Shape::Number { .. } => matches!(value, Value::Integer(_) | Value::Float(_)),
        Shape::Boolean => matches!(value, Value::Boolean(_)),
        Shape::List(_) | Shape::NonEmptyList(_) => matches!(value, Value::List(_)),
        Shape::Table(_) | Shape::Named { .. } | Shape::LaterTable => {
            matches!(value, Value::Table(_))
        }
        Shape::Either(shapes) => shapes.iter().any(|shape| takes(shape, value)),
        Shape::Command => matches!(value, Value::Text(_) | Value::List(_)),
    }
}

fn shell_help(syntax: &str) -> String {
    let shell = "ask for one: `[\"sh\", \"-c\", \"...\"]`";
    match syntax {
        "$PORT" => "write `{port}` for its port".to_owned(),
        _ if syntax.ends_with('=') => "set variables in `env`".to_owned(),
        _ if syntax.starts_with('$') && syntax.len() > 2 => {
            let name = &syntax[1..];
            format!("write `${{{name}}}` for a variable of Polity's environment, or {shell}")
        }
        _ => format!("quote it, or {shell}"),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
