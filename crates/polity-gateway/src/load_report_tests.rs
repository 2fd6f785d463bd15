//! Reports in every form, and what is none.

use polity_http::head::request::HeaderSpace;
use polity_http::limits::MAX_HEADERS;
use proptest::prelude::*;

use super::*;

/// What an answer with these fields says: utilisation and requests in flight.
fn said(fields: &[(&str, &str)]) -> Option<(Option<f32>, Option<u32>)> {
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    let mut space: HeaderSpace<'_> = [const { std::mem::MaybeUninit::uninit() }; MAX_HEADERS];
    let (head, _) = ResponseHead::parse(text.as_bytes(), &mut space)
        .expect("valid")
        .expect("whole");
    read(&head).map(|report| (report.utilization, report.in_flight))
}

#[track_caller]
fn metrics_say(value: &str, utilization: Option<f32>, in_flight: Option<u32>) {
    let expected =
        (utilization.is_some() || in_flight.is_some()).then_some((utilization, in_flight));
    assert_eq!(
        said(&[("endpoint-load-metrics", value)]),
        expected,
        "{value}"
    );
}

#[test]
fn utilisation_is_a_number() {
    let check = |value, expected: Option<f32>| {
        let found = said(&[("X-Server-Utilization", value)]);
        assert_eq!(found, expected.map(|it| (Some(it), None)), "{value}");
    };
    check("0.7", Some(0.7));
    check("0", Some(0.0));
    check("1.5", Some(1.5));
    check("1e-1", Some(0.1));
    for wrong in ["", "-0.1", "NaN", "inf", "70%", "0,7", "0.7 0.8"] {
        check(wrong, None);
    }
    assert_eq!(said(&[("server", "a")]), None);
}

#[test]
fn metrics_are_read_as_text() {
    metrics_say("TEXT cpu_utilization=0.3", Some(0.3), None);
    metrics_say("TEXT cpu_utilization:0.3", Some(0.3), None);
    metrics_say(
        "TEXT cpu_utilization=0.3, mem_utilization=0.8,named_metrics.in_flight=12",
        Some(0.3),
        Some(12),
    );
    metrics_say(
        "TEXT cpu_utilization=0.3,application_utilization=0.9",
        Some(0.9),
        None,
    );
    metrics_say(
        "TEXT application_utilization=0,cpu_utilization=0.3",
        Some(0.3),
        None,
    );
    metrics_say(
        "TEXT cpu_utilization=x,named_metrics.in_flight=3",
        None,
        Some(3),
    );
    metrics_say("TEXT named_metrics.in_flight=-3", None, None);
    metrics_say("TEXT ,,=,cpu_utilization", None, None);
    metrics_say("TEXT named_metrics.in_flight=1e30", None, Some(u32::MAX));
}

#[test]
fn metrics_are_read_as_json() {
    metrics_say(
        r#"JSON {"cpu_utilization": 0.3, "rps_fractional": 7, "named_metrics": {"in_flight": 12, "x": 1}}"#,
        Some(0.3),
        Some(12),
    );
    metrics_say(
        r#"JSON {"cpuUtilization": 0.3, "applicationUtilization": 0.9, "namedMetrics": {"in_flight": 1}}"#,
        Some(0.9),
        Some(1),
    );
    metrics_say("JSON {}", None, None);
    for wrong in [
        "JSON",
        "JSON ",
        "JSON {",
        "JSON []",
        "JSON {\"cpu_utilization\": \"high\"}",
        "JSON {\"cpu_utilization\": -1}",
        "JSON {\"cpu_utilization\": 1e99}",
        "JSON {\"cpu_utilization\": 0.1} {}",
        "BIN CAE=",
        "TEXT",
        "TEXTcpu_utilization=1",
        "cpu_utilization=0.3",
        "",
    ] {
        metrics_say(wrong, None, None);
    }
    let deep = format!("JSON {{\"a\": {}", "[".repeat(4000));
    metrics_say(&deep, None, None);
    let long = format!("TEXT {}cpu_utilization=0.3", "a=1,".repeat(2000));
    metrics_say(&long, None, None);
}

#[test]
fn of_two_reports_the_plain_one_counts() {
    let fields = [
        ("x-server-utilization", "0.2"),
        (
            "endpoint-load-metrics",
            "TEXT cpu_utilization=0.9,named_metrics.in_flight=4",
        ),
    ];
    assert_eq!(said(&fields), Some((Some(0.2), Some(4))));
    let broken = [("x-server-utilization", "much"), fields[1]];
    assert_eq!(said(&broken), Some((Some(0.9), Some(4))));
}

#[test]
fn reports_are_known_by_name() {
    assert!(is_report("X-Server-Utilization") && is_report("endpoint_load_metrics"));
    assert!(!is_report("x-server") && !is_report("endpoint-load-metrics-bin"));
}

proptest! {
    #[test]
    fn whatever_is_said_is_an_amount_or_nothing(
        form in prop_oneof![Just("TEXT "), Just("JSON "), Just("")],
        rest in proptest::collection::vec(any::<u8>(), 0..64)
    ) {
        let report = metrics(&[form.as_bytes(), &rest].concat());
        let utilization = report.and_then(|report| report.utilization);
        prop_assert!(utilization.is_none_or(|it| it.is_finite() && it >= 0.0));
    }

    #[test]
    fn what_is_said_in_either_form_is_read(utilization in 0f32..8.0, in_flight in 0u32..1 << 20) {
        let expected = Report { utilization: Some(utilization), in_flight: Some(in_flight) };
        let text = format!("TEXT cpu_utilization={utilization},named_metrics.in_flight={in_flight}");
        prop_assert_eq!(metrics(text.as_bytes()), Some(expected));
        let json = format!(
            "JSON {{\"cpu_utilization\":{utilization},\"named_metrics\":{{\"in_flight\":{in_flight}}}}}"
        );
        prop_assert_eq!(metrics(json.as_bytes()), Some(expected));
    }
}
