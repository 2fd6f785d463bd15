//! What an instance says of its load in the fields of an answer.
//!
//! `x-server-utilization: 0.7` and `x-server-in-flight: 12`, or the Open Request Cost Aggregation of the xDS and gRPC projects (proposal
//! A51, `xds.data.orca.v3.OrcaLoadReport`) in the forms that Envoy reads: `endpoint-load-metrics: TEXT
//! cpu_utilization=0.3,named_metrics.in_flight=12` and `endpoint-load-metrics: JSON {...}`.

use polity_balance::Report;
use polity_http::ResponseHead;
use serde::Deserialize;

use crate::fields::same_name;

#[cfg(test)]
#[path = "load_report_tests.rs"]
mod tests;

const UTILIZATION: &str = "x-server-utilization";
const METRICS: &str = "endpoint-load-metrics";
const IN_FLIGHT: &str = "x-server-in-flight";

/// Bytes of a report beyond which it is not read: it is parsed for every answer.
const MAX_REPORT: usize = 4096;

/// Whether a field of this name is a report: no business of clients outside.
pub(crate) fn is_report(name: &str) -> bool {
    [UTILIZATION, METRICS, IN_FLIGHT]
        .iter()
        .any(|report| same_name(name, report))
}

/// What the answer says; none where it says nothing that can be read. Where both fields say how much
/// is in use, or is in flight, the plain one counts.
pub(crate) fn read(head: &ResponseHead<'_>) -> Option<Report> {
    let mut report = Report::default();
    let (mut plain, mut in_flight) = (None, None);
    for field in head.headers {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        match field.name.len() {
            18 if is(IN_FLIGHT) => in_flight = number(field.value),
            20 if is(UTILIZATION) => plain = number(field.value),
            21 if is(METRICS) => report = metrics(field.value).unwrap_or(report),
            _ => {}
        }
    }
    report.utilization = plain.or(report.utilization);
    report.in_flight = in_flight.map(|it| it as u32).or(report.in_flight);
    (report != Report::default()).then_some(report)
}

/// The metrics that are looked at. Names are as in the protocol buffer or, in JSON, also in the case that
/// its mapping to JSON makes of them.
#[derive(Debug, Default, Deserialize)]
struct Metrics {
    #[serde(alias = "applicationUtilization")]
    application_utilization: Option<f32>,
    #[serde(alias = "cpuUtilization")]
    cpu_utilization: Option<f32>,
    #[serde(alias = "namedMetrics", default)]
    named_metrics: Named,
}

#[derive(Debug, Default, Deserialize)]
struct Named {
    in_flight: Option<f32>,
}

fn metrics(value: &[u8]) -> Option<Report> {
    if value.len() > MAX_REPORT {
        return None;
    }
    let value = value.trim_ascii();
    let (form, rest) = value.split_at_checked(4)?;
    let metrics = match (form, rest.first()?) {
        (b"JSON", b' ') => serde_json::from_slice(rest).ok()?,
        (b"TEXT", b' ') => text(rest),
        _ => return None,
    };
    Some(metrics.report())
}

/// Pairs after commas, `=` or `:` between name and value.
fn text(pairs: &[u8]) -> Metrics {
    let mut metrics = Metrics::default();
    for pair in pairs.split(|byte| *byte == b',') {
        let mut parts = pair.splitn(2, |byte| matches!(byte, b'=' | b':'));
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let place = match name.trim_ascii() {
            b"application_utilization" => &mut metrics.application_utilization,
            b"cpu_utilization" => &mut metrics.cpu_utilization,
            b"named_metrics.in_flight" => &mut metrics.named_metrics.in_flight,
            _ => continue,
        };
        *place = number(value);
    }
    metrics
}

impl Metrics {
    /// Of what the service itself says is in use and what its processor is, the former if it is said: a
    /// service may be full with an idle processor. Zero is what is not said (gRPC A58).
    fn report(&self) -> Report {
        let said = self.application_utilization.filter(|it| *it > 0.0);
        let in_flight = self.named_metrics.in_flight.filter(is_amount);
        Report {
            utilization: said.or(self.cpu_utilization).filter(is_amount),
            in_flight: in_flight.map(|it| it as u32),
        }
    }
}

fn number(text: &[u8]) -> Option<f32> {
    let text = std::str::from_utf8(text).ok()?;
    text.trim_ascii().parse().ok().filter(is_amount)
}

fn is_amount(number: &f32) -> bool {
    number.is_finite() && *number >= 0.0
}
