//! Tests of statuses.

use super::*;

fn pool() -> DescriptorPool {
    crate::testing::pool()
}

#[test]
fn codes_have_the_http_statuses_of_googles_table() {
    let of = |code| (Code(code).name(), Code(code).http_status());
    assert_eq!(of(0), ("OK", 200));
    assert_eq!(of(5), ("NOT_FOUND", 404));
    assert_eq!(of(16), ("UNAUTHENTICATED", 401));
    assert_eq!(of(17), ("UNKNOWN", 500));
}

#[test]
fn trailers_are_read() {
    let status = Status::of_trailers(Some("5"), Some("no book %227%22 %C3%A9"), None);
    assert_eq!(
        (status.code, status.message.as_str()),
        (Code(5), "no book \"7\" é")
    );
    assert!(!status.is_ok());
    assert!(Status::of_trailers(Some("0"), None, None).is_ok());
    for none in [None, Some(""), Some("-1"), Some("five")] {
        assert_eq!(Status::of_trailers(none, None, None).code, Code::UNKNOWN);
    }
}

#[test]
fn details_are_told_by_their_types() {
    let book = vec![0x0a, 0x01, b'7'];
    let detail = |type_url: &str, value: &[u8]| Any {
        type_url: type_url.to_owned(),
        value: value.to_vec(),
    };
    let status = RpcStatus {
        code: 9,
        message: "not yet".into(),
        details: vec![
            detail("type.googleapis.com/library.Book", &book),
            detail(
                "type.googleapis.com/google.protobuf.Duration",
                &[0x08, 0x05],
            ),
            detail("type.googleapis.com/library.Unknown", &[1, 2, 3]),
        ],
    };
    let encoded = STANDARD_NO_PAD.encode(status.encode_to_vec());
    let read = Status::of_trailers(Some("9"), Some("not yet"), Some(&encoded));
    let expected = json!({
        "code": 9,
        "message": "not yet",
        "details": [
            { "@type": "type.googleapis.com/library.Book", "name": "7" },
            { "@type": "type.googleapis.com/google.protobuf.Duration", "value": "5s" },
            { "@type": "type.googleapis.com/library.Unknown", "value": "AQID" },
        ],
    });
    assert_eq!(read.to_json(&pool()), expected);
}

#[test]
fn details_that_cannot_be_read_are_left_out() {
    for details in ["", "=", "!!", "AQ"] {
        let status = Status::of_trailers(Some("5"), None, Some(details));
        assert_eq!(status.to_json(&pool())["details"], json!([]));
    }
}
