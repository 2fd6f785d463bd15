//! What the contenders are told to forward: services, where they are, and their path prefixes.

use std::net::Ipv4Addr;

/// All services are the same origin, which listens on many addresses.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    pub(super) services: Vec<Service>,
}

#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) name: String,
    /// Path prefixes that lead to it.
    pub(super) prefixes: Vec<String>,
    /// Where its instances are.
    pub(super) instances: Vec<Ipv4Addr>,
}

impl Topology {
    /// One service for all paths.
    pub(super) fn single() -> Self {
        Self {
            services: vec![Service {
                name: "origin".to_owned(),
                prefixes: vec!["/".to_owned()],
                instances: vec![instance(0)],
            }],
        }
    }

    /// One service under `count` prefixes: the paths of [`path`] for `groups` groups, told apart by group
    /// or by each path.
    pub(super) fn routes(groups: usize, depth: Depth, paths: usize) -> Self {
        let mut topology = Self::single();
        topology.services[0].prefixes = match depth {
            Depth::Groups => (0..groups).map(|group| format!("/g{group}")).collect(),
            Depth::Paths => (0..paths).map(|path| prefix(path, groups)).collect(),
        };
        topology
    }

    /// `count` services with `instances` instances each, no instance shared. With as many services as
    /// groups each has a group of paths, else each has a path.
    pub(super) fn services(groups: usize, count: usize, instances: usize) -> Self {
        let service = |number: usize| Service {
            name: format!("s{number}"),
            prefixes: vec![match count == groups {
                true => format!("/g{number}"),
                false => prefix(number, groups),
            }],
            instances: (0..instances)
                .map(|it| instance(number * instances + it))
                .collect(),
        };
        Self {
            services: (0..count).map(service).collect(),
        }
    }
}

/// By what routes tell paths apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Groups,
    Paths,
}

/// The first part of path `number`, of which every `groups`th is in one group.
fn prefix(number: usize, groups: usize) -> String {
    format!("/g{}/r{number}", number % groups)
}

/// The loopback address of instance `number`, from 127.0.0.1 on.
fn instance(number: usize) -> Ipv4Addr {
    let offset = u32::try_from(number).unwrap_or(0);
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(topology: &Topology) -> Vec<&str> {
        let services = topology.services.iter();
        services
            .flat_map(|service| service.prefixes.iter().map(String::as_str))
            .collect()
    }

    #[test]
    fn the_same_paths_are_reached_by_few_routes_and_by_many() {
        let few = Topology::routes(2, Depth::Groups, 4);
        assert_eq!(prefixes(&few), ["/g0", "/g1"]);
        let many = Topology::routes(2, Depth::Paths, 4);
        assert_eq!(prefixes(&many), ["/g0/r0", "/g1/r1", "/g0/r2", "/g1/r3"]);
    }

    #[test]
    fn no_instance_is_shared() {
        let few = Topology::services(3, 3, 2);
        assert_eq!(prefixes(&few), ["/g0", "/g1", "/g2"]);
        let last = few.services[2].instances.clone();
        assert_eq!(
            last,
            [Ipv4Addr::new(127, 0, 0, 5), Ipv4Addr::new(127, 0, 0, 6)]
        );
        let many = Topology::services(3, 6, 1);
        assert_eq!(prefixes(&many)[4], "/g1/r4");
        assert_eq!(many.services[5].instances, [Ipv4Addr::new(127, 0, 0, 6)]);
    }
}
