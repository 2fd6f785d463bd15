//! How clients find out what is served.

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Decodable, Message, StrBytes};

use crate::common::Running;

#[test]
fn every_version_of_api_versions_is_answered() {
    let broker = Running::start();
    let mut client = broker.client();
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("test"))
        .with_client_software_version(StrBytes::from_static_str("1.0"));
    for version in 0..=ApiVersionsRequest::VERSIONS.max {
        let plain = ApiVersionsRequest::default();
        let request = if version >= 3 { &request } else { &plain };
        let response = client.call(version, request);
        assert_eq!(response.error_code, 0);
        let own = |api: &&_| is_api_versions(api);
        assert_eq!(response.api_keys.iter().filter(own).count(), 1);
    }
    let nameless = client.call(3, &ApiVersionsRequest::default());
    assert_eq!(nameless.error_code, 42, "INVALID_REQUEST");
}

fn is_api_versions(api: &kafka_protocol::messages::api_versions_response::ApiVersion) -> bool {
    api.api_key == ApiKey::ApiVersions as i16 && api.max_version == 4
}

#[test]
fn a_version_of_the_future_is_answered_in_the_oldest_form() {
    let broker = Running::start();
    let mut client = broker.client();
    let mut frame = vec![0, 18, 0, 99, 0, 0, 0, 7];
    frame.extend(b"who knows what a header looks like then");
    client.send_frame(&frame);
    let mut answer = client.receive_frame().expect("an answer");
    assert_eq!(answer.split_to(4)[..], [0, 0, 0, 7]);
    let response = ApiVersionsResponse::decode(&mut answer, 0).expect("the form of version 0");
    assert_eq!(response.error_code, 35, "UNSUPPORTED_VERSION");
    assert!(response.api_keys.iter().any(is_api_versions));
    // The connection goes on.
    let again = client.call(0, &ApiVersionsRequest::default());
    assert_eq!(again.error_code, 0);
}
