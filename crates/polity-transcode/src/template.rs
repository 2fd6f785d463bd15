//! Path templates: which paths an HTTP rule is for, and which of a message's fields they name.
//!
//! `google/api/http.proto` of googleapis, "Path template syntax".

use std::cmp::Ordering;

use percent_encoding::percent_decode_str;

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;

/// A template such as `/v1/{name=shelves/*}/books:list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
    verb: Option<String>,
    variables: Vec<Variable>,
}

/// What stands for one part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    /// `*`: any one.
    One,
    /// `**`: any number, none included; the last of its template.
    Rest,
}

/// Segments of the path that are a field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    field: FieldPath,
    begin: usize,
    end: usize,
}

/// Names of fields, each of a message in the one before.
pub(crate) type FieldPath = Vec<String>;

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It has to be absolute.
    #[error("a path template begins with `/`")]
    NotAbsolute,
    /// Nothing between two slashes, or after the last.
    #[error("a segment of a path template is empty")]
    EmptySegment,
    /// A brace that is not closed, not opened, or within another.
    #[error("the braces of a path template do not match")]
    Braces,
    /// What stands in braces before `=` has to be names with dots between.
    #[error("`{0}` is no name of a field")]
    FieldName(String),
    /// `**` is the rest of the path.
    #[error("only a verb may follow `**`")]
    AfterRest,
    /// `*` stands for a whole segment.
    #[error("`*` within the segment `{0}`")]
    PartOfSegment(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let path = text.strip_prefix('/').ok_or(TemplateError::NotAbsolute)?;
        let (path, verb) = split_verb(path);
        let mut template = Self {
            segments: Vec::new(),
            verb: verb.map(str::to_owned),
            variables: Vec::new(),
        };
        let mut rest = path;
        if rest.is_empty() && template.verb.is_none() {
            return Ok(template);
        }
        loop {
            rest = match rest.strip_prefix('{') {
                Some(variable) => template.read_variable(variable)?,
                None => template.read_segment(rest)?,
            };
            match rest.strip_prefix('/') {
                Some(after) => rest = after,
                None if rest.is_empty() => return Ok(template),
                None => return Err(TemplateError::Braces),
            }
        }
    }

    /// Reads what stands after an opening brace; gives what follows the closing one.
    fn read_variable<'t>(&mut self, text: &'t str) -> Result<&'t str, TemplateError> {
        let (variable, after) = text.split_once('}').ok_or(TemplateError::Braces)?;
        let (field, mut pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let begin = self.segments.len();
        loop {
            pattern = self.read_segment(pattern)?;
            match pattern.strip_prefix('/') {
                Some(after) => pattern = after,
                None => break,
            }
        }
        self.variables.push(Variable {
            field: field_path(field)?,
            begin,
            end: self.segments.len(),
        });
        Ok(after)
    }

    /// Reads a segment without braces; gives what follows it.
    fn read_segment<'t>(&mut self, text: &'t str) -> Result<&'t str, TemplateError> {
        let end = text.find('/').unwrap_or(text.len());
        let (segment, after) = text.split_at(end);
        if self.segments.last() == Some(&Segment::Rest) {
            return Err(TemplateError::AfterRest);
        }
        self.segments.push(match segment {
            "" => return Err(TemplateError::EmptySegment),
            "*" => Segment::One,
            "**" => Segment::Rest,
            _ if segment.contains(['{', '}', '=']) => return Err(TemplateError::Braces),
            _ if segment.contains('*') => {
                return Err(TemplateError::PartOfSegment(segment.to_owned()));
            }
            literal => Segment::Literal(literal.to_owned()),
        });
        Ok(after)
    }

    /// The fields that `path` gives values, if it is one of the template's; percent-encoded as it came, without
    /// the query.
    pub(crate) fn matches(&self, path: &str) -> Option<Vec<(&FieldPath, String)>> {
        let path = path.strip_prefix('/')?;
        let path = match &self.verb {
            Some(verb) => path.strip_suffix(verb.as_str())?.strip_suffix(':')?,
            None => path,
        };
        let given: Vec<&str> = match path {
            "" => Vec::new(),
            path => path.split('/').collect(),
        };
        self.fits(&given).then_some(())?;
        let mut fields = Vec::with_capacity(self.variables.len());
        for variable in &self.variables {
            let end = match self.segments.get(variable.end - 1) {
                Some(Segment::Rest) => given.len(),
                _ => variable.end,
            };
            let segments = given.get(variable.begin..end).unwrap_or_default();
            fields.push((&variable.field, decode(segments, variable.is_single(self))?));
        }
        Some(fields)
    }

    fn fits(&self, given: &[&str]) -> bool {
        let (fixed, has_rest) = match self.segments.split_last() {
            Some((Segment::Rest, fixed)) => (fixed, true),
            _ => (&self.segments[..], false),
        };
        let is_long_enough = match has_rest {
            true => given.len() >= fixed.len(),
            false => given.len() == fixed.len(),
        };
        let fits = |(segment, given): (&Segment, &&str)| match segment {
            Segment::Literal(literal) => percent_decode_str(given).eq(literal.bytes()),
            Segment::One | Segment::Rest => !given.is_empty(),
        };
        is_long_enough && fixed.iter().zip(given).all(fits)
    }

    /// Its fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldPath> {
        self.variables.iter().map(|variable| &variable.field)
    }

    /// Which of two is asked first: a literal goes before `*`, that before `**`, and with a verb before without.
    pub(crate) fn by_precision(&self, other: &Self) -> Ordering {
        let order = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::One => 1,
            Segment::Rest => 2,
        };
        let (own, others) = (self.segments.iter(), other.segments.iter());
        let by_verb = other.verb.is_some().cmp(&self.verb.is_some());
        own.map(order).cmp(others.map(order)).then(by_verb)
    }
}

impl Variable {
    /// Whether it is always one segment, whose slashes are encoded and nobody else's.
    fn is_single(&self, template: &Template) -> bool {
        let segments = template.segments.get(self.begin..self.end);
        matches!(segments, Some([Segment::One | Segment::Literal(_)]))
    }
}

/// The path without its verb, and the verb: what follows the last colon that no brace follows.
fn split_verb(path: &str) -> (&str, Option<&str>) {
    match path.rsplit_once(':') {
        Some((path, verb)) if !verb.contains(['/', '}']) => (path, Some(verb)),
        _ => (path, None),
    }
}

fn field_path(text: &str) -> Result<FieldPath, TemplateError> {
    let is_name = |name: &str| {
        let mut characters = name.chars();
        characters
            .next()
            .is_some_and(|it| it.is_ascii_alphabetic() || it == '_')
            && characters.all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    match text.split('.').all(is_name) {
        true => Ok(text.split('.').map(str::to_owned).collect()),
        false => Err(TemplateError::FieldName(text.to_owned())),
    }
}

/// The text of segments. In more than one, `%2F` stays what it is: it would else be another's slash. None if it is
/// not UTF-8.
fn decode(segments: &[&str], is_single: bool) -> Option<String> {
    let decoded = |segment: &str| {
        let text = percent_decode_str(segment).decode_utf8().ok()?;
        Some(text.into_owned())
    };
    if is_single {
        return decoded(segments.first()?);
    }
    let keep = |segment: &&str| {
        let parts = segment
            .split_inclusive("%2F")
            .flat_map(|it| it.split_inclusive("%2f"));
        let keep_slash = |part: &str| {
            let slash = ["%2F", "%2f"]
                .into_iter()
                .find(|slash| part.ends_with(slash));
            let text = part.strip_suffix(slash.unwrap_or_default())?;
            Some(decoded(text)? + slash.unwrap_or_default())
        };
        parts.map(keep_slash).collect::<Option<String>>()
    };
    let segments: Option<Vec<String>> = segments.iter().map(keep).collect();
    Some(segments?.join("/"))
}
