//! What answers over HTTPS tell browsers: to come by HTTPS alone from then on (RFC 6797).

use polity_http::Answer;

use super::Exchange;
use crate::fields;

pub(crate) const HSTS: &str = "strict-transport-security";

impl Exchange {
    /// Whether a service's field says what is said here in its stead.
    pub(super) fn is_said_here(&self, name: &str) -> bool {
        self.hsts.is_some() && fields::same_name(name, HSTS)
    }

    /// Appends it, unless the route says what it is to be.
    pub(super) fn write_security(&self, out: &mut Vec<u8>) {
        let Some(line) = &self.hsts else { return };
        if self.treated().is_none_or(|it| it.keeps_of_answer(HSTS)) {
            out.extend_from_slice(line);
        }
    }

    /// The same for an answer of the gateway's own.
    pub(super) fn secured(&self, mut answer: Answer) -> Answer {
        self.write_security(&mut answer.fields);
        answer
    }
}

/// The line as it is sent.
pub(crate) fn line(hsts: &polity_plan::Hsts) -> Vec<u8> {
    let subdomains = if hsts.subdomains {
        "; includeSubDomains"
    } else {
        ""
    };
    let preload = if hsts.preload { "; preload" } else { "" };
    let age = hsts.max_age.as_secs();
    format!("{HSTS}: max-age={age}{subdomains}{preload}\r\n").into_bytes()
}
