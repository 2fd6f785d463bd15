//! Random clients, a journal that fails and a broker that dies, against a model of what must be.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::harness::*;
use crate::group::*;
use crate::journal::{AppendError, ProducerIdentity};

const CLIENTS: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    /// Client, and which topic it now subscribes to.
    Join(usize, u8),
    Sync(usize),
    Heartbeat(usize),
    Leave(usize),
    /// It restarts: it knows only its instance id, if it has one.
    Forget(usize),
    /// Client, partition; in that producer's transaction or in none.
    Commit(usize, i32, Option<i64>),
    End(i64, bool),
    DeleteOffset(i32),
    DeleteGroup,
    Advance(u64),
    Fail(bool),
    Restart,
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    let producer = 0..2i64;
    prop_oneof![
        6 => (client.clone(), 0..2u8).prop_map(|(client, topic)| Step::Join(client, topic)),
        6 => client.clone().prop_map(Step::Sync),
        2 => client.clone().prop_map(Step::Heartbeat),
        1 => client.clone().prop_map(Step::Leave),
        1 => client.clone().prop_map(Step::Forget),
        3 => (client, 0..2, prop::option::of(producer.clone()))
            .prop_map(|(client, partition, producer)| Step::Commit(client, partition, producer)),
        1 => (producer, any::<bool>()).prop_map(|(producer, committed)| Step::End(producer, committed)),
        1 => (0..2).prop_map(Step::DeleteOffset),
        1 => Just(Step::DeleteGroup),
        2 => (0..20_000u64).prop_map(Step::Advance),
        1 => any::<bool>().prop_map(Step::Fail),
        1 => Just(Step::Restart),
        1 => Just(Step::Sweep),
    ]
}

#[derive(Debug, Default)]
struct Client {
    who: Who,
    topic: u8,
    /// It has joined this generation as its leader, with these members.
    leads: Option<(i32, Vec<MemberId>)>,
    waits: Option<Ticket>,
}

/// What must be.
#[derive(Debug, Default)]
struct Model {
    /// Of each generation since the last restart: its leader and its protocol, as answered.
    generations: BTreeMap<i32, MemberId>,
    /// What a leader said, by generation and member.
    said: BTreeMap<(i32, MemberId), Bytes>,
    /// What is committed, with the number of the commit.
    committed: BTreeMap<i32, (u64, i64)>,
    pending: BTreeMap<(i64, i32), (u64, i64)>,
    commits: u64,
}

struct World {
    harness: Harness,
    clients: Vec<Client>,
    model: Model,
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t0", partition)
}

impl World {
    fn new() -> Self {
        let client = |number: usize| {
            // Every second one is static.
            let instance =
                (number % 2 == 1).then(|| InstanceId::from(format!("i{number}").as_str()));
            let who = Who {
                instance,
                ..Who::default()
            };
            Client {
                who,
                ..Client::default()
            }
        };
        Self {
            harness: Harness::default(),
            clients: (0..CLIENTS).map(client).collect(),
            model: Model::default(),
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Join(client, topic) => {
                self.clients[client].topic = topic;
                self.join(client);
            }
            Step::Sync(client) => self.sync(client),
            Step::Heartbeat(client) => self.heartbeat(client),
            Step::Leave(client) => {
                let result = self.harness.leave(&self.clients[client].who);
                if result.is_ok() {
                    self.forget(client);
                }
            }
            Step::Forget(client) => self.forget(client),
            Step::Commit(client, partition, producer) => self.commit(client, partition, producer),
            Step::End(producer, committed) => self.end(producer, committed),
            Step::DeleteOffset(partition) => self.delete_offset(partition),
            Step::DeleteGroup => {
                if self
                    .harness
                    .call(|it, outside| it.delete(outside, &"g".into()))
                    .is_ok()
                {
                    self.model.committed.clear();
                    self.model.pending.clear();
                }
            }
            Step::Advance(ms) => self.harness.advance(Duration::from_millis(ms)),
            Step::Fail(fails) => {
                self.harness.journal.failure = fails.then_some(AppendError::Unavailable);
            }
            Step::Restart => {
                self.harness.restart();
                // Whoever waited finds its connection closed; a generation that was never assigned is
                // forgotten, and its number is used again.
                self.clients
                    .iter_mut()
                    .for_each(|client| client.waits = None);
                self.model.generations.clear();
            }
            Step::Sweep => {
                let _ = self.harness.call(|it, outside| it.sweep(outside));
            }
        }
        self.hear();
        self.check();
    }

    fn join(&mut self, client: usize) {
        let Client { who, topic, .. } = &self.clients[client];
        let protocols = vec![("range".into(), subscription(&format!("t{topic}")))];
        let join = Join {
            protocols,
            ..join_request(who)
        };
        let ticket = self.harness.join_with(join);
        self.wait(client, ticket);
    }

    fn sync(&mut self, client: usize) {
        let Client { who, leads, .. } = &self.clients[client];
        let who = who.clone();
        let said: Vec<(MemberId, String)> = match leads {
            Some((generation, members)) if *generation == who.generation => {
                let say = |member: &MemberId| {
                    (
                        member.clone(),
                        format!("{generation} {member} by {}", who.member),
                    )
                };
                members.iter().map(say).collect()
            }
            _ => Vec::new(),
        };
        for (member, data) in &said {
            let data = Bytes::copy_from_slice(data.as_bytes());
            self.model
                .said
                .insert((who.generation, member.clone()), data);
        }
        let said: Vec<(&MemberId, &str)> =
            said.iter().map(|(id, data)| (id, data.as_str())).collect();
        let ticket = self.harness.sync(&who, &said);
        self.wait(client, ticket);
    }

    /// A client has one request under way: who asks again has given up on the one before.
    fn wait(&mut self, client: usize, ticket: Ticket) {
        self.clients[client].waits = Some(ticket);
    }

    fn heartbeat(&mut self, client: usize) {
        let who = self.clients[client].who.clone();
        let result = self.harness.heartbeat(&who);
        self.mind(client, result);
    }

    /// What a client does about an error.
    fn mind(&mut self, client: usize, result: Result<(), Error>) {
        match result {
            Err(Error::UnknownMemberId | Error::FencedInstanceId) => self.forget(client),
            Err(Error::IllegalGeneration) => {
                self.clients[client].who.generation = -1;
                self.clients[client].waits = None;
            }
            _ => {}
        }
    }

    fn forget(&mut self, client: usize) {
        let client = &mut self.clients[client];
        let instance = client.who.instance.clone();
        client.who = Who {
            instance,
            generation: -1,
            ..Who::default()
        };
        client.leads = None;
        // Whatever it waited for, it waits no more.
        client.waits = None;
    }

    fn commit(&mut self, client: usize, partition: i32, producer: Option<i64>) {
        self.model.commits += 1;
        let number = self.model.commits;
        let offset = number as i64;
        let who = self.clients[client].who.clone();
        let commit = Harness::commit_request(&who, &at(partition), offset);
        let result = self.harness.call(|it, outside| match producer {
            None => it.commit(outside, commit),
            Some(id) => {
                it.commit_in_transaction(outside, ProducerIdentity { id, epoch: 0 }, commit)
            }
        });
        if result.is_ok() {
            match producer {
                None => self.model.committed.insert(partition, (number, offset)),
                Some(id) => self.model.pending.insert((id, partition), (number, offset)),
            };
        }
        self.mind(client, result.map(drop));
    }

    fn end(&mut self, id: i64, committed: bool) {
        self.harness
            .journal
            .mark(ProducerIdentity { id, epoch: 0 }, committed);
        self.harness.coordinator.complete_transaction(id, committed);
        let ended: Vec<_> = self
            .model
            .pending
            .keys()
            .filter(|it| it.0 == id)
            .copied()
            .collect();
        for key in ended {
            let new = self.model.pending.remove(&key).unwrap();
            let entry = self.model.committed.entry(key.1).or_insert(new);
            if !committed && *entry == new {
                self.model.committed.remove(&key.1);
            } else if committed {
                *entry = (*entry).max(new);
            }
        }
    }

    fn delete_offset(&mut self, partition: i32) {
        let all = [at(partition)];
        let result = self
            .harness
            .call(|it, outside| it.delete_offsets(outside, &"g".into(), &all));
        if result.is_ok_and(|results| results[0].is_ok()) {
            self.model.committed.remove(&partition);
            self.model.pending.retain(|key, _| key.1 != partition);
        }
    }

    /// Hands out the answers, each of which must be to a request that was not answered before.
    fn hear(&mut self) {
        for (ticket, answer) in std::mem::take(&mut self.harness.answers) {
            assert!(
                self.harness.unanswered.remove(&ticket),
                "{ticket:?} is answered twice"
            );
            let joined = match &answer {
                Answer::Joined(Ok(joined)) => Some(joined.clone()),
                _ => None,
            };
            if let Some(joined) = &joined {
                self.check_generation(joined);
            }
            let waiting = |client: &Client| client.waits == Some(ticket);
            let Some(client) = self.clients.iter().position(waiting) else {
                continue;
            };
            self.clients[client].waits = None;
            match answer {
                Answer::Joined(Ok(joined)) => {
                    let it = &mut self.clients[client];
                    it.who.generation = joined.generation;
                    it.who.member = joined.member.clone();
                    let members = joined.members.into_iter().map(|member| member.id).collect();
                    let leads = joined.leader == joined.member && !joined.skip_assignment;
                    it.leads = leads.then_some((joined.generation, members));
                }
                Answer::Joined(Err(refused)) if refused.error == Error::MemberIdRequired => {
                    self.clients[client].who.member = refused.member;
                    self.clients[client].who.generation = -1;
                }
                Answer::Joined(Err(refused)) => self.mind(client, Err(refused.error)),
                Answer::Synced(Ok(synced)) => self.check_share(client, &synced.assignment),
                Answer::Synced(Err(error)) => self.mind(client, Err(error)),
            }
        }
    }

    /// One leader in a generation, which knows everybody.
    fn check_generation(&mut self, joined: &Joined) {
        assert!(joined.generation > 0);
        if joined.leader == joined.member {
            assert!(joined.members.iter().any(|it| it.id == joined.member));
        } else {
            assert!(joined.members.is_empty());
        }
        // A static member that takes its old place may hear of the old leader: itself, before.
        let is_static = joined.member.as_str().starts_with('i');
        if !is_static {
            let leader = self.model.generations.entry(joined.generation);
            let leader = leader.or_insert_with(|| joined.leader.clone());
            assert!(
                *leader == joined.leader || leader.as_str().starts_with('i'),
                "two leaders"
            );
        }
    }

    /// A share is what a leader said for that member in that generation.
    fn check_share(&self, client: usize, share: &Bytes) {
        let who = &self.clients[client].who;
        if who.instance.is_some() && share.starts_with(format!("{} i", who.generation).as_bytes()) {
            return; // Said for the member whose place it took.
        }
        let said = self.model.said.get(&(who.generation, who.member.clone()));
        assert_eq!(said.unwrap_or(&Bytes::new()), share);
    }

    fn check(&mut self) {
        let live = &self.harness.coordinator;
        if live.describe(&"g".into()).is_none() {
            // The next of that name begins anew.
            self.model.generations.clear();
        }
        for partition in 0..2 {
            let expected = self.model.committed.get(&partition).map(|it| it.1);
            assert_eq!(self.harness.committed(&at(partition)), expected);
            let pending = self.model.pending.keys().any(|it| it.1 == partition);
            let offsets = live.offsets(&"g".into());
            assert_eq!(
                offsets.is_some_and(|it| it.is_pending(&at(partition))),
                pending
            );
        }
        let replayed = self.harness.replayed(&self.harness.journal.written);
        let compacted = self.harness.replayed(&self.harness.journal.compacted());
        assert_eq!(
            replayed.snapshot(),
            compacted.snapshot(),
            "compaction changes something"
        );
        live.check_weight();
        let (live, replayed) = (live.snapshot(), replayed.snapshot());
        for (id, (group, offsets)) in &live {
            let (replayed_group, replayed_offsets) = match replayed.get(id) {
                Some((group, offsets)) => (Some(group), Some(offsets)),
                None => (None, None),
            };
            assert_eq!(replayed_offsets.unwrap_or(&Offsets::default()), offsets);
            // What is in between is not written down, nor what could not be.
            if let Some(group) = group {
                assert_eq!(replayed_group.unwrap().as_ref(), Some(group));
            }
        }
        let gone = |id: &&GroupId| !live.contains_key(id.as_str());
        assert_eq!(
            replayed.keys().find(gone),
            None,
            "forgotten, but written down"
        );
    }

    /// All goes well for a while: everybody is a member in the end, of one generation.
    fn settle(&mut self) {
        self.run(Step::Fail(false));
        for _ in 0..200 {
            for client in 0..CLIENTS {
                if self.clients[client].waits.is_none() {
                    let who = self.clients[client].who.clone();
                    let has_joined = who.generation >= 0;
                    let state = match has_joined {
                        true => self.harness.heartbeat(&who),
                        false => Err(Error::RebalanceInProgress),
                    };
                    self.mind(client, state);
                    match state {
                        Ok(()) => self.sync(client),
                        Err(_) => self.join(client),
                    }
                    self.hear();
                }
            }
            self.harness.advance(Duration::from_millis(500));
            self.hear();
        }
        let described = self.harness.coordinator.describe(&"g".into()).unwrap();
        assert_eq!(
            (described.state, described.members.len()),
            ("Stable", CLIENTS)
        );
        for client in 0..CLIENTS {
            self.run(Step::Sync(client));
            assert_eq!(self.clients[client].waits, None);
        }
        assert!(
            self.harness.unanswered.is_empty(),
            "{:?}",
            self.harness.unanswered
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_state_and_journal_agree_and_the_group_recovers(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.settle();
    }
}
