//! A second instance asked beside a slow one: who answers, what becomes of the other, and what is said of it.

use std::time::Duration;

use tokio::net::TcpListener;

use crate::support::*;

const GET: &str = "GET /orders HTTP/1.1\r\nhost: a\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";

/// After which the connection is not used again.
const LAST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nlast";
const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

/// Longer than a second instance is waited for here: time in which nothing may come.
const A_WHILE: Duration = Duration::from_millis(50);

async fn system(lines: &str) -> System {
    System::start(&format!(
        "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\noutlier = false\n{lines}\n"
    ))
    .await
}

/// A gateway with two instances that the test plays, and that are both asked after a moment.
async fn hedged(lines: &str) -> (System, Instances) {
    let system = system(&format!(
        "hedge = {{ after = \"1ms\", budget = 1 }}\n{lines}"
    ))
    .await;
    let instances = Instances::start(&system).await;
    (system, instances)
}

const IDS: [&str; 2] = ["orders-1", "orders-2"];

struct Instances([TcpListener; 2]);

/// A request at an instance.
struct Asked {
    id: &'static str,
    /// What was left of its time when it was sent, in milliseconds.
    left: u64,
    connection: Client,
}

impl Instances {
    async fn start(system: &System) -> Self {
        let [one, other] = IDS;
        Self([
            system.played("orders", one).await,
            system.played("orders", other).await,
        ])
    }

    /// The next that is asked.
    async fn next(&self) -> Asked {
        let [one, other] = &self.0;
        let (id, accepted) = tokio::select! {
            accepted = one.accept() => (IDS[0], accepted),
            accepted = other.accept() => (IDS[1], accepted),
            () = tokio::time::sleep(PATIENCE) => panic!("no instance is asked"),
        };
        let mut connection = Client::new(accepted.unwrap().0);
        let head = connection.head().await.expect("a request");
        assert!(head.contains(" /orders HTTP/1.1\r\n"));
        let left = field(&head, "x-request-timeout-ms").expect("its time");
        Asked {
            id,
            left: left.parse().expect("a number"),
            connection,
        }
    }

    /// A request at both: the first is that which had more time.
    async fn both(&self) -> (Asked, Asked) {
        let (one, other) = (self.next().await, self.next().await);
        assert_ne!((one.id, one.left), (other.id, other.left));
        match one.left > other.left {
            true => (one, other),
            false => (other, one),
        }
    }
}

impl Asked {
    async fn answers(&mut self, answer: &str) {
        self.connection.send(answer).await;
    }

    async fn is_let_go_of(&mut self) -> bool {
        self.connection.head().await.is_none()
    }
}

/// Nothing is counted at any instance any more; how many requests were counted, and how many failed.
async fn counted(system: &System) -> [(u64, u64); 2] {
    let stats = |id: &str| system.handle.instance_stats(&id.into()).unwrap();
    until(|| IDS.iter().all(|id| stats(id).in_flight == 0)).await;
    IDS.map(|id| (stats(id).requests, stats(id).errors))
}

/// Of so many requests, how many were sent twice.
async fn hedges(system: &System, requests: usize) -> usize {
    let lines = system.lines(requests).await;
    assert_eq!(lines.len(), requests);
    let hedged = lines.iter().filter(|line| line["hedged"].is_string());
    hedged.count()
}

#[tokio::test]
async fn the_second_instance_answers_for_one_that_is_slow() {
    let (system, instances) = hedged("").await;
    let mut client = system.client().await;
    client.send(GET).await;
    let (mut first, mut second) = instances.both().await;
    second.answers(DONE).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    // Which one that was is nothing for clients outside.
    assert_eq!(answer.field("x-polity-reason"), Some("hedged"));
    let line = &system.lines(1).await[0];
    assert_eq!(line["instance"], second.id);
    assert_eq!(line["hedged"], second.id);
    assert_eq!(
        (&line["attempts"], &line["status"]),
        (&1.into(), &200.into())
    );
    // The other has it still, and is known to.
    let stats = |id: &str| system.handle.instance_stats(&id.into()).unwrap();
    assert_eq!(stats(first.id).in_flight, 1);
    assert_eq!(stats(second.id).in_flight, 0);
    first.answers(DONE).await;
    // Having been too slow is no failure.
    assert_eq!(counted(&system).await, [(1, 0), (1, 0)]);
    // Both connections go on.
    client.send(GET).await;
    assert!(first.connection.head().await.is_some());
    assert!(second.connection.head().await.is_some());
}

#[tokio::test]
async fn an_instance_that_never_answers_is_left_out_although_others_answer_for_it() {
    let system = System::start(
        "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\n\
         hedge = { after = \"1ms\", budget = 1 }\nbalance = \"round_robin\"\n\
         timeout = \"100ms\"\noutlier = { connection_failures = 3 }\n",
    )
    .await;
    let _quick = system.origin("orders", "orders-1").await;
    let _hanging = system.played("orders", "orders-2").await;
    let id = "orders-2".into();
    let asked = async {
        while system.handle.why_left_out(&id).is_none() {
            assert_eq!(system.get("/orders").await.status, 200);
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert!(system.handle.instance_stats(&id).unwrap().errors >= 3);
}

#[tokio::test]
async fn an_instance_that_leaves_does_not_wait_for_what_nobody_waits_for() {
    let (system, instances) = hedged("").await;
    let mut client = system.client().await;
    client.send(GET).await;
    let (first, mut second) = instances.both().await;
    second.answers(DONE).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(system.leave("orders", first.id).await, 0);
}

#[tokio::test]
async fn one_server_under_two_names_is_not_asked_twice_at_once() {
    let system = system("hedge = { after = \"1ms\", budget = 1 }").await;
    let server = system.played("orders", "orders-1").await;
    let port = server.local_addr().unwrap().port();
    system.put("orders", "orders-2", "127.0.0.1", port);
    until(|| system.handle.instance_stats(&"orders-2".into()).is_some()).await;
    let mut client = system.client().await;
    client.send(GET).await;
    let mut asked = Client::new(server.accept().await.unwrap().0);
    asked.head().await.expect("the request");
    tokio::time::sleep(A_WHILE).await;
    asked.send(DONE).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(hedges(&system, 1).await, 0);
}

#[tokio::test]
async fn the_first_instance_may_still_answer() {
    let (system, instances) = hedged("").await;
    let mut client = system.client().await;
    client.send(GET).await;
    let (mut first, mut second) = instances.both().await;
    first.answers(DONE).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.field("x-polity-reason"), Some("hedged"));
    let line = &system.lines(1).await[0];
    assert_eq!(
        (&line["instance"], &line["hedged"]),
        (&first.id.into(), &second.id.into())
    );
    // What it answers too late is heard nevertheless.
    second.answers(BUSY).await;
    let errors = counted(&system).await.map(|(_, errors)| errors);
    assert_eq!(
        errors[IDS.iter().position(|id| *id == second.id).unwrap()],
        1
    );
}

#[tokio::test]
async fn an_error_is_no_answer_to_win_with() {
    let (system, instances) = hedged("").await;
    let mut client = system.client().await;
    client.send(GET).await;
    let (mut first, mut second) = instances.both().await;
    second.answers(BUSY).await;
    let id = second.id.into();
    until(|| system.handle.instance_stats(&id).unwrap().errors == 1).await;
    first.answers(DONE).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let failed = counted(&system).await.map(|(_, errors)| errors);
    assert_eq!(failed.iter().sum::<u64>(), 1);
    let place = IDS.iter().position(|id| *id == second.id).unwrap();
    assert_eq!(failed[place], 1);
}

#[tokio::test]
async fn an_error_is_an_answer_once_no_other_can_come() {
    let (system, instances) = hedged("").await;
    let mut client = system.client().await;
    client.send(GET).await;
    let (mut first, second) = instances.both().await;
    let id = second.id.into();
    drop(second);
    until(|| system.handle.instance_stats(&id).unwrap().errors == 1).await;
    first.answers(BUSY).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.field("x-polity-reason"), Some("hedged"));
}

#[tokio::test]
async fn a_second_instance_that_cannot_be_reached_leaves_the_first_to_answer() {
    let system = system("hedge = { after = \"1ms\", budget = 1 }\nbalance = \"round_robin\"").await;
    let live = system.played("orders", "orders-1").await;
    let gone = Origin::start("orders-2").await.address.port();
    system.put("orders", "orders-2", "127.0.0.1", gone);
    until(|| system.handle.instance_stats(&"orders-2".into()).is_some()).await;
    // One of them is sent to each first.
    let mut clients = [system.client().await, system.client().await];
    for client in &mut clients {
        client.send(GET).await;
    }
    let mut asked = Vec::new();
    for _ in 0..2 {
        let mut connection = Client::new(live.accept().await.unwrap().0);
        connection.head().await.expect("a request");
        asked.push(connection);
    }
    let failed = || {
        system
            .handle
            .instance_stats(&"orders-2".into())
            .unwrap()
            .errors
    };
    until(|| failed() == 2).await;
    for connection in &mut asked {
        connection.send(DONE).await;
    }
    for client in &mut clients {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    let lines = system.lines(2).await;
    assert!(lines.iter().all(|line| line["instance"] == "orders-1"));
    let hedged = lines.iter().filter(|line| line["hedged"] == "orders-2");
    assert_eq!(hedged.count(), 1, "{lines:?}");
}

#[tokio::test]
async fn no_more_are_sent_twice_than_the_budget_allows() {
    let system = system("hedge = { after = \"1ms\", budget = 0.5 }").await;
    let instances = Instances::start(&system).await;
    for number in 1..=4 {
        let mut client = system.client().await;
        client.send(GET).await;
        let mut asked = vec![instances.next().await];
        if number % 2 == 0 {
            asked.push(instances.next().await);
        } else {
            tokio::time::sleep(A_WHILE).await;
        }
        asked[0].answers(DONE).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        assert_eq!(hedges(&system, number).await, number / 2);
    }
}

#[tokio::test]
async fn what_may_be_done_once_is_sent_once() {
    let (system, instances) = hedged("balance = { sticky = \"it\" }").await;
    let mut client = system.client().await;
    client.send(GET).await;
    let (mut first, _second) = instances.both().await;
    first.answers(LAST).await;
    let answer = client.answer().await.unwrap();
    let cookie = answer.field("set-cookie").expect("a session");
    let cookie = cookie.split(';').next().unwrap();
    let session = format!("cookie: {cookie}\r\n");
    let cases = [
        ("POST", "content-length: 0\r\n"),
        ("PATCH", ""),
        ("GET", "accept: text/event-stream\r\n"),
        ("GET", session.as_str()),
    ];
    for (method, fields) in cases {
        let mut client = system.client().await;
        client
            .send(&format!(
                "{method} /orders HTTP/1.1\r\nhost: a\r\n{fields}\r\n"
            ))
            .await;
        let mut asked = instances.next().await;
        tokio::time::sleep(A_WHILE).await;
        asked.answers(LAST).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    assert_eq!(hedges(&system, 1 + cases.len()).await, 1);
}

#[tokio::test]
async fn a_client_that_leaves_lets_go_of_both() {
    let (system, instances) = hedged("").await;
    let mut client = system.client().await;
    client.send(GET).await;
    let (mut first, mut second) = instances.both().await;
    socket2::SockRef::from(&client.stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    assert!(first.is_let_go_of().await && second.is_let_go_of().await);
    let errors = counted(&system).await.map(|(_, errors)| errors);
    assert_eq!(errors, [0, 0]);
    assert_eq!(system.lines(1).await[0]["reason"], "client-gone");
}

#[tokio::test]
async fn the_deadline_holds_for_both_and_both_have_failed_then() {
    let (system, instances) = hedged("timeout = \"100ms\"").await;
    let mut client = system.client().await;
    client.send(GET).await;
    let (mut first, mut second) = instances.both().await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 504);
    let reason = answer.field("x-polity-reason");
    assert_eq!(reason, Some("deadline; reached=maybe"));
    assert!(first.is_let_go_of().await && second.is_let_go_of().await);
    assert_eq!(counted(&system).await, [(1, 1), (1, 1)]);
}

#[tokio::test]
async fn the_second_is_sent_after_what_nearly_all_requests_took() {
    let system = system("hedge = true").await;
    let quick = system.origin("orders", "orders-0").await;
    let mut client = system.client().await;
    for _ in 0..200 {
        client.get("/orders").await;
    }
    // They are looked at every few seconds.
    tokio::time::pause();
    tokio::time::advance(polity_resilience::hedge::PERIOD).await;
    tokio::time::resume();
    let instances = Instances::start(&system).await;
    assert_eq!(system.leave("orders", "orders-0").await, 0);
    drop(quick);
    client.send(GET).await;
    let (_first, mut second) = instances.both().await;
    second.answers(DONE).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_stay_exact_however_races_end() {
    let system = system("hedge = { after = \"1ms\", budget = 1 }").await;
    let mut origins = Vec::new();
    for id in IDS {
        origins.push(system.origin("orders", id).await);
    }
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut client = system.client().await;
        client
            .send("GET /orders/slow HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        slow.push(client);
    }
    let load = Load::start(system.handle.public_address(), GET, 16);
    let requests = || system.handle.stats(&name("orders")).unwrap().requests;
    until(|| requests() > 500).await;
    slow.truncate(4);
    for mut client in slow {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    let (total, failed) = load.stop().await;
    assert_eq!(failed, Vec::<String>::new());
    let errors = counted(&system).await.map(|(_, errors)| errors);
    assert_eq!(errors, [0, 0]);
    assert!(hedges(&system, total + 8).await >= 1);
}
