//! From what members subscribe to, by name or by regular expression, to topics.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;
use uuid::Uuid;

use super::{Change, ConsumerGroup};
use crate::group::context::Topics;
use crate::group::error::Error;
use crate::group::record::{MemberValue, Record, RegexValue};
use crate::pattern;

impl ConsumerGroup {
    /// The names that a member subscribes to; topics that there are not among them.
    pub(super) fn topics_of<'a>(
        &'a self,
        member: &'a MemberValue,
    ) -> impl Iterator<Item = &'a SmolStr> {
        let resolved = member
            .regex
            .as_ref()
            .and_then(|regex| self.regexes.get(regex));
        let by_regex = resolved.into_iter().flat_map(|resolved| &resolved.topics);
        member.topics.iter().chain(by_regex)
    }

    /// The topics that there are of those subscribed to: id and number of partitions, by name.
    pub(super) fn existing_topics(&self, topics: &dyn Topics) -> BTreeMap<SmolStr, (Uuid, i32)> {
        let find = |name: SmolStr| {
            let topic = topics.find(&name)?;
            Some((name, (topic.id, topic.partitions)))
        };
        self.subscribed_topics()
            .into_iter()
            .filter_map(find)
            .collect()
    }
}

/// A number that is another one when a topic came or went, or got partitions (FNV-1a).
pub(super) fn metadata_hash(topics: &BTreeMap<SmolStr, (Uuid, i32)>) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for (name, (id, partitions)) in topics {
        add(name.as_bytes());
        add(id.as_bytes());
        add(&partitions.to_be_bytes());
    }
    hash as i64
}

impl Change<'_> {
    /// Sees to it that each regular expression in use stands for the topics there are now, and that
    /// none is kept that is not in use. Most of the time there is nothing to do.
    pub(super) fn resolve_regexes(&mut self, topics: &dyn Topics) -> Result<(), Error> {
        let is_current = self.group.topics_seen == Some(topics.version());
        let used: BTreeSet<SmolStr> = {
            let members = self.group.members.values();
            members.filter_map(|member| member.regex.clone()).collect()
        };
        let unused = |regex: &&SmolStr| !used.contains(*regex);
        let unused: Vec<_> = self.group.regexes.keys().filter(unused).cloned().collect();
        for regex in unused {
            self.put(|group| Record::Regex(group, regex, None));
        }
        for regex in used {
            let known = self.group.regexes.get(&regex);
            if is_current && known.is_some() {
                continue;
            }
            let names = matching(&regex, topics)?;
            if known.is_none_or(|known| known.topics != names) {
                let value = RegexValue {
                    topics: names,
                    version: i64::try_from(topics.version()).unwrap_or(i64::MAX),
                    resolved_at_ms: self.now.unix_ms,
                };
                self.put(|group| Record::Regex(group, regex, Some(value)));
            }
        }
        self.group.topics_seen = Some(topics.version());
        Ok(())
    }
}

/// The topics whose whole name matches, sorted.
fn matching(regex: &str, topics: &dyn Topics) -> Result<Vec<SmolStr>, Error> {
    let regex = pattern::whole(regex).map_err(|_| Error::InvalidRegularExpression)?;
    let mut names = Vec::new();
    topics.each(&mut |name| {
        if regex.is_match(name) {
            names.push(name.clone());
        }
    });
    names.sort_unstable();
    Ok(names)
}
