//! ApiVersions: what is served here. The first thing that most clients ask.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;

use super::served::{SERVED, Served};
use crate::api::{Call, Refused};
use crate::wire::answer::{Answer, Reply};

/// What all brokers of the cluster do, by Kafka's names and levels (KIP-584): groups of the new protocol
/// (KIP-848), and transactions of which each has an epoch of its own (KIP-890), so that what comes late of
/// one is not taken for part of the next.
const FEATURES: [(&str, i16); 2] = [("group.version", 1), ("transaction.version", 2)];

/// A version that is not served is answered in the form of version 0, which every client reads,
/// with the versions that are: the client then asks again (KIP-511).
pub(crate) fn handle(call: &Call) -> Result<Answer, Refused> {
    let is_served = |served: &&Served| {
        served.key == ApiKey::ApiVersions && (served.from..=served.to).contains(&call.version)
    };
    if !SERVED.iter().any(|served| is_served(&served)) {
        let code = ResponseError::UnsupportedVersion.code();
        let body = response().with_error_code(code);
        return Ok(Answer::Now(Reply::encode(call.correlation, 0, &body)?));
    }
    if call.version >= 3 {
        let request: ApiVersionsRequest = call.decode()?;
        if !is_software_name(&request.client_software_name)
            || !is_software_name(&request.client_software_version)
        {
            let code = ResponseError::InvalidRequest.code();
            return call.answer(ApiVersionsResponse::default().with_error_code(code));
        }
    }
    call.answer(response())
}

fn response() -> ApiVersionsResponse {
    let keys = SERVED.iter().map(|served| {
        ApiVersion::default()
            .with_api_key(served.key as i16)
            .with_min_version(served.told_from)
            .with_max_version(served.to)
    });
    let supported = FEATURES.iter().map(|(name, level)| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            // Clients before Kafka 4 take offence at 0 (KAFKA-17011).
            .with_min_version(1)
            .with_max_version(*level)
    });
    let finalized = FEATURES.iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_min_version_level(*level)
            .with_max_version_level(*level)
    });
    ApiVersionsResponse::default()
        .with_api_keys(keys.collect())
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(0)
}

/// Names and versions of clients are letters and digits, with `.` and `-` between them (KIP-511).
fn is_software_name(text: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    is_edge(text.chars().next())
        && is_edge(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}
