//! One request, from its frame to the types of its API.

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use tokio::sync::OwnedSemaphorePermit;

use super::served::SERVED;
use crate::limits::{FEW_ELEMENTS, MANY_ELEMENTS};
use crate::wire::answer::{Answer, EncodeError};
use crate::wire::budget::{Budget, Share};
use crate::wire::frame::Frame;
use crate::wire::header;
use crate::wire::shape::{Fault, Malformed};
use crate::wire::shapes;

/// One request, known to be of its shape.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    /// What the client calls itself.
    pub(crate) client_id: Option<StrBytes>,
    body: Bytes,
    /// Array elements and tagged fields in the body.
    elements: usize,
    /// Held as long as the body is.
    share: Option<Share>,
    /// Held as long as what is decoded of it.
    decoded: Option<OwnedSemaphorePermit>,
}

/// Why a request is not handled. The connection it came by is closed: after a request that is
/// not understood, nothing on it can be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no API {0}")]
    UnknownApi(i16),
    #[error("{0:?} has no version {1} here")]
    UnknownVersion(ApiKey, i16),
    #[error("the header of a {0:?} request is malformed: {1}")]
    Header(ApiKey, Fault),
    #[error("a {0:?} request of version {1} is malformed: {2}")]
    Malformed(ApiKey, i16, Malformed),
    #[error("a {0:?} request of version {1} cannot be decoded: {2}")]
    Undecodable(ApiKey, i16, String),
    /// How a client that wants no answers learns that something is wrong.
    #[error("a Produce that is not to be answered failed")]
    Unacknowledged,
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Call {
    /// Checks a request's header and shape.
    pub(crate) fn read(frame: Frame) -> Result<Self, Refused> {
        let prefix = frame.prefix;
        let version = prefix.version;
        let key = ApiKey::try_from(prefix.key).map_err(|()| Refused::UnknownApi(prefix.key))?;
        let served = SERVED.iter().find(|served| served.key == key);
        let served = served.ok_or(Refused::UnknownApi(prefix.key))?;
        if !(served.from..=served.to).contains(&version) {
            return match key {
                // Clients ask by the newest version they know, and must learn which ones there are.
                ApiKey::ApiVersions => Ok(Self::without_body(frame, key)),
                _ => Err(Refused::UnknownVersion(key, version)),
            };
        }
        let is_flexible = key.request_header_version(version) >= 2;
        let header = header::read_rest(&frame.bytes, is_flexible);
        let (client_id, body) = header.map_err(|fault| Refused::Header(key, fault))?;
        let body = frame.bytes.slice(body..);
        let shape = shapes::of(key).ok_or(Refused::UnknownApi(prefix.key))?;
        let elements = shape
            .check(version, &body)
            .map_err(|malformed| Refused::Malformed(key, version, malformed))?;
        Ok(Self {
            client_id,
            body,
            elements,
            ..Self::without_body(frame, key)
        })
    }

    fn without_body(frame: Frame, key: ApiKey) -> Self {
        Self {
            key,
            version: frame.prefix.version,
            correlation: frame.prefix.correlation,
            client_id: None,
            body: Bytes::new(),
            elements: 0,
            share: frame.share,
            decoded: None,
        }
    }

    /// Whether the request is taken up while those before it wait for the disk.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.key == ApiKey::Produce
    }

    pub(crate) fn decode<R: Decodable>(&self) -> Result<R, Refused> {
        R::decode(&mut self.body.clone(), self.version)
            .map_err(|error| Refused::Undecodable(self.key, self.version, error.to_string()))
    }

    /// What follows the header.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Waits until there is memory for what will be decoded.
    pub(crate) async fn prepare(&mut self, budget: &Budget) {
        self.decoded = budget.elements(self.elements).await;
    }

    /// Lets others have what was counted for what has been decoded, which is gone.
    pub(crate) fn forgo_elements(&mut self) {
        self.decoded = None;
    }

    /// Lets the body go, of which nothing has been kept, before a long wait.
    pub(super) fn let_go(&mut self) {
        self.body = Bytes::new();
        self.share = None;
        self.decoded = None;
    }

    /// Whether to answer it takes a while: it asks for much, or for all that there is.
    pub(crate) fn is_laborious(&self) -> bool {
        use ApiKey as Key;
        let asks_for_all = matches!(
            self.key,
            Key::Metadata | Key::DescribeLogDirs | Key::ListGroups | Key::ListTransactions
        );
        self.elements > MANY_ELEMENTS || asks_for_all && self.elements == 0
    }

    /// Whether it is answered in no time: what is asked for all the time is.
    pub(crate) fn is_quick(&self) -> bool {
        self.elements <= MANY_ELEMENTS && (self.key == ApiKey::Fetch || self.is_small())
    }

    /// Whether its answer is small, whatever there is in the broker.
    pub(crate) fn is_small(&self) -> bool {
        use ApiKey as Key;
        let tells_of_itself = matches!(
            self.key,
            Key::ApiVersions
                | Key::Produce
                | Key::FindCoordinator
                | Key::Heartbeat
                | Key::ConsumerGroupHeartbeat
                | Key::SyncGroup
                | Key::LeaveGroup
                | Key::OffsetCommit
                | Key::ListOffsets
                | Key::InitProducerId
                | Key::AddPartitionsToTxn
                | Key::AddOffsetsToTxn
                | Key::TxnOffsetCommit
                | Key::EndTxn
        );
        tells_of_itself && self.elements <= FEW_ELEMENTS
    }

    /// Whether it only asks, and may be handled again for an answer that there was no room for: what waits for
    /// room must hold nothing.
    pub(crate) fn is_only_asking(&self) -> bool {
        use ApiKey as Key;
        matches!(
            self.key,
            Key::Metadata
                | Key::ConsumerGroupDescribe
                | Key::DescribeConfigs
                | Key::DescribeGroups
                | Key::DescribeLogDirs
                | Key::DescribeProducers
                | Key::DescribeTopicPartitions
                | Key::DescribeTransactions
                | Key::ListGroups
                | Key::ListTransactions
                | Key::OffsetFetch
        )
    }

    pub(super) fn answer<B>(&self, body: B) -> Result<Answer, Refused>
    where
        B: Encodable + HeaderVersion + Send + 'static,
    {
        Ok(Answer::of(self.correlation, self.version, body)?)
    }
}
