//! The public routes of a service.

mod cors;

use polity_core::ByteSize;
use polity_route::{HostPattern, PathPattern, Pattern, Rewrite};

use crate::address::{parse_host_pattern, parse_path};
use crate::decode::Fields;
use crate::diagnostic::Span;
use crate::draft::{At, DraftHeaders, DraftRoute};
use crate::plan::{HeaderRules, Route};

/// What `route` and `routes` say, in the order of the file. `body_size` is the gateway's.
pub(super) fn routes(fields: Fields<'_>, body_size: Option<ByteSize>) -> Vec<DraftRoute> {
    let short = fields.get("route").and_then(|entry| {
        let path = parse_path(&entry.node.text()?.value).ok()?;
        Some(below(path, body_size, entry.node.span.clone()))
    });
    let long = fields.list("routes").iter().filter_map(|node| {
        let fields = Fields(node.table());
        let span = pointed(fields).unwrap_or_else(|| node.span.clone());
        Some(route(pattern(fields)?, fields, body_size, span))
    });
    short.into_iter().chain(long).collect()
}

/// A route that nothing is said of but the place where it is given.
pub(super) fn everything(span: Span) -> DraftRoute {
    below("/".to_owned(), None, span)
}

fn below(path: String, body_size: Option<ByteSize>, span: Span) -> DraftRoute {
    let pattern = Pattern {
        host: HostPattern::Any,
        path: PathPattern::Prefix(path),
        methods: Default::default(),
        headers: Default::default(),
    };
    route(pattern, Fields(&[]), body_size, span)
}

fn route(
    pattern: Pattern,
    fields: Fields<'_>,
    body_size: Option<ByteSize>,
    span: Span,
) -> DraftRoute {
    let cors = cors::cors(fields, &pattern.methods);
    let request_headers = header_rules(fields.table("request_headers"));
    let response_headers = header_rules(fields.table("response_headers"));
    DraftRoute {
        route: Route {
            pattern,
            rewrite: match fields.parse("rewrite", |text| parse_path(text).ok()) {
                Some(path) => Rewrite::Replace(path),
                None if fields.boolean("strip") == Some(true) => Rewrite::Replace("/".to_owned()),
                None => Rewrite::Keep,
            },
            body_size: fields.size("body_size", body_size),
            request_headers: rules(&request_headers),
            response_headers: rules(&response_headers),
            cors: cors.as_ref().map(|cors| cors.cors.clone()),
        },
        span,
        request_headers,
        response_headers,
        cors,
    }
}

/// What a table of `routes` or `redirects` asks of a request; none if that was wrong.
pub(super) fn pattern(fields: Fields<'_>) -> Option<Pattern> {
    let path = |name| match fields.get(name) {
        Some(_) => fields.parse(name, |text| parse_path(text).ok()).map(Some),
        None => Some(None),
    };
    let headers = fields.table("headers").0.iter();
    Some(Pattern {
        host: match fields.get("host") {
            Some(_) => fields.parse("host", |text| parse_host_pattern(text).ok())?,
            None => HostPattern::Any,
        },
        path: match (path("exact")?, path("path")?) {
            (Some(exact), _) => PathPattern::Exact(exact),
            (None, Some(prefix)) => PathPattern::Prefix(prefix),
            (None, None) => PathPattern::Prefix("/".to_owned()),
        },
        methods: fields
            .parse_list("methods", |t| Some(t.to_owned()))
            .into_iter()
            .collect(),
        headers: headers
            .filter_map(|entry| {
                let value = entry.node.text()?.value.clone();
                Some((entry.key.to_ascii_lowercase(), value))
            })
            .collect(),
    })
}

/// Where the pattern is best pointed at.
pub(super) fn pointed(fields: Fields<'_>) -> Option<Span> {
    ["exact", "path", "host"]
        .iter()
        .find_map(|key| fields.span(key))
}

fn header_rules(fields: Fields<'_>) -> DraftHeaders {
    let set = fields.table("set").0.iter().filter_map(|entry| {
        let value = entry.node.text()?.value.clone();
        Some(At {
            value: (entry.key.to_ascii_lowercase(), value),
            span: entry.key_span.clone(),
        })
    });
    DraftHeaders {
        set: set.collect(),
        remove: fields.names("remove", |text| Some(text.to_ascii_lowercase())),
    }
}

fn rules(draft: &DraftHeaders) -> HeaderRules {
    HeaderRules {
        set: draft.set.iter().map(|at| at.value.clone()).collect(),
        remove: draft.remove.iter().map(|at| at.value.clone()).collect(),
    }
}
