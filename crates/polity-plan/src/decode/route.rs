//! The public routes of a service.

use polity_route::{HostPattern, PathPattern, Pattern, Rewrite};

use crate::address::{parse_host_pattern, parse_path};
use crate::decode::Fields;
use crate::draft::At;
use crate::plan::Route;

/// What `route` and `routes` say, in the order of the file.
pub(super) fn routes(fields: Fields<'_>) -> Vec<At<Route>> {
    let short = fields.get("route").and_then(|entry| {
        let path = parse_path(&entry.node.text()?.value).ok()?;
        let value = Route {
            pattern: Pattern {
                host: HostPattern::Any,
                path: PathPattern::Prefix(path),
                methods: Default::default(),
                headers: Default::default(),
            },
            rewrite: Rewrite::Keep,
        };
        let span = entry.node.span.clone();
        Some(At { value, span })
    });
    let long = fields.list("routes").iter().filter_map(|node| {
        let fields = Fields(node.table());
        let pointed = ["exact", "path", "host"]
            .iter()
            .find_map(|key| fields.span(key));
        Some(At {
            value: route(fields)?,
            span: pointed.unwrap_or_else(|| node.span.clone()),
        })
    });
    short.into_iter().chain(long).collect()
}

fn route(fields: Fields<'_>) -> Option<Route> {
    let path = |name| match fields.get(name) {
        Some(_) => fields.parse(name, |text| parse_path(text).ok()).map(Some),
        None => Some(None),
    };
    let path = match (path("exact")?, path("path")?) {
        (Some(exact), _) => PathPattern::Exact(exact),
        (None, Some(prefix)) => PathPattern::Prefix(prefix),
        (None, None) => PathPattern::Prefix("/".to_owned()),
    };
    let host = match fields.get("host") {
        Some(_) => fields.parse("host", |text| parse_host_pattern(text).ok())?,
        None => HostPattern::Any,
    };
    let headers = fields.table("headers").0.iter();
    let rewrite = match fields.parse("rewrite", |text| parse_path(text).ok()) {
        Some(path) => Rewrite::Replace(path),
        None if fields.boolean("strip") == Some(true) => Rewrite::Replace("/".to_owned()),
        None => Rewrite::Keep,
    };
    Some(Route {
        pattern: Pattern {
            host,
            path,
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
        },
        rewrite,
    })
}
