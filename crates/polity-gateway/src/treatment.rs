//! What a route does to requests and answers on their way.

use std::sync::Arc;

use polity_http::{Answer, RequestHead};

use crate::cors::{Admitted, Cors, is_of_cors};
use crate::headers::HeaderRules;

/// A route's, compiled from the plan.
#[derive(Debug)]
pub(crate) struct Treatment {
    request: HeaderRules,
    response: HeaderRules,
    pub(crate) cors: Option<Cors>,
}

/// The same for one request.
#[derive(Debug)]
pub(crate) struct Treated {
    treatment: Arc<Treatment>,
    /// The page that asks, if it may read the answer.
    admitted: Option<Admitted>,
}

impl Treatment {
    /// None where the route changes nothing: requests pay for what the plan uses.
    pub(crate) fn of(route: &polity_plan::Route) -> Option<Arc<Self>> {
        let idle = route.request_headers.is_empty()
            && route.response_headers.is_empty()
            && route.cors.is_none();
        (!idle).then(|| {
            Arc::new(Self {
                request: HeaderRules::new(&route.request_headers),
                response: HeaderRules::new(&route.response_headers),
                cors: route.cors.as_deref().map(Cors::new),
            })
        })
    }

    /// The answer to a browser's question about a request to come; none where the service is left
    /// to give it.
    pub(crate) fn preflight(&self, head: &RequestHead<'_>) -> Option<Answer> {
        let mut answer = self.cors.as_ref()?.preflight(head);
        self.response.add(&mut answer.fields);
        Some(answer)
    }
}

impl Treated {
    pub(crate) fn new(treatment: Arc<Treatment>, head: &RequestHead<'_>) -> Self {
        let admitted = treatment.cors.as_ref().and_then(|cors| cors.admit(head));
        Self {
            treatment,
            admitted,
        }
    }

    /// Whether a request's field is passed on.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        !self.treatment.request.drops(name)
    }

    /// Appends the fields that a request is given.
    pub(crate) fn write_fields(&self, out: &mut Vec<u8>) {
        self.treatment.request.write(out);
    }

    /// Whether an answer's field is passed on.
    pub(crate) fn keeps_of_answer(&self, name: &str) -> bool {
        !(self.treatment.response.drops(name)
            || (self.treatment.cors.is_some() && is_of_cors(name)))
    }

    /// Appends the fields that an origin's answer is given.
    pub(crate) fn write_fields_of_answer(&self, out: &mut Vec<u8>) {
        self.treatment.response.write(out);
        if let Some(cors) = &self.treatment.cors {
            cors.write(self.admitted.as_ref(), out);
        }
    }

    /// The same for an answer whose fields are as an origin's: those that the route removes, or sets itself, are
    /// left out.
    pub(crate) fn dress_own(&self, answer: &mut Answer) {
        let own = std::mem::take(&mut answer.fields);
        for line in own.split_inclusive(|byte| *byte == b'\n') {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            if std::str::from_utf8(name).is_ok_and(|name| self.keeps_of_answer(name)) {
                answer.fields.extend_from_slice(line);
            }
        }
        self.write_fields_of_answer(&mut answer.fields);
    }

    /// Gives an answer made here what an origin's would get, so that pages can read errors and a
    /// policy of security holds for them as well.
    pub(crate) fn dress(&self, answer: &mut Answer) {
        self.treatment.response.add(&mut answer.fields);
        if let Some(cors) = &self.treatment.cors {
            cors.write(self.admitted.as_ref(), &mut answer.fields);
        }
    }
}
