//! Clients are brought to HTTPS, and kept there.

use crate::support::*;
use crate::tls::{local_root, shake_hands, trusting};

const PLAN: &str = "[gateway]\nlisten = \"127.0.0.1:0\"\ntls = \"local\"\n\
     listen_http = \"127.0.0.1:0\"\n\
     hsts = { max_age = \"30d\", subdomains = true }\n\
     trusted_proxies = [\"127.0.0.2\"]\n\
     [service.shop]\nrun = \"shop\"\nroute = \"/\"\n\
     [[service.shop.routes]]\npath = \"/own\"\n\
     response_headers = { set = { strict-transport-security = \"max-age=1\" } }\n";

const NAME: &str = "strict-transport-security";
const EXPECTED: &str = "max-age=2592000; includeSubDomains";

async fn plain(system: &System) -> Client {
    let address = system.handle.plain_address();
    Client::connect(address.expect("there is one")).await
}

fn said(answer: &Answer) -> Vec<&str> {
    let fields = answer.head.lines().filter_map(|it| it.split_once(": "));
    fields
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| value)
        .collect()
}

#[tokio::test]
async fn the_listener_of_plain_http_sends_to_that_of_https() {
    let system = System::start(PLAN).await;
    let _origin = system.origin("shop", "shop-1").await;
    let (own, https) = (
        system.handle.plain_address().unwrap().port(),
        system.handle.public_address().port(),
    );
    let mut client = plain(&system).await;
    let ask = |host: String| format!("GET /a?b=c HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let answer = client.ask(&ask(format!("shop.example:{own}"))).await;
    assert_eq!(answer.status, 308);
    let there = format!("https://shop.example:{https}/a?b=c");
    assert_eq!(answer.field("location"), Some(&*there));
    assert!(said(&answer).is_empty(), "over HTTPS alone (RFC 6797, 7.2)");
    let answer = client.ask(&ask("shop.example".to_owned())).await;
    assert_eq!(answer.field("location"), Some("https://shop.example/a?b=c"));
    assert_eq!(client.ask("GET / HTTP/1.0\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn answers_over_https_say_so_once() {
    let system = System::start(PLAN).await;
    let trust = trusting([local_root(system.folder.path())]);
    let mut client = shake_hands(&system, &trust, "localhost").await.unwrap();
    let none = client.get("/").await;
    assert_eq!((none.status, said(&none)), (503, vec![EXPECTED]));
    let field = format!("{NAME}: max-age=7\r\n");
    let origin = Origin::saying("shop-1", &field).await;
    system.put("shop", "shop-1", "127.0.0.1", origin.address.port());
    until(|| system.handle.instance_stats(&"shop-1".into()).is_some()).await;
    assert_eq!(said(&client.get("/").await), [EXPECTED]);
    assert_eq!(said(&client.get("/own").await), ["max-age=1"]);
}

#[tokio::test]
async fn files_say_so_as_well() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("public")).unwrap();
    std::fs::write(folder.path().join("public/a.txt"), "a").unwrap();
    let site = "[site.docs]\nroot = \"public\"\nroute = \"/files\"\n";
    let system = System::start_in(folder, &format!("{PLAN}{site}")).await;
    let trust = trusting([local_root(system.folder.path())]);
    let mut client = shake_hands(&system, &trust, "localhost").await.unwrap();
    for (path, status) in [("/files/a.txt", 200), ("/files/b.txt", 404)] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status, said(&answer)),
            (status, vec![EXPECTED]),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_edit_moves_the_listener_and_takes_it_away() {
    let system = System::start(PLAN).await;
    let before = system.handle.plain_address().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = free.local_addr().unwrap();
    let moved = PLAN.replace(
        "listen_http = \"127.0.0.1:0\"",
        &format!("listen_http = \"{taken}\""),
    );
    let refused = system.handle.apply(plan(&moved)).await.unwrap_err();
    assert!(refused.to_string().contains("`listen_http`"), "{refused}");
    assert_eq!(system.handle.plain_address(), Some(before));
    assert_eq!(plain(&system).await.get("/").await.status, 308);
    drop(free);
    system.handle.apply(plan(&moved)).await.unwrap();
    assert_eq!(system.handle.plain_address(), Some(taken));
    assert_eq!(plain(&system).await.get("/").await.status, 308);
    let gone = PLAN.replace("listen_http = \"127.0.0.1:0\"", "listen_http = false");
    system.handle.apply(plan(&gone)).await.unwrap();
    assert_eq!(system.handle.plain_address(), None);
    let refused = async || tokio::net::TcpStream::connect(taken).await.is_err();
    while !refused().await {
        tokio::task::yield_now().await;
    }
}
