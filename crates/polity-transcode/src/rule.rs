//! HTTP rules of methods: the option `google.api.http` (`google/api/annotations.proto` of googleapis).

use prost::Message;
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};

use crate::template::{FieldPath, Template, TemplateError};

/// One way to ask for a method.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The HTTP method; none for any.
    pub(crate) verb: Option<String>,
    pub(crate) template: Template,
    pub(crate) body: Body,
    /// The field of the answer that is the whole answer; all of it if none.
    pub(crate) answer_field: Option<String>,
}

/// What of a request's message its body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing.
    None,
    /// All that the path does not name.
    Rest,
    /// This field.
    Field(String),
}

/// Why a method's rule cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the HTTP rule of `{method}` cannot be served: {problem}")]
pub struct RuleError {
    /// The method's full name.
    pub method: String,
    /// What is wrong with the rule.
    pub problem: Problem,
}

/// What is wrong with an HTTP rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Its path is none.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// It has no `get`, `put`, `post`, `delete`, `patch` or `custom`.
    #[error("it names no HTTP method")]
    NoPattern,
    /// It names a field that the message does not have.
    #[error("`{0}` is no field of `{1}`")]
    NoField(String, String),
}

/// `google.protobuf.MethodOptions`, but for this option.
#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(message, optional, tag = "72295728")]
    http: Option<HttpRule>,
}

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, Message)]
struct HttpRule {
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pattern: Option<Pattern>,
    #[prost(string, tag = "7")]
    body: String,
    #[prost(message, repeated, tag = "11")]
    additional_bindings: Vec<HttpRule>,
    #[prost(string, tag = "12")]
    response_body: String,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(CustomPattern),
}

/// `google.api.CustomHttpPattern`.
#[derive(Clone, PartialEq, Message)]
struct CustomPattern {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    path: String,
}

/// The rules of `method`, and what is wrong with those that cannot be served.
pub(crate) fn rules_of(method: &MethodDescriptor) -> impl Iterator<Item = Result<Rule, RuleError>> {
    let options = Options::decode(method.options().encode_to_vec().as_slice());
    // Rules may not nest further.
    let rules = options
        .ok()
        .and_then(|options| options.http)
        .map(|mut rule| {
            let more = std::mem::take(&mut rule.additional_bindings);
            std::iter::once(rule).chain(more)
        });
    rules.into_iter().flatten().map(|rule| {
        read(rule, method).map_err(|problem| RuleError {
            method: method.full_name().to_owned(),
            problem,
        })
    })
}

fn read(rule: HttpRule, method: &MethodDescriptor) -> Result<Rule, Problem> {
    let (verb, path) = match rule.pattern.ok_or(Problem::NoPattern)? {
        Pattern::Get(path) => ("GET".to_owned(), path),
        Pattern::Put(path) => ("PUT".to_owned(), path),
        Pattern::Post(path) => ("POST".to_owned(), path),
        Pattern::Delete(path) => ("DELETE".to_owned(), path),
        Pattern::Patch(path) => ("PATCH".to_owned(), path),
        Pattern::Custom(custom) => (custom.kind, custom.path),
    };
    let template = Template::parse(&path)?;
    for field in template.fields() {
        find(&method.input(), field)?;
    }
    let body = match rule.body.as_str() {
        "" => Body::None,
        "*" => Body::Rest,
        field => {
            find(&method.input(), &[field.to_owned()])?;
            Body::Field(field.to_owned())
        }
    };
    let answer_field = Some(rule.response_body).filter(|field| !field.is_empty());
    if let Some(field) = &answer_field {
        find(&method.output(), std::slice::from_ref(field))?;
    }
    Ok(Rule {
        verb: Some(verb).filter(|verb| verb != "*"),
        template,
        body,
        answer_field,
    })
}

/// Checks that a field is there.
fn find(message: &MessageDescriptor, path: &[String]) -> Result<(), Problem> {
    let mut message = Some(message.clone());
    for name in path {
        let field = message.as_ref().and_then(|it| it.get_field_by_name(name));
        let Some(field) = field else {
            let of = message.map(|it| it.full_name().to_owned());
            return Err(Problem::NoField(
                name.clone(),
                of.unwrap_or_else(|| path.join(".")),
            ));
        };
        message = match field.kind() {
            Kind::Message(inner) if !field.is_list() => Some(inner),
            _ => None,
        };
    }
    Ok(())
}

/// Names as a rule or a query has them.
pub(crate) fn names(path: &str) -> FieldPath {
    path.split('.').map(str::to_owned).collect()
}
