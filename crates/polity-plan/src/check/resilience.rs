//! What is said of requests that fail and comes to nothing: times that leave each other no room, rules that
//! nothing sets off.

use std::time::Duration;

use polity_resilience::hedge::After;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings};
use crate::draft::{DraftBreaker, DraftService, Place, find};

/// The keys of `retry` that are for further tries.
const OF_RETRIES: [&str; 4] = ["on", "budget", "backoff", "idempotent"];

pub(super) fn check(service: &DraftService, findings: &mut Findings) {
    time_of_a_try(service, findings);
    time_to_hedge(service, findings);
    single_try(service, findings);
    caps(service, findings);
    breakers(service, findings);
    outlier(service, findings);
}

fn time_of_a_try(service: &DraftService, findings: &mut Findings) {
    let finding = Within {
        places: &service.failures.retry,
        key: "per_try_timeout",
        planned: service.service.retry.per_try_timeout,
        message: "no try ever takes as long as `per_try_timeout`: `timeout` is over before",
        help: "let it be shorter than `timeout`, so that another try has time, or remove it",
    };
    finding.check(service, findings);
}

fn time_to_hedge(service: &DraftService, findings: &mut Findings) {
    let finding = Within {
        places: &service.failures.hedge,
        key: "after",
        planned: service.service.hedge.and_then(|hedge| match hedge.after {
            After::Fixed(after) => Some(after),
            After::Quantile(_) => None,
        }),
        message: "no second instance is ever asked `after` so long: `timeout` is over before",
        help: "let it be shorter than `timeout`, so that the second has time to answer, or remove it",
    };
    finding.check(service, findings);
}

/// A time that is over before `timeout` is, or means nothing.
struct Within<'a> {
    places: &'a [Place],
    key: &'static str,
    planned: Option<Duration>,
    message: &'static str,
    help: &'static str,
}

impl Within<'_> {
    fn check(&self, service: &DraftService, findings: &mut Findings) {
        let timeout = service.service.timeout;
        let place = find(self.places, self.key);
        let Some(place) = place.filter(|_| self.planned.is_some_and(|it| it >= timeout)) else {
            return;
        };
        let finding =
            Diagnostic::new(Code::TimesClash, self.message, place.value.clone()).help(self.help);
        findings.add(match service.place("timeout") {
            Some(timeout) => finding.other(timeout.value.clone(), "all tries together have this"),
            None => finding.label(format!(
                "`timeout` is {} s where nothing is said",
                timeout.as_secs()
            )),
        });
    }
}

fn single_try(service: &DraftService, findings: &mut Findings) {
    let retry = &service.failures.retry;
    let single = service.service.retry.attempts == 1;
    let Some(attempts) = find(retry, "attempts").filter(|_| single) else {
        return;
    };
    // What may be carried out twice may be hedged, however often it is tried.
    let hedges = service.service.hedge.is_some();
    let means = |key: &&&str| !(hedges && **key == "idempotent");
    let keys = OF_RETRIES.iter().filter(means);
    for place in keys.filter_map(|key| find(retry, key)) {
        let message = format!("`{}` means nothing with `attempts = 1`", place.name);
        findings.add(
            Diagnostic::new(Code::Inapplicable, message, place.key.clone())
                .other(attempts.value.clone(), "there is no second try by this")
                .help("remove one of the two"),
        );
    }
}

/// Waits that double from a base have a cap that is not below it.
fn caps(service: &DraftService, findings: &mut Findings) {
    let (planned, places) = (&service.service, &service.failures);
    let pause = planned.retry.pause;
    cap(&places.backoff, pause.base, pause.cap, findings);
    for breaker in &places.circuit_breakers {
        let settings = breaker.settings;
        cap(&breaker.places, settings.base, settings.cap, findings);
    }
    if let Some(settings) = planned.outlier {
        cap(&places.outlier, settings.base, settings.cap, findings);
    }
}

fn cap(places: &[Place], base: Duration, cap: Duration, findings: &mut Findings) {
    let written = (find(places, "base"), find(places, "cap"));
    let (Some(place), true) = (written.0.or(written.1), base > cap) else {
        return;
    };
    let finding = Diagnostic::new(
        Code::TimesClash,
        "`base` is longer than `cap`",
        place.value.clone(),
    );
    findings.add(match written {
        (Some(_), Some(cap)) => finding
            .other(cap.value.clone(), "it is never longer than this")
            .help("swap them, or raise `cap`"),
        (Some(_), None) => finding
            .label(format!("`cap` is {} where nothing is said", shown(cap)))
            .help("say a `cap` too"),
        _ => finding
            .label(format!("`base` is {} where nothing is said", shown(base)))
            .help("say a `base` too"),
    });
}

fn shown(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

fn breakers(service: &DraftService, findings: &mut Findings) {
    let breakers = &service.failures.circuit_breakers;
    for (place, breaker) in breakers.iter().enumerate() {
        let mut before = breakers[..place].iter();
        if let Some(first) = before.find(|it| it.scope == breaker.scope) {
            findings.add(
                Diagnostic::new(
                    Code::WrongValue,
                    "two circuit breakers guard the same",
                    breaker.span.clone(),
                )
                .other(first.span.clone(), "the other one")
                .help("one may be `per = \"service\"`, and one `per = \"instance\"`"),
            );
        }
        trips(breaker, findings);
    }
}

fn trips(breaker: &DraftBreaker, findings: &mut Findings) {
    let settings = &breaker.settings;
    if settings.rate.is_some() {
        return;
    }
    if let Some(requests) = find(&breaker.places, "requests") {
        let message = "`requests` means nothing without `failure_rate`";
        findings.add(
            Diagnostic::new(Code::Inapplicable, message, requests.key.clone())
                .help("say which share of so many requests may fail, or remove it"),
        );
    }
    if settings.consecutive_failures.is_none() {
        findings.add(
            Diagnostic::new(
                Code::NeverTrips,
                "nothing ever trips this circuit breaker",
                breaker.span.clone(),
            )
            .label("no number of failures in a row, and no share of them")
            .help("say a `failure_rate`, or `circuit_breaker = false`"),
        );
    }
}

fn outlier(service: &DraftService, findings: &mut Findings) {
    let Some(planned) = service.service.outlier else {
        return;
    };
    let rules = [
        planned.consecutive_errors.is_some(),
        planned.connection_failures.is_some(),
        planned.success_rate.is_some(),
    ];
    if rules == [false; 3] {
        findings.add(
            Diagnostic::new(
                Code::NeverTrips,
                "no instance is ever left out by this",
                service.value_span("outlier"),
            )
            .label("all three rules are `false`")
            .help("leave one of them in force, or say `outlier = false`"),
        );
    }
}
