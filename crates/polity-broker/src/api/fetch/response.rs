//! A Fetch answer, written by hand: around the records, which stay in their files.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use polity_log::disk::RealFile;
use polity_log::{Offsets, Read, Slice};

use super::{Outcome, Round};
use crate::api::Call;
use crate::errors::Failure;
use crate::fetch_sessions::{Session, TopicKey, Tracked, marks};
use crate::wire::answer::{Part, Reply, begin, end};
use crate::wire::put::Put;

/// Records up to this size are copied: sending them apart would cost more.
pub(super) const COPY_UP_TO: usize = 8 * 1024;

/// What is copied into one answer, about: partitions beyond have their turn in the next.
pub(super) const MAX_COPIED: usize = 256 * 1024;

/// The first version with compact lengths and tagged fields.
const FLEXIBLE: i16 = 12;

/// An answer that is an error as a whole.
pub(super) fn refused(call: &Call, error: ResponseError) -> Reply {
    let mut writer = Writer::new(call);
    writer.head(error.code(), 0);
    writer.put.count(0);
    writer.finish()
}

/// Answers a round, and notes in the session what has been told.
pub(super) fn encode(call: &Call, session: &mut Session, round: Round) -> Reply {
    let id = session.id;
    let told = tell(session, round);
    let mut writer = Writer::new(call);
    writer.head(0, id);
    let topics: Vec<_> = told
        .chunk_by(|a, b| a.tracked.topic == b.tracked.topic)
        .collect();
    writer.put.count(topics.len());
    for partitions in topics {
        writer.topic(partitions);
    }
    writer.finish()
}

/// A partition that is in the answer.
struct Told<'a> {
    tracked: &'a Tracked,
    found: Result<Read<RealFile>, Failure>,
}

/// Chooses what is told: all at first, later what has changed.
fn tell(session: &mut Session, round: Round) -> Vec<Told<'_>> {
    let is_full = !session.is_incremental;
    let mut told = Vec::with_capacity(if is_full { round.outcomes.len() } else { 0 });
    for Outcome { place, found } in round.outcomes {
        let Some(tracked) = session.partitions.get_mut(place) else {
            continue;
        };
        let is_news = match &found {
            Ok(read) => read.slice.is_some() || tracked.is_news(&read.offsets),
            Err(_) => true,
        };
        if is_full || is_news {
            let marks = found.as_ref().ok().map(|read| marks(&read.offsets));
            tracked.told = marks;
            told.push((place, found));
        }
    }
    let partitions = &session.partitions;
    told.into_iter()
        .filter_map(|(place, found)| {
            Some(Told {
                tracked: partitions.get(place)?,
                found,
            })
        })
        .collect()
}

struct Writer {
    version: i16,
    put: Put,
    /// Records, and where in the written bytes each belongs.
    slices: Vec<(usize, Slice<RealFile>)>,
}

impl Writer {
    fn new(call: &Call) -> Self {
        let is_flexible = call.version >= FLEXIBLE;
        let mut out = Vec::new();
        begin(&mut out, call.correlation, i16::from(is_flexible));
        Self {
            version: call.version,
            put: Put { out, is_flexible },
            slices: Vec::new(),
        }
    }

    fn head(&mut self, error: i16, session: i32) {
        self.put.int32(0); // Not throttled.
        if self.version >= 7 {
            self.put.int16(error);
            self.put.int32(session);
        }
    }

    fn topic(&mut self, partitions: &[Told<'_>]) {
        match partitions.first().map(|told| &told.tracked.topic) {
            Some(TopicKey::Id(id)) => self.put.bytes(id.as_bytes()),
            Some(TopicKey::Name(name)) => self.put.string(name),
            None => {}
        }
        self.put.count(partitions.len());
        for told in partitions {
            self.partition(told);
        }
        self.put.no_tagged_fields();
    }

    fn partition(&mut self, told: &Told<'_>) {
        self.put.int32(told.tracked.partition);
        match &told.found {
            Ok(read) => {
                self.put.int16(0);
                self.offsets(&read.offsets);
                self.put.count(read.aborted.len());
                for aborted in &read.aborted {
                    self.put.int64(aborted.producer_id.0);
                    self.put.int64(aborted.first_offset.0);
                    self.put.no_tagged_fields();
                }
                self.no_preferred_replica();
                self.records(read.slice.as_ref());
            }
            Err(failure) => {
                self.put.int16(failure.code);
                self.no_offsets();
                self.put.count(0);
                self.no_preferred_replica();
                self.records(None);
            }
        }
        self.put.no_tagged_fields();
    }

    fn offsets(&mut self, offsets: &Offsets) {
        self.put.int64(offsets.high_watermark.0);
        self.put.int64(offsets.last_stable.0);
        if self.version >= 5 {
            self.put.int64(offsets.start.0);
        }
    }

    fn no_offsets(&mut self) {
        let count = if self.version >= 5 { 3 } else { 2 };
        for _ in 0..count {
            self.put.int64(-1);
        }
    }

    fn no_preferred_replica(&mut self) {
        if self.version >= 11 {
            self.put.int32(-1);
        }
    }

    fn records(&mut self, slice: Option<&Slice<RealFile>>) {
        let length = slice.map_or(0, |slice| slice.length);
        self.put.length(length);
        let Some(slice) = slice else { return };
        if length <= COPY_UP_TO {
            let before = self.put.out.len();
            if slice.read_into(&mut self.put.out).is_ok() {
                return;
            }
            // Sending it will fail too, and close the connection, which is all that is left to do.
            self.put.out.truncate(before);
        }
        let Slice {
            file,
            position,
            length,
        } = slice;
        let slice = Slice {
            file: file.clone(),
            position: *position,
            length: *length,
        };
        self.slices.push((self.put.out.len(), slice));
    }

    fn finish(mut self) -> Reply {
        self.put.no_tagged_fields();
        let in_files: usize = self.slices.iter().map(|(_, slice)| slice.length).sum();
        let length = self.put.out.len() - 4 + in_files;
        let bytes: Bytes = end(self.put.out, length);
        let mut parts = Vec::with_capacity(2 * self.slices.len() + 1);
        let mut from = 0;
        for (at, slice) in self.slices {
            parts.push(Part::Bytes(bytes.slice(from..at)));
            parts.push(Part::File(slice));
            from = at;
        }
        if from < bytes.len() {
            parts.push(Part::Bytes(bytes.slice(from..)));
        }
        Reply(parts)
    }
}
