//! `"*"` in a route's `cors`.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings};
use crate::draft::DraftRoute;

pub(super) fn check(route: &DraftRoute, findings: &mut Findings) {
    let Some(cors) = &route.cors else { return };
    for (key, (star, others)) in &cors.any {
        if *others > 0 {
            let message = format!("`\"*\"` in `{key}` of `cors` is not alone");
            findings.add(
                Diagnostic::new(Code::WrongValue, message, star.clone())
                    .label("this is every one there is")
                    .help("remove it or the others"),
            );
        }
        let Some(credentials) = &cors.credentials else {
            continue;
        };
        let message = format!("`credentials` with `\"*\"` in `{key}`");
        findings.add(
            Diagnostic::new(Code::Exclusive, message, star.clone())
                .label("no browser takes it for every one when credentials are sent")
                .other(credentials.clone(), "they are sent by this")
                .help("name those you mean, or remove `credentials`"),
        );
    }
}
