//! What the public entry says of HTTPS.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings};
use crate::draft::Draft;
use crate::plan::Hsts;

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    let (gateway, spans) = (&draft.gateway, &draft.entry);
    if let (Some(span), Some(_), None) = (&spans.listen_http, &gateway.listen_http, &gateway.tls) {
        let message = "`listen_http` where nothing is served over HTTPS";
        findings.add(
            Diagnostic::new(Code::Inapplicable, message.to_owned(), span.clone())
                .label("there is nothing to redirect to")
                .help("say `domain` or `tls` too, or listen with `listen` alone"),
        );
    }
    if let (Some(span), None) = (&spans.client_certificates, &gateway.tls) {
        let message = "`client_certificates` where nothing is served over HTTPS";
        findings.add(
            Diagnostic::new(Code::Inapplicable, message.to_owned(), span.clone())
                .label("nobody is asked for one")
                .help("say `domain` or `tls` too"),
        );
    }
    if let (Some(span), true) = (&spans.acme, gateway.domains.is_empty()) {
        let message = "`acme` without a `domain`";
        findings.add(
            Diagnostic::new(Code::Inapplicable, message.to_owned(), span.clone())
                .label("there is no name to get a certificate for")
                .help("say `domain = \"shop.example.com\"` under [gateway], or remove this"),
        );
    }
    if let (Some(span), Some(hsts)) = (&spans.preload, gateway.hsts)
        && !hsts.may_be_preloaded()
    {
        let message = "`preload` for less than browsers ask for";
        findings.add(
            Diagnostic::new(Code::WrongValue, message.to_owned(), span.clone())
                .label("they take no host into their lists for this")
                .help(format!(
                    "say `subdomains = true`, and `max_age` of {} days or more",
                    Hsts::PRELOAD_AGE.as_secs() / 86_400
                )),
        );
    }
}
