//! What is read and written of gRPC, case by case.

use super::*;

#[test]
fn the_type_of_content_tells() {
    let check = |kind: &str, expected| assert_eq!(kind_of(kind.as_bytes()), expected, "{kind}");
    check("application/grpc", Some(GRPC));
    check("application/grpc+proto", Some(GRPC));
    check("Application/gRPC; a=b", Some(GRPC));
    check("application/grpc-web+proto", Some("application/grpc-web"));
    check(
        "application/grpc-web-text",
        Some("application/grpc-web-text"),
    );
    check("application/grpcx", None);
    check("application/json", None);
    check("", None);
}

fn call() -> Call {
    Call {
        kind: GRPC,
        due: None,
        status: None,
    }
}

#[test]
fn timeouts_are_read_and_written() {
    let check = |text: &str, expected| assert_eq!(timeout(text.as_bytes()), expected, "{text}");
    check("2H", Some(Duration::from_secs(7200)));
    check("99999999H", Some(Duration::from_secs(99_999_999 * 3600)));
    check("3M", Some(Duration::from_secs(180)));
    check("10S", Some(Duration::from_secs(10)));
    check("250m", Some(Duration::from_millis(250)));
    check("7u", Some(Duration::from_micros(7)));
    check("8n", Some(Duration::from_nanos(8)));
    for text in [
        "",
        "S",
        "1",
        "123456789S",
        "-1S",
        "+1S",
        "1.5S",
        "1s",
        "1 S",
    ] {
        check(text, None);
    }
    let check = |left, expected: &str| {
        let mut out = Vec::new();
        write_timeout(left, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            format!("grpc-timeout: {expected}\r\n")
        );
    };
    check(Duration::from_millis(1500), "1500000u");
    check(Duration::from_secs(100), "100000m");
    check(Duration::from_secs(1_000_000), "1000000S");
    check(Duration::MAX, "99999999S");
    check(Duration::ZERO, "1u");
}

#[test]
fn a_problem_is_told_in_one_head() {
    let problem = Cause::NoInstance.answer(crate::problem::Reached::No, "none", Some("id"), None);
    let answer = answer(&call(), 14, "50% \u{e4}\n", &problem);
    let fields = String::from_utf8(answer.fields).expect("text");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(
        fields.contains("grpc-status: 14\r\ngrpc-message: 50%25 %C3%A4%0A\r\n"),
        "{fields}"
    );
    assert!(
        fields.contains("x-polity-reason: no-instance; reached=no\r\n"),
        "{fields}"
    );
    assert_eq!(fields.matches("content-type").count(), 1);
}

#[test]
fn a_status_is_the_last_that_was_said() {
    let mut call = call();
    assert!(!call.has_failed());
    call.note("Grpc-Status", b"14");
    assert!(call.has_failed());
    call.note("grpc-message", b"0");
    assert_eq!(call.status, Some(14));
    call.note("grpc-status", b"5");
    assert!(!call.has_failed(), "not found is no failure");
    call.note("grpc-status", b"x");
    assert_eq!(call.status, None);
}
