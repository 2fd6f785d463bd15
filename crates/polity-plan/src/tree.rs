//! The plan's text as a tree of values with their places, strings interpolated.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::interpolate::{Fault, Piece, interpolate};

/// A value and where it is written.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Text(Text),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// Something already reported, which stands for any value.
    Broken,
}

/// A string.
#[derive(Debug)]
pub(crate) struct Text {
    /// What it says.
    pub(crate) value: String,
    /// What stands in the file: the only form that may be shown.
    pub(crate) written: String,
    /// What it is made of.
    pub(crate) pieces: Vec<Piece>,
}

/// A key and its value, in the order of the file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Value {
    /// What messages call a value of this type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Boolean(true) => "`true`",
            Self::Boolean(false) => "`false`",
            Self::Datetime => "a date",
            Self::List(_) => "an array",
            Self::Table(_) => "a table",
            Self::Broken => "nothing",
        }
    }
}

impl Node {
    pub(crate) fn text(&self) -> Option<&Text> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[Node] {
        match &self.value {
            Value::List(list) => list,
            _ => &[],
        }
    }

    pub(crate) fn table(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The place of byte `offset` to `offset + length` of this string as written, or the whole
    /// string where escapes make that impossible to say.
    pub(crate) fn part(&self, source: &str, offset: usize, length: usize) -> Span {
        let whole = self.span.clone();
        let Some(text) = self.text() else {
            return whole;
        };
        let raw = source.get(whole.clone()).unwrap_or_default();
        match raw.find(&text.written) {
            Some(quote) if raw.len() == text.written.len() + 2 * quote => {
                let start = whole.start + quote + offset;
                start..(start + length).min(whole.end - quote)
            }
            _ => whole,
        }
    }
}

/// Reads the tree of a parsed file; what strings it cannot interpolate is reported and broken.
pub(crate) fn grow(
    root: &Spanned<DeTable<'_>>,
    source: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Vec<Entry> {
    let mut grower = Grower {
        source,
        environment,
        findings,
    };
    grower.table(root.get_ref())
}

struct Grower<'a> {
    source: &'a str,
    environment: &'a dyn Fn(&str) -> Option<String>,
    findings: &'a mut Findings,
}

impl Grower<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_span: key.span(),
                node: self.node(value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        entries
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let span = value.span();
        let value = match value.get_ref() {
            DeValue::String(text) => return self.text(text, span),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or(Value::Broken, Value::Integer),
            DeValue::Float(float) => float.as_str().parse().map_or(Value::Broken, Value::Float),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Array(list) => Value::List(list.iter().map(|v| self.node(v)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        if let (Value::Broken, Some(_)) = (&value, self.source.get(span.clone())) {
            let message = "a number too large to be meant";
            self.findings
                .add(Diagnostic::new(Code::WrongValue, message, span.clone()));
        }
        Node { span, value }
    }

    fn text(&mut self, written: &str, span: Span) -> Node {
        let (pieces, faults) = interpolate(written, self.environment);
        let node = Node {
            span,
            value: Value::Text(Text {
                value: pieces.iter().map(|piece| piece.text.as_str()).collect(),
                written: written.to_owned(),
                pieces,
            }),
        };
        if faults.is_empty() {
            return node;
        }
        for fault in faults {
            self.findings.add(self.fault(&node, written, fault));
        }
        Node {
            value: Value::Broken,
            ..node
        }
    }

    fn fault(&self, node: &Node, written: &str, fault: Fault) -> Diagnostic {
        let place = |start: usize| {
            let length = written[start..]
                .find('}')
                .map_or(written.len() - start, |end| end + 1);
            node.part(self.source, start, length)
        };
        match fault {
            Fault::Unset { start, name } => Diagnostic::new(
                Code::UnsetVariable,
                format!("the variable `{name}` is not set"),
                place(start),
            )
            .label("neither in the environment nor in `.env`")
            .help(format!(
                "set it, write `${{{name}:-default}}`, or `$${{` for a literal `${{`"
            )),
            Fault::Malformed { start, why } => Diagnostic::new(
                Code::BadInterpolation,
                "`${` does not start a variable",
                place(start),
            )
            .label(why)
            .help("write `$${` for a literal `${`"),
        }
    }
}
