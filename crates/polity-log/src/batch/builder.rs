//! Batches that Polity writes itself: markers, its internal topics, and tests.

use super::header::CHECKED;
use super::{Attributes, HEADER, Header, varint};
use crate::id::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Puts records together into one batch that is not compressed. Its base offset is 0: the log
/// assigns the true one.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    header: Header,
    bytes: Vec<u8>,
    body: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch, of which one record at least must be made something.
    pub fn new() -> Self {
        let header = Header {
            base_offset: Offset::ZERO,
            length: 0,
            leader_epoch: LeaderEpoch(-1),
            checksum: 0,
            attributes: Attributes(0),
            last_offset_delta: -1,
            base_timestamp_ms: -1,
            max_timestamp_ms: -1,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(-1),
            base_sequence: -1,
            count: 0,
        };
        Self {
            header,
            bytes: vec![0; HEADER],
            body: Vec::new(),
        }
    }

    /// Whose it is, for idempotence.
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> Self {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes it part of its producer's transaction.
    pub fn transactional(mut self) -> Self {
        self.header.attributes.0 |= Attributes::TRANSACTIONAL;
        self
    }

    /// Makes it a marker.
    pub(crate) fn control(mut self) -> Self {
        self.header.attributes.0 |= Attributes::CONTROL;
        self
    }

    /// Adds a record without headers.
    pub fn record(self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        self.record_with(timestamp_ms, key, value, &[])
    }

    /// Adds a record.
    pub fn record_with(
        mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> Self {
        let header = &mut self.header;
        if header.count == 0 {
            header.base_timestamp_ms = timestamp_ms;
        }
        header.max_timestamp_ms = header.max_timestamp_ms.max(timestamp_ms);
        let delta = i64::from(header.count);
        header.last_offset_delta = header.count;
        header.count += 1;
        let body = &mut self.body;
        body.clear();
        body.push(0);
        varint::put(body, timestamp_ms.wrapping_sub(header.base_timestamp_ms));
        varint::put(body, delta);
        put_bytes(body, key);
        put_bytes(body, value);
        varint::put(body, headers.len() as i64);
        for (key, value) in headers {
            put_bytes(body, Some(key));
            put_bytes(body, *value);
        }
        varint::put(&mut self.bytes, body.len() as i64);
        self.bytes.extend_from_slice(body);
        self
    }

    /// The batch's bytes.
    pub fn build(mut self) -> Vec<u8> {
        self.header.length = self.bytes.len();
        seal(self.header, &mut self.bytes);
        self.bytes
    }
}

#[cfg(any(test, feature = "simulation"))]
impl BatchBuilder {
    /// The batch's bytes, its records compressed as producers do.
    pub(crate) fn build_compressed(mut self, compression: super::Compression) -> Vec<u8> {
        let records = self.bytes.get(HEADER..).unwrap_or_default();
        let records = super::compress(compression, records);
        self.bytes.truncate(HEADER);
        self.bytes.extend(records.expect("memory suffices"));
        self.header.attributes.0 |= compression.number();
        self.build()
    }
}

/// Puts a header, with the right checksum, before the records that follow its place.
pub(crate) fn seal(mut header: Header, bytes: &mut [u8]) {
    for _ in 0..2 {
        if let Some(place) = bytes.first_chunk_mut() {
            *place = header.encode();
        }
        // The second time it is in place.
        header.checksum = crc32c::crc32c(bytes.get(CHECKED..).unwrap_or_default());
    }
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

fn put_bytes(into: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::put(into, -1),
        Some(bytes) => {
            varint::put(into, bytes.len() as i64);
            into.extend_from_slice(bytes);
        }
    }
}
