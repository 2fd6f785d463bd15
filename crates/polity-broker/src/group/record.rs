//! The records of `__consumer_offsets`, in Kafka's own formats.
//!
//! The key's first two bytes are the record's type; the value's are the version of its layout.
//! Source: the schemas in Apache Kafka's documentation of its internal topics, KIP-211, KIP-345,
//! KIP-848 and KIP-1101.

mod classic;
mod consumer;
mod offset;

use bytes::Bytes;
use smol_str::SmolStr;

pub use classic::{ClassicMemberValue, ClassicValue};
pub use consumer::{CurrentValue, MemberValue, RegexValue, TopicPartitions};
pub use offset::OffsetValue;

use crate::group::id::{GroupId, MemberId, TopicPartition};
use crate::journal::Entry;
use crate::journal::fields::{FieldError, Form, Reader, Writer};

/// One change that a group's state is made of. `None` is the tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Types 0 and 1: a committed offset.
    Offset(GroupId, TopicPartition, Option<OffsetValue>),
    /// Type 2: a classic group, whole.
    Classic(GroupId, Option<ClassicValue>),
    /// Type 3: a KIP-848 group's epoch.
    Epoch(GroupId, Option<EpochValue>),
    /// Type 5: what a KIP-848 member is and subscribes to.
    Member(GroupId, MemberId, Option<MemberValue>),
    /// Type 6: the epoch of the target assignment.
    TargetEpoch(GroupId, Option<i32>),
    /// Type 7: a member's part of the target assignment.
    TargetMember(GroupId, MemberId, Option<Vec<TopicPartitions>>),
    /// Type 8: what a member has now.
    Current(GroupId, MemberId, Option<CurrentValue>),
    /// Type 16: the topics that a regular expression stands for.
    Regex(GroupId, SmolStr, Option<RegexValue>),
}

/// A KIP-848 group as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochValue {
    /// The group's epoch: one more whenever its members or what they subscribe to change.
    pub epoch: i32,
    /// A hash of the topics subscribed to, that tells whether partitions came or went.
    pub metadata_hash: i64,
}

impl Record {
    /// The group it belongs to.
    pub fn group(&self) -> &GroupId {
        match self {
            Self::Offset(group, ..)
            | Self::Classic(group, _)
            | Self::Epoch(group, _)
            | Self::Member(group, ..)
            | Self::TargetEpoch(group, _)
            | Self::TargetMember(group, ..)
            | Self::Current(group, ..)
            | Self::Regex(group, ..) => group,
        }
    }

    /// Whether it says that something is no more.
    pub fn is_tombstone(&self) -> bool {
        match self {
            Self::Offset(.., value) => value.is_none(),
            Self::Classic(_, value) => value.is_none(),
            Self::Epoch(_, value) => value.is_none(),
            Self::Member(.., value) => value.is_none(),
            Self::TargetEpoch(_, value) => value.is_none(),
            Self::TargetMember(.., value) => value.is_none(),
            Self::Current(.., value) => value.is_none(),
            Self::Regex(.., value) => value.is_none(),
        }
    }

    /// As key and value of the internal topic.
    pub fn encode(&self) -> Entry {
        let (key, value) = match self {
            Self::Offset(group, at, value) => {
                let mut key = begin_key(1, group);
                key.text(&at.topic);
                key.i32(at.partition);
                (key, value.as_ref().map(OffsetValue::encode))
            }
            Self::Classic(group, value) => (
                begin_key(2, group),
                value.as_ref().map(ClassicValue::encode),
            ),
            Self::Epoch(group, value) => (
                begin_key(3, group),
                value.as_ref().map(consumer::encode_epoch),
            ),
            Self::Member(group, member, value) => (
                named_key(5, group, member.as_str()),
                value.as_ref().map(MemberValue::encode),
            ),
            Self::TargetEpoch(group, epoch) => (
                begin_key(6, group),
                epoch.map(consumer::encode_target_epoch),
            ),
            Self::TargetMember(group, member, parts) => (
                named_key(7, group, member.as_str()),
                parts.as_deref().map(consumer::encode_target),
            ),
            Self::Current(group, member, value) => (
                named_key(8, group, member.as_str()),
                value.as_ref().map(CurrentValue::encode),
            ),
            Self::Regex(group, regex, value) => (
                named_key(16, group, regex),
                value.as_ref().map(RegexValue::encode),
            ),
        };
        Entry {
            key: key.finish(),
            value,
        }
    }

    /// Reads a record; `None` is one of a type that this broker has no use for (share and streams
    /// groups, written by another broker).
    ///
    /// # Errors
    /// The record is damaged, or of a version unknown here.
    pub fn decode(entry: Entry) -> Result<Option<Self>, FieldError> {
        let mut key = Reader::new(entry.key, Form::Classic);
        let kind = key.i16()?;
        if !matches!(kind, 0..=3 | 5..=8 | 16) {
            return Ok(None);
        }
        let group = GroupId::from(key.text()?);
        let value = entry.value;
        Ok(Some(match kind {
            0 | 1 => {
                let at = TopicPartition::new(key.text()?, key.i32()?);
                Self::Offset(group, at, value.map(OffsetValue::decode).transpose()?)
            }
            2 => Self::Classic(group, value.map(ClassicValue::decode).transpose()?),
            3 => Self::Epoch(group, value.map(consumer::decode_epoch).transpose()?),
            5 => {
                let member = key.text()?.into();
                Self::Member(group, member, value.map(MemberValue::decode).transpose()?)
            }
            6 => Self::TargetEpoch(group, value.map(consumer::decode_target_epoch).transpose()?),
            7 => {
                let member = key.text()?.into();
                Self::TargetMember(
                    group,
                    member,
                    value.map(consumer::decode_target).transpose()?,
                )
            }
            8 => {
                let member = key.text()?.into();
                Self::Current(group, member, value.map(CurrentValue::decode).transpose()?)
            }
            _ => {
                let regex = key.text()?;
                Self::Regex(group, regex, value.map(RegexValue::decode).transpose()?)
            }
        }))
    }
}

fn begin_key(kind: i16, group: &GroupId) -> Writer {
    let mut key = Writer::new(Form::Classic);
    key.i16(kind);
    key.text(group.as_str());
    key
}

fn named_key(kind: i16, group: &GroupId, name: &str) -> Writer {
    let mut key = begin_key(kind, group);
    key.text(name);
    key
}

/// Reads a value's version, which must be among those known, and takes on its form.
fn open_value(
    bytes: Bytes,
    known: std::ops::RangeInclusive<i16>,
    flexible_from: i16,
) -> Result<(i16, Reader), FieldError> {
    let mut reader = Reader::new(bytes, Form::Classic);
    let version = reader.i16()?;
    if !known.contains(&version) {
        return Err(FieldError::Version);
    }
    if version >= flexible_from {
        reader.set_form(Form::Compact);
    }
    Ok((version, reader))
}

/// Begins a value: its version is always in the classic form, but it is only a number.
fn begin_value(version: i16, form: Form) -> Writer {
    let mut writer = Writer::new(form);
    writer.i16(version);
    writer
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
