//! Instances replaced one after the other under load, as a deploy does, by every policy.

use crate::balancing::{fleet, put, service};
use crate::support::{Load, Origin, until};

const POLICIES: [&str; 15] = [
    "\"p2c\"",
    "\"peak_ewma\"",
    "\"least_response_time\"",
    "\"least_connections\"",
    "\"weighted_least_connections\"",
    "\"join_shortest_queue\"",
    "{ policy = \"prequal\", probe = \"/load\" }",
    "\"round_robin\"",
    "\"weighted_round_robin\"",
    "\"random\"",
    "\"ip_hash\"",
    "\"url_hash\"",
    "{ policy = \"consistent_hash\", by = \"url\" }",
    "{ policy = \"consistent_hash\", by = \"ip\", algorithm = \"ring\" }",
    "{ policy = \"p2c\", sticky = \"stay\" }",
];

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
/// May be sent once, so that no retry makes good what a roll spoils.
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_loses_no_request_whatever_the_policy() {
    for policy in POLICIES {
        let (system, mut old) = fleet(&service(policy), &[1, 2, 3]).await;
        let address = system.handle.public_address();
        let loads = [GET, POST].map(|request| Load::start(address, request, 4));
        let requests = |id: &str| {
            system
                .handle
                .instance_stats(&id.into())
                .map(|it| it.requests)
        };
        let mut new = Vec::new();
        for number in 1..=3 {
            let id = format!("a-{}", number + 3);
            let origin = Origin::start(&id).await;
            put(&system, &id, origin.address.port(), number, None);
            new.push(origin);
            until(|| requests(&id).is_some()).await;
            assert_eq!(system.leave("a", &format!("a-{number}")).await, 0);
            drop(old.remove(0));
        }
        // By then whoever is left has to have taken over.
        let all = || [4, 5, 6].map(|number| requests(&format!("a-{number}")).unwrap_or(0));
        let before: u64 = all().iter().sum();
        until(|| all().iter().sum::<u64>() > before + 20).await;
        for load in loads {
            let (total, failed) = load.stop().await;
            assert!(total > 0);
            assert_eq!(failed, Vec::<String>::new(), "{policy}");
        }
    }
}
