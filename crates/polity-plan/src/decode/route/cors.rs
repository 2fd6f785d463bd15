//! What a route says of other origins' pages.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::decode::Fields;
use crate::diagnostic::Span;
use crate::draft::DraftCors;
use crate::origin::parse_origin;
use crate::plan::{Allowed, Cors};

const MAX_AGE: Duration = Duration::from_secs(600);

/// What any page may send without asking (the Fetch standard's CORS-safelisted methods).
const SAFELISTED: [&str; 3] = ["GET", "HEAD", "POST"];

/// `methods` are the route's; empty for all.
pub(super) fn cors(fields: Fields<'_>, methods: &BTreeSet<String>) -> Option<DraftCors> {
    let place = fields.get("cors")?;
    let fields = fields.table("cors");
    let lower = |name: &str| Some(name.to_ascii_lowercase());
    let by_default = || match methods.is_empty() {
        true => SAFELISTED.map(str::to_owned).to_vec(),
        false => methods.iter().cloned().collect(),
    };
    let cors = Cors {
        origins: allowed(fields, "origins", |text| parse_origin(text).ok())
            .unwrap_or(Allowed::Only(Vec::new())),
        methods: allowed(fields, "methods", |text| Some(text.to_owned()))
            .unwrap_or_else(|| Allowed::Only(by_default())),
        headers: allowed(fields, "headers", lower).unwrap_or(Allowed::Only(Vec::new())),
        expose: allowed(fields, "expose", lower).unwrap_or(Allowed::Only(Vec::new())),
        credentials: fields.boolean("credentials") == Some(true),
        max_age: fields.duration("max_age", MAX_AGE),
    };
    Some(DraftCors {
        credentials: fields.span("credentials").filter(|_| cors.credentials),
        any: ["origins", "methods", "headers", "expose"]
            .into_iter()
            .filter_map(|key| Some((key, any(fields, key)?)))
            .collect(),
        place: place.key_span.clone(),
        cors: Arc::new(cors),
    })
}

fn allowed<T>(
    fields: Fields<'_>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<Allowed<T>> {
    fields.get(name)?;
    Some(match any(fields, name) {
        Some(_) => Allowed::Any,
        None => Allowed::Only(fields.parse_list(name, parse)),
    })
}

/// Where `"*"` stands, and what else is in its list.
fn any(fields: Fields<'_>, name: &str) -> Option<(Span, usize)> {
    let list = fields.list(name);
    let star = list
        .iter()
        .find(|node| node.text().is_some_and(|text| text.value == "*"))?;
    Some((star.span.clone(), list.len() - 1))
}
