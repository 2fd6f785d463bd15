//! Which call a request is, of the services that descriptors tell of.

use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::answer::{self, Told};
use crate::request::{self, Content};
use crate::rule::{Body, Rule, RuleError, rules_of};
use crate::status::Status;
use crate::template::FieldPath;

#[cfg(test)]
#[path = "transcoder_tests.rs"]
mod tests;

/// Services that are asked by JSON over HTTP.
#[derive(Debug)]
pub struct Transcoder {
    pool: DescriptorPool,
    /// What is more precise goes before what is less.
    bindings: Vec<Binding>,
    /// By `/package.Service/Method`.
    methods: HashMap<String, MethodDescriptor>,
}

#[derive(Debug)]
struct Binding {
    method: MethodDescriptor,
    rule: Arc<Rule>,
}

/// A call that a request asks for.
#[derive(Debug, Clone)]
pub struct Call {
    method: MethodDescriptor,
    fields: Vec<(FieldPath, String)>,
    body: Body,
    answer_field: Option<String>,
}

/// Why there is no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCall {
    /// Nothing is at that path.
    NotFound,
    /// What is there takes other methods, these.
    MethodNotAllowed(Vec<String>),
}

impl Transcoder {
    /// For all services of `pool`, and the rules that cannot be served: what they are about is still asked by the
    /// methods' own paths.
    pub fn new(pool: DescriptorPool) -> (Self, Vec<RuleError>) {
        let (mut bindings, mut problems, mut methods) = (Vec::new(), Vec::new(), HashMap::new());
        for method in pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
        {
            for rule in rules_of(&method) {
                match rule {
                    Ok(rule) => bindings.push(Binding {
                        method: method.clone(),
                        rule: Arc::new(rule),
                    }),
                    Err(problem) => problems.push(problem),
                }
            }
            methods.insert(path_of(&method), method);
        }
        bindings.sort_by(|one, other| one.rule.template.by_precision(&other.rule.template));
        let transcoder = Self {
            pool,
            bindings,
            methods,
        };
        (transcoder, problems)
    }

    /// The call that a request of this HTTP method and path asks for. The path is percent-encoded, without the query.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, verb: &str, path: &str) -> Result<Call, NoCall> {
        let mut allowed: Vec<String> = Vec::new();
        for Binding { method, rule } in &self.bindings {
            let Some(fields) = rule.template.matches(path) else {
                continue;
            };
            match &rule.verb {
                Some(other) if other != verb => allowed.push(other.clone()),
                _ => {
                    let fields = fields
                        .into_iter()
                        .map(|(field, value)| (field.clone(), value));
                    return Ok(Call {
                        fields: fields.collect(),
                        method: method.clone(),
                        body: rule.body.clone(),
                        answer_field: rule.answer_field.clone(),
                    });
                }
            }
        }
        match self.methods.get(path) {
            Some(method) if verb == "POST" => {
                return Ok(Call {
                    method: method.clone(),
                    fields: Vec::new(),
                    body: Body::Rest,
                    answer_field: None,
                });
            }
            Some(_) => allowed.push("POST".to_owned()),
            None => {}
        }
        allowed.sort();
        allowed.dedup();
        match allowed.is_empty() {
            true => Err(NoCall::NotFound),
            false => Err(NoCall::MethodNotAllowed(allowed)),
        }
    }

    /// `google.rpc.Status` in JSON.
    pub fn tell_status(&self, status: &Status) -> Vec<u8> {
        status.to_json(&self.pool).to_string().into_bytes()
    }

    /// How many methods there are, and how many rules are served.
    pub fn size(&self) -> (usize, usize) {
        (self.methods.len(), self.bindings.len())
    }
}

fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

impl Call {
    /// The path it is asked by over gRPC: `/package.Service/Method`.
    pub fn path(&self) -> String {
        path_of(&self.method)
    }

    /// Whether the answer may be several messages.
    pub fn answers_stream(&self) -> bool {
        self.method.is_server_streaming()
    }

    /// Whether the request may be several messages, which no JSON of HTTP is.
    pub fn requests_stream(&self) -> bool {
        self.method.is_client_streaming()
    }

    /// Whether the request's body is part of it; what a request has that is not would be lost.
    pub fn takes_body(&self) -> bool {
        self.body != Body::None
    }

    /// The request's message.
    ///
    /// # Errors
    /// When path, query and body make none; `INVALID_ARGUMENT`, with what is wrong.
    pub fn request(&self, query: &str, content: Content<'_>) -> Result<Vec<u8>, Status> {
        let input = self.method.input();
        request::message(&input, &self.fields, query, &self.body, content)
    }

    /// A message of the answer.
    ///
    /// # Errors
    /// When it is none; `INTERNAL`.
    pub fn tell(&self, message: &[u8]) -> Result<Told, Status> {
        answer::tell(&self.method.output(), self.answer_field.as_deref(), message)
    }
}
