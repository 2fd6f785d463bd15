//! A service that hangs takes its share of the room there is, and the others go on as if it were not there.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::support::*;

/// Room for 32 at the gateway, and for as many calls of `web`: half of it common. One that hangs gets
/// half of the rest, and so 24.
fn services(bulkhead: &str) -> String {
    format!(
        r#"
[gateway]
listen = "127.0.0.1:0"

[gateway.limits]
max_in_flight = 32
{bulkhead}

[service.web]
run = "web"
route = "/web"
calls = ["orders", "stock", "prices"]
max_calls_in_flight = 32

[service.other]
run = "other"
port = false
calls = ["orders"]

[service.orders]
run = "orders"
route = "/orders"

[service.stock]
run = "stock"
route = "/stock"

[service.prices]
run = "prices"
route = "/prices"
"#
    )
}

/// A system whose `orders` and `prices` take connections and never say a word, and whose `stock` is well.
struct Scene {
    system: System,
    _stock: Origin,
    _hanging: [TcpListener; 2],
}

impl Scene {
    async fn new(bulkhead: &str) -> Self {
        let system = System::start(&services(bulkhead)).await;
        Self {
            _stock: system.origin("stock", "stock-1").await,
            _hanging: [
                system.played("orders", "orders-1").await,
                system.played("prices", "prices-1").await,
            ],
            system,
        }
    }

    fn public(&self) -> SocketAddr {
        self.system.handle.public_address()
    }

    fn call(&self, caller: &str, callee: &str) -> SocketAddr {
        let address = self
            .system
            .handle
            .call_address(&name(caller), &name(callee));
        address.expect("it is declared")
    }

    /// Sends requests that are never answered until one is refused: how many are held, and the refusal.
    async fn fill(&self, address: SocketAddr, service: &str) -> (Vec<Client>, Answer) {
        let in_flight = || {
            let stats = self.system.handle.stats(&name(service));
            stats.expect("it is in the plan").in_flight as usize
        };
        let (before, mut held) = (in_flight(), Vec::new());
        loop {
            let mut client = Client::connect(address).await;
            let request = format!("GET /{service} HTTP/1.1\r\nhost: a\r\n\r\n");
            client.send(&request).await;
            let refused = tokio::select! {
                answer = client.answer() => answer,
                () = until(|| in_flight() == before + held.len() + 1) => None,
            };
            match refused {
                Some(answer) => return (held, answer),
                None => held.push(client),
            }
        }
    }

    /// Has the clients vanish, and waits until their requests are over.
    async fn reset(&self, clients: impl Iterator<Item = Client>) {
        for client in clients {
            let socket = socket2::SockRef::from(&client.stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
        let in_flight = |service| self.system.handle.stats(&name(service)).unwrap().in_flight;
        until(|| in_flight("orders") + in_flight("prices") <= 1).await;
    }

    /// So many clients at once are served without a failure, a good many times each.
    async fn assert_served(&self, address: SocketAddr, clients: usize) {
        let requests = || {
            let stats = self.system.handle.stats(&name("stock"));
            stats.expect("it is in the plan").requests
        };
        let before = requests();
        let get = "GET /stock HTTP/1.1\r\nhost: a\r\n\r\n";
        let load = Load::start(address, get, clients);
        until(|| requests() >= before + 400).await;
        let (count, failed) = load.stop().await;
        assert_eq!(failed.first(), None, "{} of {count}", failed.len());
    }
}

fn assert_refused(answer: &Answer, cause: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let reason = format!("{cause}; reached=no");
    assert_eq!(answer.field("x-polity-reason"), Some(reason.as_str()));
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(answer.field("connection"), None, "it goes on");
    let kind = format!("urn:polity:problem:{cause}");
    assert_eq!(answer.problem()["type"], kind);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_hangs_leaves_the_gateway_to_the_others() {
    let scene = Scene::new("").await;
    let (held, refused) = scene.fill(scene.public(), "orders").await;
    assert_eq!(held.len(), 24);
    assert_refused(&refused, "bulkhead");
    scene.assert_served(scene.public(), 2).await;
    // Another that hangs has its share of what was left, and leaves as much.
    let (more, refused) = scene.fill(scene.public(), "prices").await;
    assert_eq!(more.len(), 4);
    assert_refused(&refused, "bulkhead");
    scene.assert_served(scene.public(), 1).await;
    // What they give back, others may have.
    scene.reset(held.into_iter().chain(more)).await;
    scene.assert_served(scene.public(), 8).await;
    let is_refusal =
        |line: &serde_json::Value| line["reason"] == "bulkhead" && line["service"] == "orders";
    assert_eq!(scene.system.line(is_refusal).await["attempts"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_that_hangs_leaves_its_callers_other_calls_alone() {
    let scene = Scene::new("").await;
    let (held, refused) = scene.fill(scene.call("web", "orders"), "orders").await;
    assert_eq!(held.len(), 24);
    assert_refused(&refused, "bulkhead");
    scene.assert_served(scene.call("web", "stock"), 2).await;
    // Neither another caller's calls nor requests from outside count with these.
    let other = scene.call("other", "orders");
    let mut client = Client::connect(other).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let in_flight = || {
        scene
            .system
            .handle
            .stats(&name("orders"))
            .unwrap()
            .in_flight
    };
    until(|| in_flight() == 25).await;
    scene.assert_served(scene.public(), 2).await;
    let (more, refused) = scene.fill(scene.call("web", "prices"), "prices").await;
    assert_eq!(more.len(), 4);
    assert_refused(&refused, "bulkhead");
    scene.assert_served(scene.call("web", "stock"), 1).await;
    scene.reset(held.into_iter().chain(more)).await;
    scene.assert_served(scene.call("web", "stock"), 8).await;
}

#[tokio::test]
async fn without_bulkheads_one_may_take_everything() {
    let scene = Scene::new("bulkhead = false").await;
    let (held, refused) = scene.fill(scene.public(), "orders").await;
    assert_eq!(held.len(), 32);
    assert_refused(&refused, "overloaded");
    assert_refused(&scene.system.get("/stock").await, "overloaded");
    let (calls, refused) = scene.fill(scene.call("web", "orders"), "orders").await;
    assert_eq!(calls.len(), 32);
    assert_refused(&refused, "overloaded");
    let mut stock = Client::connect(scene.call("web", "stock")).await;
    assert_refused(&stock.get("/stock").await, "overloaded");
    // A plan that is put in force holds for what comes from then on.
    scene
        .system
        .handle
        .apply(plan(&services("").replace("= 32", "= 64")))
        .await
        .unwrap();
    scene.assert_served(scene.public(), 2).await;
    scene.assert_served(scene.call("web", "stock"), 2).await;
}
