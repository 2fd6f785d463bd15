//! Clients that stay with their instances by a cookie.

use polity_catalog::{Change, Health, Instance};

use crate::balancing::{by, fleet, put, service};
use crate::failures::{self, Double};
use crate::support::{Answer, Origin, System, name, until};

/// Name and value of the cookie that the answer sets.
fn cookie(answer: &Answer) -> Option<String> {
    let set = answer.field("set-cookie")?;
    Some(set.split(';').next().unwrap().to_owned())
}

/// Who answers a request with this cookie, and the one it is given in its place.
async fn with(system: &System, cookie_sent: &str) -> (String, Option<String>) {
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: {cookie_sent}\r\n\r\n");
    let answer = system.client().await.ask(&request).await;
    (by(&answer), cookie(&answer))
}

#[tokio::test]
async fn a_client_stays_with_its_instance_while_that_is_there() {
    let sticky = service("{ policy = \"round_robin\", ramp = false, sticky = \"stay\" }");
    let (system, origins) = fleet(&sticky, &[1, 1, 1]).await;
    let first = system.get("/").await;
    let (home, mine) = (by(&first), cookie(&first).expect("a session"));
    for _ in 0..6 {
        assert_eq!(with(&system, &mine).await, (home.clone(), None));
    }

    // Another gateway with the same key, before the same instances, as after a restart.
    let (again, _) = fleet(&sticky, &[]).await;
    for (number, origin) in origins.iter().enumerate() {
        put(
            &again,
            &format!("a-{}", number + 1),
            origin.address.port(),
            1,
            None,
        );
    }
    until(|| again.handle.instance_stats(&"a-3".into()).is_some()).await;
    for _ in 0..6 {
        assert_eq!(with(&again, &mine).await, (home.clone(), None));
    }

    // It goes: another takes over, and is stuck to from then on.
    assert_eq!(system.leave("a", &home).await, 0);
    let (next, moved) = with(&system, &mine).await;
    assert_ne!(next, home);
    let moved = moved.expect("a new session");
    for _ in 0..6 {
        assert_eq!(with(&system, &moved).await, (next.clone(), None));
    }
}

#[tokio::test]
async fn a_session_outlasts_the_port_of_an_instance_that_is_started_again() {
    let sticky = service("{ policy = \"round_robin\", ramp = false, sticky = \"stay\" }");
    let (system, mut origins) = (System::start(&sticky).await, Vec::new());
    let mut put_all = async |system: &System| {
        for id in ["a-1", "a-2", "a-3"] {
            let origin = Origin::start(id).await;
            let instance = Instance {
                id: id.into(),
                host: "127.0.0.1".to_owned(),
                port: origin.address.port(),
                version: Some("1".into()),
                health: Health::Ready,
                weight: 1,
                zone: None,
            };
            origins.push(origin);
            system.change(Change::Put(name("a"), instance));
            until(|| system.handle.instance_stats(&id.into()).is_some()).await;
        }
    };
    put_all(&system).await;
    let first = system.get("/").await;
    let (home, mine) = (by(&first), cookie(&first).expect("a session"));
    assert_eq!(first.field("cache-control"), Some("private"));
    let again = System::start(&sticky).await;
    put_all(&again).await;
    for _ in 0..6 {
        assert_eq!(with(&again, &mine).await, (home.clone(), None));
    }
}

#[tokio::test]
async fn a_session_that_was_not_given_here_is_none() {
    let sticky = service("{ policy = \"round_robin\", ramp = false, sticky = \"stay\" }");
    let (system, _origins) = fleet(&sticky, &[1, 1, 1]).await;
    let mine = cookie(&system.get("/").await).expect("a session");
    let forged = match mine.strip_suffix('0') {
        Some(start) => format!("{start}1"),
        None => format!("{}0", &mine[..mine.len() - 1]),
    };
    for sent in [forged.as_str(), "stay=", "stay=00", "other=1"] {
        let mut met = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let (id, given) = with(&system, sent).await;
            assert!(given.is_some(), "{sent}");
            met.insert(id);
        }
        assert_eq!(met.len(), 3, "{sent}");
    }
}

#[tokio::test]
async fn a_session_dies_with_its_instance_without_an_error() {
    let sticky = service("{ policy = \"p2c\", sticky = { cookie = \"stay\", max_age = \"1h\" } }");
    let (system, mut origins) = fleet(&sticky, &[1, 1]).await;
    let first = system.get("/").await;
    assert!(
        first
            .field("set-cookie")
            .unwrap()
            .ends_with("SameSite=Lax; Max-Age=3600")
    );
    let mine = cookie(&first).unwrap();
    let home: usize = by(&first).strip_prefix("a-").unwrap().parse().unwrap();
    // Nobody has told the catalog.
    drop(origins.remove(home - 1));
    let (other, moved) = with(&system, &mine).await;
    assert_ne!(other, by(&first));
    assert!(moved.is_some());
}

/// It is asked for by name, whatever else the policy looks at.
#[tokio::test]
async fn a_session_stays_with_a_light_instance_of_another_zone() {
    let sticky = service("{ policy = \"p2c\", sticky = \"stay\" }");
    let plan = format!("[gateway]\nlisten = \"127.0.0.1:0\"\nzone = \"near\"\n{sticky}");
    let system = System::start(&plan).await;
    let (far, near) = (Origin::start("a-1").await, Origin::start("a-2").await);
    put(&system, "a-1", far.address.port(), 1, Some("far"));
    until(|| system.handle.instance_stats(&"a-1".into()).is_some()).await;
    let mine = cookie(&system.get("/").await).expect("a session");
    put(&system, "a-2", near.address.port(), 9, Some("near"));
    until(|| system.handle.instance_stats(&"a-2".into()).is_some()).await;
    assert_eq!(by(&system.get("/").await), "a-2");
    for _ in 0..6 {
        assert_eq!(with(&system, &mine).await, ("a-1".to_owned(), None));
    }
    // It goes and is back: whoever has not asked meanwhile is with it still.
    assert_eq!(system.leave("a", "a-1").await, 0);
    put(&system, "a-1", far.address.port(), 1, Some("far"));
    until(|| system.handle.instance_stats(&"a-1".into()).is_some()).await;
    assert_eq!(with(&system, &mine).await, ("a-1".to_owned(), None));
}

#[tokio::test]
async fn a_session_moves_from_an_instance_that_is_left_out_unless_all_are_used() {
    for (threshold, stays) in [("0", false), ("0.8", true)] {
        let plan = format!(
            "[service.orders]\nrun = \"orders\"\nroute = \"/\"\n\
             outlier = {{ consecutive_5xx = 3 }}\n\
             balance = {{ sticky = \"stay\", panic_threshold = {threshold} }}\n"
        );
        let system = System::start(&plan).await;
        let ill = Double::start(&system, "orders-1", failures::answer(200, "")).await;
        let mine = cookie(&system.get("/").await).expect("a session");
        let _well = Double::start(&system, "orders-2", failures::answer(200, "")).await;
        ill.answers(failures::answer(500, ""));
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: {mine}\r\n\r\n");
        // Three in a row; one that began on another thread before the last had ended is of its occasion.
        let is_out = || system.handle.why_left_out(&"orders-1".into()).is_some();
        for number in 0..9 {
            if !is_out() {
                let answer = system.client().await.ask(&request).await;
                assert!(number > 1 || (answer.status, cookie(&answer)) == (500, None));
            }
        }
        assert!(is_out());
        let answer = system.client().await.ask(&request).await;
        assert_eq!(answer.status == 500, stays, "{threshold}: {answer:?}");
        assert_eq!(cookie(&answer).is_some(), !stays, "{threshold}");
    }
}

#[tokio::test]
async fn a_session_over_tls_is_for_tls_only() {
    let gateway = "[gateway]\nlisten = \"127.0.0.1:0\"\n";
    let trusting = format!("{gateway}trusted_proxies = [\"127.0.0.1\"]\n");
    for (gateway, expected) in [(gateway, false), (&trusting, true)] {
        let plan = format!("{gateway}{}", service("{ sticky = \"stay\" }"));
        let (system, _origins) = fleet(&plan, &[1]).await;
        let request = "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-proto: https\r\n\r\n";
        let answer = system.client().await.ask(request).await;
        let set = answer.field("set-cookie").unwrap();
        assert_eq!(set.ends_with("; Secure"), expected, "{set}");
    }
}
