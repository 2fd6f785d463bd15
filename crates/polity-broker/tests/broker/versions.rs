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

#[test]
fn the_documentation_says_what_is_served() {
    let page = include_str!("../../../../docs/kafka-compatibility.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?, cells.next()?))
    });
    let told: Vec<_> = rows.filter(|(_, versions)| is_range(versions)).collect();
    let broker = Running::start();
    let response = broker.client().call(0, &ApiVersionsRequest::default());
    let served = response.api_keys.iter().map(|api| {
        let key = ApiKey::try_from(api.api_key).expect("a known API");
        let range = key.valid_versions();
        assert!(api.max_version <= range.max, "{key:?}");
        // Produce is told from version 0 on, and answered from the first that can be decoded.
        let from = api.min_version.max(range.min);
        (format!("{key:?}"), format!("{from}-{}", api.max_version))
    });
    let served: Vec<_> = served.collect();
    let served: Vec<_> = served
        .iter()
        .map(|(key, range)| (&key[..], &range[..]))
        .collect();
    assert_eq!(told, served);
}

fn is_range(text: &str) -> bool {
    text.split_once('-')
        .is_some_and(|(from, to)| [from, to].iter().all(|it| it.parse::<i16>().is_ok()))
}
