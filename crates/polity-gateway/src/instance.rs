//! An instance as the gateway knows it: where it is, how busy it is, and what it has done.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use polity_balance::{Endpoint, EndpointSpec, Zone};
use polity_catalog::Instance as Listed;
use polity_core::InstanceId;
use polity_resilience::CircuitBreaker;
use polity_resilience::outlier::Record;
use tokio::sync::Notify;

use crate::moment::moment;
use crate::stable_hash::StableHash;
use crate::statistics::{Statistics, Summary};

/// Shared by every snapshot that holds the instance, and by every request at it.
#[derive(Debug, Clone)]
pub(crate) struct Instance(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) id: InstanceId,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as a `host` field says them, port 80 left out.
    pub(crate) authority: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) statistics: Statistics,
    /// How it does beside the others.
    pub(crate) record: Record,
    /// Its own, where the plan says that instances have one.
    pub(crate) breaker: ArcSwapOption<CircuitBreaker>,
    /// Told when somebody wants to know how busy it is.
    pub(crate) question: Notify,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Fixed(SocketAddr),
    /// A host name: the addresses it had last, and which of them is used. It moves on when one
    /// fails, so that a name with a dead address costs one retry rather than every other request.
    Named {
        addresses: ArcSwap<Vec<IpAddr>>,
        current: AtomicUsize,
    },
}

impl Instance {
    pub(crate) fn new(listed: &Listed, zone: Zone, now: Instant) -> Self {
        let (host, port) = (listed.host.as_str(), listed.port);
        let place = match host.parse::<IpAddr>() {
            Ok(address) => Place::Fixed((address, port).into()),
            Err(_) => Place::Named {
                addresses: ArcSwap::default(),
                current: AtomicUsize::new(0),
            },
        };
        Self(Arc::new(Inner {
            id: listed.id.clone(),
            host: host.to_owned(),
            port,
            authority: authority(host, port),
            endpoint: Endpoint::new(EndpointSpec {
                identity: identity(listed),
                weight: listed.weight,
                zone,
                since: moment(now),
            }),
            statistics: Statistics::new(now),
            record: Record::new(now),
            breaker: ArcSwapOption::empty(),
            question: Notify::new(),
            place,
        }))
    }

    /// Whether it is the one that is listed, at the same place, and still takes requests.
    pub(crate) fn stands_for(&self, listed: &Listed, zone: Zone) -> bool {
        self.id == listed.id
            && self.host == listed.host
            && self.port == listed.port
            && self.endpoint.zone() == zone
            && !self.endpoint.is_retired()
    }

    /// Whether both are the same, statistics and all.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where to connect; none while its name is not resolved.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match &self.0.place {
            Place::Fixed(address) => Some(*address),
            Place::Named { addresses, current } => {
                let addresses = addresses.load();
                let index = current.load(Ordering::Relaxed) % addresses.len().max(1);
                let address = *addresses.get(index)?;
                Some((address, self.0.port).into())
            }
        }
    }

    /// Whether the other is at the same place by another spelling. Two names of one address may be two
    /// places, which a server there tells apart by name.
    pub(crate) fn is_twin_of(&self, other: &Self) -> bool {
        let by_name = self.is_named() && other.is_named() && self.host != other.host;
        !by_name && self.address() == other.address()
    }

    /// A connection to its address could not be made.
    pub(crate) fn address_failed(&self) {
        if let Place::Named { current, .. } = &self.0.place {
            current.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether it is known by a name that has to be resolved.
    pub(crate) fn is_named(&self) -> bool {
        matches!(self.0.place, Place::Named { .. })
    }

    /// Its name has these addresses now.
    pub(crate) fn resolved(&self, found: Vec<IpAddr>) {
        if let Place::Named { addresses, .. } = &self.0.place
            && **addresses.load() != found
        {
            addresses.store(Arc::new(found));
        }
    }

    pub(crate) fn summary(&self, now: Instant) -> Summary {
        self.statistics.summary(now, self.endpoint.in_flight())
    }
}

/// What hashes and sessions know the instance by: what lasts longest. What Polity runs has a port that it
/// may not get again, and the same id when it is started again; ids of what runs elsewhere are given by
/// the order in which a plan names the places.
fn identity(listed: &Listed) -> u64 {
    let mut hash = StableHash::default();
    match listed.version {
        Some(_) => hash.write(listed.id.as_str().as_bytes()),
        None => {
            hash.write(listed.host.as_bytes());
            hash.write(&listed.port.to_be_bytes());
        }
    }
    hash.finish()
}

fn authority(host: &str, port: u16) -> String {
    match (host.contains(':'), port) {
        (true, 80) => format!("[{host}]"),
        (true, _) => format!("[{host}]:{port}"),
        (false, 80) => host.to_owned(),
        (false, _) => format!("{host}:{port}"),
    }
}

impl std::ops::Deref for Instance {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AsRef<Endpoint> for Instance {
    fn as_ref(&self) -> &Endpoint {
        &self.0.endpoint
    }
}

impl AsRef<Record> for Instance {
    fn as_ref(&self) -> &Record {
        &self.0.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(host: &str, port: u16) -> Instance {
        let listed = Listed {
            id: "a-1".into(),
            host: host.to_owned(),
            port,
            version: None,
            health: polity_catalog::Health::Ready,
            weight: 1,
            zone: None,
        };
        Instance::new(&listed, Zone::Own, Instant::now())
    }

    #[test]
    fn a_name_is_used_by_the_address_that_last_worked() {
        let named = instance("orders.internal", 80);
        assert_eq!(named.address(), None);
        let addresses: Vec<IpAddr> = ["10.0.0.1", "10.0.0.2"]
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect();
        named.resolved(addresses.clone());
        let at = |index: usize| Some((addresses[index], 80).into());
        assert_eq!((named.address(), named.address()), (at(0), at(0)));
        named.address_failed();
        assert_eq!((named.address(), named.address()), (at(1), at(1)));
        named.address_failed();
        assert_eq!(named.address(), at(0));
    }

    #[test]
    fn two_spellings_of_a_place_are_twins_and_two_names_may_be_two_places() {
        let at = |host| {
            let instance = instance(host, 80);
            instance.resolved(vec!["10.0.0.1".parse().expect("an address")]);
            instance
        };
        let (address, name, other) = (at("10.0.0.1"), at("a.example"), at("b.example"));
        assert!(address.is_twin_of(&name) && name.is_twin_of(&address));
        assert!(!name.is_twin_of(&other) && name.is_twin_of(&at("a.example")));
        assert!(!address.is_twin_of(&instance("10.0.0.2", 80)));
        assert!(!address.is_twin_of(&instance("10.0.0.1", 81)));
    }

    #[test]
    fn the_authority_is_what_a_client_would_send() {
        assert_eq!(instance("api.example", 80).authority, "api.example");
        assert_eq!(instance("10.0.0.7", 9000).authority, "10.0.0.7:9000");
        assert_eq!(instance("::1", 9000).authority, "[::1]:9000");
        assert_eq!(instance("::1", 80).authority, "[::1]");
    }
}
