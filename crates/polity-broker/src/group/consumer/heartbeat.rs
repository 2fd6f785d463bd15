//! A heartbeat, from request to answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;
use uuid::Uuid;

use super::assignment::{Assignment, from_parts, to_parts};
use super::assignor::{Assignor, Subscriber};
use super::member::Identity;
use super::request::{Heartbeat, HeartbeatAnswer};
use super::subscription::metadata_hash;
use super::{Change, ConsumerGroup, Current, LEAVE, LEAVE_STATIC, Progress};
use crate::group::context::{Call, Topics};
use crate::group::error::Error;
use crate::group::id::MemberId;
use crate::group::record::Record;

impl ConsumerGroup {
    /// Takes the member one step further, or to its end.
    pub(in crate::group) fn heartbeat(
        &mut self,
        call: &mut Call,
        mut request: Heartbeat,
    ) -> Result<HeartbeatAnswer, Error> {
        if request.member.is_empty() {
            request.member = call.new_member_id(&request.client.id);
        }
        match request.epoch {
            LEAVE => self.leave(call, &request)?,
            LEAVE_STATIC => self.leave_for_a_while(call, &request)?,
            _ => return self.go_on(call, &request),
        }
        Ok(self.answer(call, &request, request.epoch, None))
    }

    fn go_on(&mut self, call: &mut Call, request: &Heartbeat) -> Result<HeartbeatAnswer, Error> {
        let id = &request.member;
        let identity = self.identify(id, request, call.settings)?;
        let before = self.currents.get(id).cloned();
        if identity != Identity::Known || !self.is_settled(request, call.outside.topics) {
            let mut change = Change::of(self, call);
            change.work_out(identity, request, call.outside.topics)?;
            change.commit(self, call)?;
        }
        let until = call.now().instant + call.settings.consumer_session_timeout;
        self.sessions.insert(id.clone(), until);
        let Some(current) = self.currents.get(id) else {
            return Err(Error::UnknownMemberId);
        };
        let same = before.is_some_and(|before| before.assigned == current.assigned);
        let assignment = (!same || request.is_full()).then(|| to_parts(&current.assigned));
        Ok(self.answer(call, request, current.epoch, assignment))
    }

    fn answer(
        &self,
        call: &Call,
        request: &Heartbeat,
        epoch: i32,
        assignment: Option<Vec<crate::group::record::TopicPartitions>>,
    ) -> HeartbeatAnswer {
        HeartbeatAnswer {
            member: request.member.clone(),
            epoch,
            interval: call.settings.consumer_heartbeat_interval,
            assignment,
        }
    }

    /// Whether there is nothing to do for this member, as most of the time: it says nothing new, no
    /// topic has changed, and it has what it should have.
    pub(in crate::group) fn is_settled(&self, request: &Heartbeat, topics: &dyn Topics) -> bool {
        let id = &request.member;
        let says_nothing_new = self
            .members
            .get(id)
            .is_some_and(|member| request.says_nothing_new(member));
        let has_all = self.currents.get(id).is_some_and(|current| {
            current.epoch == self.target_epoch && current.progress == Progress::Stable
        });
        says_nothing_new
            && has_all
            && self.topics_seen == Some(topics.version())
            && self.epoch.epoch == self.target_epoch
    }
}

impl Change<'_> {
    fn work_out(
        &mut self,
        identity: Identity,
        request: &Heartbeat,
        topics: &dyn Topics,
    ) -> Result<(), Error> {
        let id = &request.member;
        if let Identity::Successor(before) = &identity {
            self.succeed(before, id);
        }
        let subscribes_anew = self.update_member(request);
        let knew_topics = self.group.topics_seen == Some(topics.version());
        self.resolve_regexes(topics)?;
        let existing = match subscribes_anew || !knew_topics {
            true => Some(self.group.existing_topics(topics)),
            false => None,
        };
        let hash = existing
            .as_ref()
            .map_or(self.group.epoch.metadata_hash, metadata_hash);
        if subscribes_anew || hash != self.group.epoch.metadata_hash {
            self.next_epoch(hash);
        }
        if self.group.epoch.epoch > self.group.target_epoch {
            let existing = existing.unwrap_or_else(|| self.group.existing_topics(topics));
            self.assign(&existing);
        }
        let owned = request.owned.as_deref().map(from_parts);
        self.step(id, owned.as_ref());
        Ok(())
    }

    /// What the member says of itself. Whether that asks for another assignment.
    fn update_member(&mut self, request: &Heartbeat) -> bool {
        let id = &request.member;
        let before = self.group.members.get(id).cloned();
        let value = request.merged(before.as_deref());
        let wants = |value: &crate::group::record::MemberValue| {
            (
                value.topics.clone(),
                value.regex.clone(),
                value.assignor.clone(),
            )
        };
        let anew = before
            .as_ref()
            .is_none_or(|before| wants(before) != wants(&value));
        if before.is_none_or(|before| *before != value) {
            self.put(|group| Record::Member(group, id.clone(), Some(value)));
        }
        anew
    }

    /// A new target for everyone.
    fn assign(&mut self, existing: &BTreeMap<SmolStr, (Uuid, i32)>) {
        let group = &self.group;
        let subscriber = |(id, member): (&MemberId, &Arc<_>)| {
            let topics = group
                .topics_of(member)
                .filter_map(|name| existing.get(name));
            Subscriber {
                key: match &member.instance {
                    Some(instance) => instance.as_str().into(),
                    None => id.as_str().into(),
                },
                topics: topics.map(|(topic, _)| *topic).collect(),
                has: group.targets.get(id).cloned().unwrap_or_default(),
            }
        };
        let subscribers: Vec<Subscriber> = group.members.iter().map(subscriber).collect();
        let sizes = existing.values().copied().collect();
        let assignor = Assignor::preferred(group.members.values().map(|it| it.assignor.as_deref()));
        let targets = assignor.assign(&subscribers, &sizes);
        let ids: Vec<MemberId> = group.members.keys().cloned().collect();
        for (id, target) in ids.into_iter().zip(targets) {
            let before = self.group.targets.get(&id).map(|before| &**before);
            if before != Some(&target) {
                let parts = to_parts(&target);
                self.put(|group| Record::TargetMember(group, id, Some(parts)));
            }
        }
        let epoch = self.group.epoch.epoch;
        self.put(|group| Record::TargetEpoch(group, Some(epoch)));
    }

    fn step(&mut self, id: &MemberId, owned: Option<&Assignment>) {
        let group = &self.group;
        let before = group.currents.get(id);
        let nothing = Arc::default();
        let target = group.targets.get(id).unwrap_or(&nothing);
        let is_free = |at| group.owners.get(&at).is_none_or(|owner| owner == id);
        let joining = Current::joining(Assignment::new());
        let from = before.map_or(&joining, |before| &**before);
        let next = from.step(group.target_epoch, target, owned, is_free);
        if before.map(|before| &**before) != Some(&next) {
            self.put(|group| Record::Current(group, id.clone(), Some(next.to_value())));
        }
    }
}
