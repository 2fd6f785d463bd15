//! Random KIP-848 members whose answers get lost, topics that change, a journal that fails and a broker
//! that dies: no partition ever belongs to two, and in the end all are assigned.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::harness::*;
use crate::group::record::TopicPartitions;
use crate::group::*;
use crate::journal::AppendError;

const CLIENTS: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    /// Client, and whether the answer arrives.
    Beat(usize, bool),
    /// Gives up what it has been told to, and begins with what it has been given.
    Follow(usize),
    Subscribe(usize, u8),
    /// For good, or (a static one) for a while.
    Leave(usize, bool),
    /// Dies; the next one of that client has another id.
    Crash(usize),
    Topics(Vec<i32>),
    Advance(u64),
    Fail(bool),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        10 => (client.clone(), prop::bool::weighted(0.8)).prop_map(|(client, arrives)| Step::Beat(client, arrives)),
        8 => client.clone().prop_map(Step::Follow),
        1 => (client.clone(), 0..4u8).prop_map(|(client, what)| Step::Subscribe(client, what)),
        1 => (client.clone(), any::<bool>()).prop_map(|(client, good)| Step::Leave(client, good)),
        1 => client.prop_map(Step::Crash),
        1 => prop::collection::vec(1..5i32, 0..3).prop_map(Step::Topics),
        2 => (0..30_000u64).prop_map(Step::Advance),
        1 => any::<bool>().prop_map(Step::Fail),
        1 => Just(Step::Restart),
    ]
}

type Partitions = BTreeSet<(Uuid, i32)>;

#[derive(Debug, Default, Clone)]
struct Client {
    lives: u32,
    epoch: i32,
    subscribes: u8,
    owns: Partitions,
    told: Option<Partitions>,
    /// An answer was lost, or something has changed: the next heartbeat says everything.
    says_all: bool,
}

struct World {
    harness: Harness,
    clients: Vec<Client>,
    group_epoch: i32,
}

impl World {
    fn id(&self, client: usize) -> String {
        format!("{client}-{}", self.clients[client].lives)
    }

    fn instance(client: usize) -> Option<InstanceId> {
        (client % 2 == 1).then(|| InstanceId::from(format!("i{client}").as_str()))
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Beat(client, arrives) => self.beat(client, arrives),
            Step::Follow(client) => self.follow(client),
            Step::Subscribe(client, what) => {
                self.clients[client].subscribes = what;
                self.clients[client].says_all = true;
            }
            Step::Leave(client, for_good) => self.leave(client, for_good),
            Step::Crash(client) => self.start_anew(client),
            Step::Topics(sizes) => self.harness.set_topics(&sizes),
            Step::Advance(ms) => self.harness.advance(Duration::from_millis(ms)),
            Step::Fail(fails) => {
                self.harness.journal.failure = fails.then_some(AppendError::Unavailable);
            }
            Step::Restart => self.harness.restart(),
        }
        self.check();
    }

    fn request(&self, client: usize) -> Heartbeat {
        let it = &self.clients[client];
        let joins = it.epoch == 0;
        let all = it.says_all || joins;
        let topics: Vec<_> = match it.subscribes {
            0 => vec!["t0".into()],
            1 => vec!["t0".into(), "t1".into()],
            2 => vec!["t1".into(), "missing".into()],
            _ => vec![],
        };
        let regex = if it.subscribes == 3 { "t[0-9]" } else { "" };
        let part = |(topic, partition): &(Uuid, i32)| TopicPartitions {
            topic: *topic,
            partitions: vec![*partition],
        };
        let owned: Vec<_> = it.owns.iter().map(part).collect();
        Heartbeat {
            epoch: it.epoch,
            instance: Self::instance(client),
            topics: all.then_some(topics),
            regex: all.then(|| regex.into()),
            rebalance_timeout_ms: if all { 20_000 } else { -1 },
            owned: all.then_some(if joins { vec![] } else { owned }),
            ..beat(&self.id(client), 0, &[])
        }
    }

    fn beat(&mut self, client: usize, arrives: bool) {
        let it = &mut self.clients[client];
        if it.epoch == 0 {
            // Who joins has nothing.
            it.owns.clear();
        }
        if it.epoch == 0 || it.says_all {
            // What it says it does not have it must not take by an answer from before: the answer to
            // this one tells it all anew.
            it.told = None;
        }
        let request = self.request(client);
        let result = self.harness.consumer_heartbeat(request);
        let it = &mut self.clients[client];
        it.says_all = !arrives;
        match result {
            Ok(answer) if arrives => {
                it.epoch = answer.epoch;
                if let Some(parts) = answer.assignment {
                    let part = |it: TopicPartitions| {
                        it.partitions
                            .into_iter()
                            .map(move |partition| (it.topic, partition))
                    };
                    it.told = Some(parts.into_iter().flat_map(part).collect());
                }
            }
            Err(Error::CoordinatorNotAvailable) => it.says_all = true,
            Err(Error::UnreleasedInstanceId) | Ok(_) => {}
            Err(Error::UnknownMemberId | Error::FencedMemberEpoch | Error::GroupIdNotFound) => {
                it.owns.clear();
                it.told = None;
                it.epoch = 0;
            }
            Err(Error::FencedInstanceId) => self.start_anew(client),
            Err(error) => panic!("{error}"),
        }
    }

    fn follow(&mut self, client: usize) {
        let it = &mut self.clients[client];
        if let Some(told) = it.told.take() {
            it.owns = told;
            it.says_all = true;
        }
    }

    fn leave(&mut self, client: usize, for_good: bool) {
        let epoch = if for_good || Self::instance(client).is_none() {
            -1
        } else {
            -2
        };
        if self.clients[client].epoch > 0 {
            let request = Heartbeat {
                epoch,
                ..self.request(client)
            };
            let _ = self.harness.consumer_heartbeat(request);
        }
        self.start_anew(client);
    }

    fn start_anew(&mut self, client: usize) {
        let it = &mut self.clients[client];
        let (lives, subscribes) = (it.lives + 1, it.subscribes);
        *it = Client {
            lives,
            subscribes,
            ..Client::default()
        };
    }

    fn check_owners(&self) {
        let held = self.harness.coordinator.held(&"g".into());
        let total: usize = held.values().map(BTreeSet::len).sum();
        let distinct: BTreeSet<_> = held.values().flatten().collect();
        assert_eq!(distinct.len(), total, "a partition belongs to two");
        for client in 0..CLIENTS {
            let it = &self.clients[client];
            if let Some(held) = held.get(self.id(client).as_str()) {
                assert!(it.owns.is_subset(held), "{client} has what it may not have");
            }
        }
    }

    fn check(&mut self) {
        self.check_owners();
        let id = GroupId::from("g");
        let live = &self.harness.coordinator;
        live.check_weight();
        let replayed = self.harness.replayed(&self.harness.journal.written);
        assert_eq!(replayed.consumer_snapshot(&id), live.consumer_snapshot(&id));
        let compacted = self.harness.replayed(&self.harness.journal.compacted());
        assert_eq!(
            compacted.consumer_snapshot(&id),
            live.consumer_snapshot(&id)
        );
        if let Some(group) = live.describe_consumer(&id) {
            assert!(group.epoch >= self.group_epoch && group.target_epoch <= group.epoch);
            self.group_epoch = group.epoch;
        }
    }

    /// All goes well for a while: everybody has their share in the end.
    fn settle(&mut self) {
        self.run(Step::Fail(false));
        self.harness.set_topics(&[4, 3]);
        for _ in 0..40 {
            for client in 0..CLIENTS {
                self.beat(client, true);
                self.follow(client);
                self.check_owners();
            }
            self.harness.advance(Duration::from_secs(5));
        }
        let group = self
            .harness
            .coordinator
            .describe_consumer(&"g".into())
            .unwrap();
        assert_eq!((group.state, group.members.len()), ("Stable", CLIENTS));
        let wanted: BTreeSet<_> = group
            .members
            .iter()
            .flat_map(|it| it.topics.clone())
            .collect();
        let size = |topic: &str| {
            self.harness
                .topics
                .find(topic)
                .map_or(0, |it| it.partitions as usize)
        };
        let expected: usize = wanted.iter().map(|topic| size(topic)).sum();
        let owned: BTreeSet<_> = self.clients.iter().flat_map(|it| it.owns.clone()).collect();
        let each: usize = self.clients.iter().map(|it| it.owns.len()).sum();
        assert_eq!(
            (owned.len(), each),
            (expected, expected),
            "every partition has one owner"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_partition_belongs_to_two_and_all_are_assigned_in_the_end(steps in prop::collection::vec(step(), 1..150)) {
        let clients = vec![Client::default(); CLIENTS];
        let mut world = World { harness: Harness::with_topics(&[3, 2]), clients, group_epoch: 0 };
        for step in steps {
            world.run(step);
        }
        world.settle();
    }
}
