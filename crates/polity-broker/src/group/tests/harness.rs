//! A coordinator with a journal in memory and a clock that is told.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use polity_core::SplitMix64;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::group::record::TopicPartitions;
use crate::group::*;
use crate::journal::memory::{MemoryJournal, Written};
use crate::now::Now;

/// Topics `t0` to `t9` with as many partitions as set.
#[derive(Debug, Default)]
pub(crate) struct TestTopics {
    pub(crate) all: Vec<(SmolStr, i32)>,
    pub(crate) version: u64,
}

impl Topics for TestTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn find(&self, name: &str) -> Option<Topic> {
        let (at, (_, partitions)) = self.all.iter().enumerate().find(|(_, it)| it.0 == name)?;
        Some(Topic {
            id: Uuid::from_u128(at as u128 + 1),
            partitions: *partitions,
        })
    }

    fn each(&self, visit: &mut dyn FnMut(&SmolStr)) {
        self.all.iter().for_each(|(name, _)| visit(name));
    }
}

pub(crate) struct Harness {
    pub(crate) coordinator: Coordinator,
    pub(crate) settings: Settings,
    pub(crate) journal: MemoryJournal,
    pub(crate) topics: TestTopics,
    pub(crate) now: Now,
    pub(crate) answers: Vec<(Ticket, Answer)>,
    /// Requests that wait.
    pub(crate) unanswered: BTreeSet<Ticket>,
    rng: SplitMix64,
    tickets: u64,
}

/// Who a test speaks as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) member: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) generation: i32,
}

impl Who {
    pub(crate) fn sender(&self) -> Sender<'_> {
        Sender {
            member: &self.member,
            instance: self.instance.as_ref(),
            generation: self.generation,
        }
    }
}

/// A KIP-848 heartbeat that says everything: a member of `t0` that has these partitions of it.
pub(crate) fn beat(member: &str, epoch: i32, owned: &[i32]) -> Heartbeat {
    let topic = Uuid::from_u128(1);
    let owned = TopicPartitions {
        topic,
        partitions: owned.to_vec(),
    };
    let owned = Some(owned).filter(|it| !it.partitions.is_empty());
    Heartbeat {
        version: 1,
        group: "g".into(),
        member: member.into(),
        epoch,
        instance: None,
        rack: None,
        client: Client {
            id: "c".into(),
            host: "h".into(),
        },
        rebalance_timeout_ms: 20_000,
        topics: Some(vec!["t0".into()]),
        regex: None,
        assignor: None,
        owned: Some(owned.into_iter().collect()),
    }
}

/// What a consumer of that topic says.
pub(crate) fn subscription(topic: &str) -> Bytes {
    let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, topic.len() as u8];
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(&[0xff; 4]);
    bytes.into()
}

pub(crate) fn join_request(who: &Who) -> Join {
    Join {
        version: 9,
        group: "g".into(),
        member: who.member.clone(),
        instance: who.instance.clone(),
        client: Client {
            id: "c".into(),
            host: "h".into(),
        },
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), subscription("t0"))],
    }
}

impl Harness {
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            coordinator: Coordinator::new(settings.clone()),
            settings,
            journal: MemoryJournal::default(),
            topics: TestTopics::default(),
            now: Now {
                instant: Instant::now(),
                unix_ms: 1_000_000,
            },
            answers: Vec::new(),
            unanswered: BTreeSet::new(),
            rng: SplitMix64::new(seed),
            tickets: 0,
        }
    }

    /// Lets the test call the coordinator.
    pub(crate) fn call<T>(&mut self, act: impl FnOnce(&mut Coordinator, &mut Context) -> T) -> T {
        let mut outside = Context {
            now: self.now,
            rng: &mut self.rng,
            journal: &mut self.journal,
            topics: &self.topics,
            answers: &mut self.answers,
        };
        act(&mut self.coordinator, &mut outside)
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.unanswered.insert(ticket);
        ticket
    }

    pub(crate) fn join_with(&mut self, join: Join) -> Ticket {
        let ticket = self.ticket();
        self.call(|coordinator, outside| coordinator.join(outside, ticket, join));
        ticket
    }

    pub(crate) fn join(&mut self, who: &Who) -> Ticket {
        self.join_with(join_request(who))
    }

    pub(crate) fn sync(&mut self, who: &Who, assignments: &[(&MemberId, &str)]) -> Ticket {
        let ticket = self.ticket();
        let to_owned = |(id, data): &(&MemberId, &str)| {
            ((*id).clone(), Bytes::copy_from_slice(data.as_bytes()))
        };
        let sync = Sync {
            group: "g".into(),
            member: who.member.clone(),
            instance: who.instance.clone(),
            generation: who.generation,
            protocol_type: None,
            protocol: None,
            assignments: assignments.iter().map(to_owned).collect(),
        };
        self.call(|coordinator, outside| coordinator.sync(outside, ticket, sync));
        ticket
    }

    pub(crate) fn consumer_heartbeat(
        &mut self,
        request: Heartbeat,
    ) -> Result<HeartbeatAnswer, Error> {
        self.call(|it, outside| it.consumer_heartbeat(outside, request))
    }

    /// The member's epoch and its partitions of the only topic, if it is told.
    #[track_caller]
    pub(crate) fn beat(&mut self, request: Heartbeat) -> (i32, Option<Vec<i32>>) {
        let answer = self.consumer_heartbeat(request).unwrap();
        let partitions =
            |all: Vec<TopicPartitions>| all.into_iter().flat_map(|it| it.partitions).collect();
        (answer.epoch, answer.assignment.map(partitions))
    }

    pub(crate) fn with_topics(sizes: &[i32]) -> Self {
        let mut harness = Self::default();
        harness.set_topics(sizes);
        harness
    }

    pub(crate) fn set_topics(&mut self, sizes: &[i32]) {
        let named = |(number, size): (usize, &i32)| (SmolStr::from(format!("t{number}")), *size);
        self.topics.all = sizes.iter().enumerate().map(named).collect();
        self.topics.version += 1;
    }

    pub(crate) fn heartbeat(&mut self, who: &Who) -> Result<(), Error> {
        self.call(|it, outside| it.heartbeat(outside, &"g".into(), who.sender()))
    }

    pub(crate) fn leave(&mut self, who: &Who) -> Result<(), Error> {
        let leaving = Leaving {
            member: who.member.clone(),
            instance: who.instance.clone(),
        };
        let results = self.call(|it, outside| it.leave(outside, &"g".into(), &[leaving]));
        results.unwrap().remove(0)
    }

    pub(crate) fn commit_request(who: &Who, at: &TopicPartition, offset: i64) -> Commit {
        Commit {
            group: "g".into(),
            member: who.member.clone(),
            instance: who.instance.clone(),
            generation: who.generation,
            retention_ms: None,
            offsets: vec![NewOffset {
                at: at.clone(),
                offset,
                leader_epoch: 0,
                metadata: "".into(),
            }],
        }
    }

    pub(crate) fn commit(
        &mut self,
        who: &Who,
        at: &TopicPartition,
        offset: i64,
    ) -> Result<(), Error> {
        let commit = Self::commit_request(who, at, offset);
        self.call(|it, outside| it.commit(outside, commit))
            .map(|results| results[0].unwrap())
    }

    pub(crate) fn committed(&self, at: &TopicPartition) -> Option<i64> {
        let offsets = self.coordinator.offsets(&"g".into())?;
        offsets.get(at).map(|value| value.offset)
    }

    /// The answer to a ticket, if it is there: it is handed out once.
    pub(crate) fn answer(&mut self, ticket: Ticket) -> Option<Answer> {
        let at = self.answers.iter().position(|(it, _)| *it == ticket)?;
        Some(self.answers.remove(at).1)
    }

    #[track_caller]
    pub(crate) fn joined(&mut self, ticket: Ticket) -> Joined {
        match self.answer(ticket) {
            Some(Answer::Joined(Ok(joined))) => joined,
            other => panic!("not joined: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn refused(&mut self, ticket: Ticket) -> (Error, MemberId) {
        match self.answer(ticket) {
            Some(Answer::Joined(Err(refused))) => (refused.error, refused.member),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn synced(&mut self, ticket: Ticket) -> Result<Bytes, Error> {
        match self.answer(ticket) {
            Some(Answer::Synced(result)) => result.map(|synced| synced.assignment),
            other => panic!("not synced: {other:?}"),
        }
    }

    /// Time goes on, each deadline kept.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now.instant + by;
        while let Some(next) = self.coordinator.next_deadline().filter(|next| *next <= end) {
            self.set(next.max(self.now.instant));
            self.call(|coordinator, outside| coordinator.expire(outside));
            let left = self.coordinator.next_deadline();
            assert!(
                left.is_none_or(|left| left > self.now.instant),
                "a deadline that is not kept"
            );
        }
        self.set(end);
    }

    fn set(&mut self, instant: Instant) {
        let by = instant - self.now.instant;
        self.now = Now {
            instant,
            unix_ms: self.now.unix_ms + by.as_millis() as i64,
        };
    }

    /// A coordinator that knows what is written.
    pub(crate) fn replayed(&self, written: &[Written]) -> Coordinator {
        let mut coordinator = Coordinator::new(self.settings.clone());
        for written in written.iter().cloned() {
            match written {
                Written::Entry {
                    offset,
                    producer,
                    entry,
                } => {
                    let producer = producer.map(|producer| producer.id);
                    coordinator
                        .replay(offset, producer, entry, self.now)
                        .unwrap();
                }
                Written::Marker {
                    producer,
                    committed,
                } => {
                    coordinator.complete_transaction(producer.id, committed);
                }
            }
        }
        coordinator
    }

    /// The broker dies and starts again.
    pub(crate) fn restart(&mut self) {
        self.coordinator = self.replayed(&self.journal.written);
        self.answers.clear();
        self.unanswered.clear();
    }

    /// A member that has joined and waits for nothing, in a group of its own making.
    pub(crate) fn lone_member(&mut self, instance: Option<&str>) -> Who {
        let mut who = Who {
            instance: instance.map(InstanceId::from),
            ..Who::default()
        };
        let mut ticket = self.join(&who);
        if who.instance.is_none() {
            let (error, member) = self.refused(ticket);
            assert_eq!(error, Error::MemberIdRequired);
            who.member = member;
            ticket = self.join(&who);
        }
        let joined = self.joined(ticket);
        who.member = joined.member.clone();
        who.generation = joined.generation;
        let ticket = self.sync(&who, &[(&who.member.clone(), "all")]);
        assert_eq!(self.synced(ticket), Ok(Bytes::from_static(b"all")));
        who
    }

    /// A second member joins, and both are assigned to.
    pub(crate) fn with_second(&mut self, first: &mut Who, instance: Option<&str>) -> Who {
        let mut second = Who {
            instance: instance.map(InstanceId::from),
            ..Who::default()
        };
        let mut ticket = self.join(&second);
        if instance.is_none() {
            second.member = self.refused(ticket).1;
            ticket = self.join(&second);
        }
        assert_eq!(self.heartbeat(first), Err(Error::RebalanceInProgress));
        let again = self.join(first);
        let joined = self.joined(again);
        first.generation = joined.generation;
        let joined = self.joined(ticket);
        second.member = joined.member;
        second.generation = joined.generation;
        let follower = self.sync(&second, &[]);
        assert_eq!(self.answer(follower), None);
        let leader = self.sync(
            first,
            &[(&first.member.clone(), "one"), (&second.member, "two")],
        );
        assert_eq!(self.synced(leader), Ok(Bytes::from_static(b"one")));
        assert_eq!(self.synced(follower), Ok(Bytes::from_static(b"two")));
        second
    }
}

impl Default for Harness {
    fn default() -> Self {
        Self::new(Settings::default(), 1)
    }
}
