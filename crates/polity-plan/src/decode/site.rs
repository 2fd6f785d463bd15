//! Folders of files.

use std::sync::Arc;

use polity_core::SiteName;
use polity_route::Rewrite;

use crate::decode::{Fields, route};
use crate::draft::DraftSite;
use crate::plan::Site;
use crate::tree::Entry;

const INDEX: &str = "index.html";

pub(super) fn site(entry: &Entry) -> Option<DraftSite> {
    let name = SiteName::new(&entry.key).ok()?;
    let fields = Fields(entry.node.table());
    // A file is read, whatever it is sent.
    let mut routes = route::routes(fields, None);
    if fields.get("route").or(fields.get("routes")).is_none() {
        routes.push(route::everything(entry.key_span.clone()));
    }
    for route in &mut routes {
        route.route.rewrite = Rewrite::Replace("/".to_owned());
    }
    Some(DraftSite {
        site: Arc::new(Site {
            name,
            root: fields.text("root").unwrap_or(".").into(),
            routes: routes.iter().map(|draft| draft.route.clone()).collect(),
            index: fields.text("index").unwrap_or(INDEX).to_owned(),
            listing: fields.boolean("listing") == Some(true),
            fallback: fields
                .text("fallback")
                .map(|path| path.trim_start_matches('/').into()),
            cache: fields.text("cache").map(str::to_owned),
        }),
        name: entry.key_span.clone(),
        routes,
    })
}
