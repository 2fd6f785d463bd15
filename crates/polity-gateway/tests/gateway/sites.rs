//! Folders of files that the gateway serves itself.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

const SITE: &str = "[site.docs]\nroot = \"public\"\n";

/// A folder with a secret, and `public` below it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "secret.txt", b"secret");
    write(folder.path(), "public/index.html", b"<p>start");
    write(folder.path(), "public/a.txt", b"0123456789");
    write(folder.path(), "public/sub/index.html", b"<p>sub");
    write(folder.path(), "public/sub/b c.css", b"p{}");
    write(folder.path(), "public/bare/x.bin", b"\0\x01");
    write(folder.path(), "public/.env", b"KEY=secret");
    write(folder.path(), "public/.git/config", b"secret");
    write(
        folder.path(),
        "public/.well-known/security.txt",
        b"Contact: x",
    );
    folder
}

/// Written long ago: what was just written has no strong validator.
fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600))
        .unwrap();
}

async fn start(text: &str) -> System {
    System::start_in(folder(), text).await
}

impl Client {
    async fn with(&mut self, line: &str, fields: &str) -> Answer {
        self.send(&format!("{line} HTTP/1.1\r\nhost: a\r\n{fields}\r\n"))
            .await;
        let head = self.head().await.expect("an answer");
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = match line.starts_with("HEAD") || status == 304 {
            true => 0,
            false => field(&head, "content-length").map_or(0, |text| text.parse().unwrap()),
        };
        let body = self.exactly(length).await.expect("a body");
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status, head, body }
    }
}

#[tokio::test]
async fn files_are_served_with_what_they_are() {
    let system = start(SITE).await;
    let mut client = system.client().await;
    let answer = client.get("/a.txt").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "0123456789"));
    assert_eq!(
        answer.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(answer.field("content-length"), Some("10"));
    assert_eq!(answer.field("accept-ranges"), Some("bytes"));
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    assert!(
        answer.field("etag").unwrap().starts_with('"'),
        "{}",
        answer.head
    );
    assert!(answer.field("last-modified").is_some() && answer.field("date").is_some());
    assert_eq!(answer.field("cache-control"), None);
    for (path, body) in [
        ("/", "<p>start"),
        ("/index.html", "<p>start"),
        ("/sub/", "<p>sub"),
        ("/sub/b%20c.css?x", "p{}"),
        ("/sub/../a.txt", "0123456789"),
        ("/.well-known/security.txt", "Contact: x"),
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
    }
    let answer = client.get("/sub?x=1").await;
    assert_eq!(
        (answer.status, answer.field("location")),
        (308, Some("/sub/?x=1"))
    );
    let answer = client.with("HEAD /a.txt", "").await;
    assert_eq!(
        (answer.status, answer.field("content-length")),
        (200, Some("10"))
    );
    let answer = client.with("OPTIONS /a.txt", "").await;
    assert_eq!(
        (answer.status, answer.field("allow")),
        (204, Some("GET, HEAD, OPTIONS"))
    );
    let answer = client
        .with("POST /a.txt", "content-length: 3\r\n\r\nabc")
        .await;
    assert_eq!(
        (answer.status, answer.field("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(
        answer.problem()["type"],
        "urn:polity:problem:method-not-allowed"
    );
}

#[tokio::test]
async fn a_file_has_its_line_in_the_log() {
    let system = start(SITE).await;
    let mut client = system.client().await;
    client.get("/a.txt").await;
    client.get("/missing").await;
    let line = system.line(|line| line["status"] == 200).await;
    assert_eq!(
        (&line["service"], &line["route"]),
        (&"docs".into(), &"/".into())
    );
    assert_eq!(
        (&line["path"], &line["bytes_out"]),
        (&"/a.txt".into(), &10.into())
    );
    let line = system.line(|line| line["status"] == 404).await;
    assert_eq!(
        (&line["service"], &line["path"]),
        (&"docs".into(), &"/missing".into())
    );
}

#[tokio::test]
async fn nothing_outside_of_the_folder_and_nothing_hidden_is_served() {
    let folder = folder();
    let public = folder.path().join("public");
    for (name, to) in [
        ("out", "../secret.txt"),
        ("up", ".."),
        ("absolute", "/etc/passwd"),
        ("root", "/"),
        ("loop", "loop"),
    ] {
        symlink(to, public.join(name)).unwrap();
    }
    symlink("a.txt", public.join("inside")).unwrap();
    mknodat(
        CWD,
        public.join("pipe"),
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    std::os::unix::net::UnixListener::bind(public.join("socket")).unwrap();
    let system = System::start_in(folder, SITE).await;
    let mut client = system.client().await;
    for path in [
        "/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/%252e%252e/secret.txt",
        "/%252e%252e%252fsecret.txt",
        "/....//secret.txt",
        "//etc/passwd",
        "///etc/passwd",
        "/a.txt/",
        "/a.txt/x",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git/",
        "/.git",
        "/sub/../.env",
        "/out",
        "/up/secret.txt",
        "/up/",
        "/absolute",
        "/root/etc/passwd",
        "/loop",
        "/pipe",
        "/pipe/",
        "/socket",
        "/bare/",
        "/missing",
        "/sub/missing/",
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.problem()["type"],
            "urn:polity:problem:no-file",
            "{path}"
        );
    }
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/a.txt%00.html",
        "/sub/%2e%2e/../../x",
    ] {
        // They are no paths at all.
        assert_eq!(system.get(path).await.status, 400, "{path}");
    }
    let answer = system.get(&format!("/{}", "a/".repeat(3000))).await;
    assert_eq!(answer.status, 404);
    let answer = system.get(&format!("/{}", "a".repeat(300))).await;
    assert_eq!(answer.status, 404);
    assert_eq!(system.get("/inside").await.body, "0123456789");
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let system = start(SITE).await;
    let mut client = system.client().await;
    let first = client.get("/a.txt").await;
    let (tag, date) = (
        first.field("etag").unwrap(),
        first.field("last-modified").unwrap(),
    );
    let same = format!("if-none-match: {tag}\r\n");
    for fields in [same.clone(), format!("if-modified-since: {date}\r\n")] {
        for method in ["GET", "HEAD"] {
            let answer = client.with(&format!("{method} /a.txt"), &fields).await;
            assert_eq!(answer.status, 304, "{fields}");
            assert_eq!(answer.field("etag"), Some(tag));
            assert_eq!(answer.field("content-length"), None);
        }
    }
    let answer = client
        .with("GET /a.txt", "if-none-match: \"other\"\r\n")
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "0123456789"));
    let answer = client.with("GET /a.txt", "if-match: \"other\"\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (412, ""));
    write(system.folder.path(), "public/a.txt", b"abc");
    let answer = client.with("GET /a.txt", &same).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "abc"));
}

#[tokio::test]
async fn ranges_are_sent_one_or_many() {
    let system = start(SITE).await;
    let mut client = system.client().await;
    let first = client.get("/a.txt").await;
    let tag = first.field("etag").unwrap();
    for (range, content_range, body) in [
        ("0-0", "bytes 0-0/10", "0"),
        ("2-5", "bytes 2-5/10", "2345"),
        ("7-", "bytes 7-9/10", "789"),
        ("-2", "bytes 8-9/10", "89"),
    ] {
        for condition in ["", &format!("if-range: {tag}\r\n")] {
            let fields = format!("range: bytes={range}\r\n{condition}");
            let answer = client.with("GET /a.txt", &fields).await;
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (206, body),
                "{fields}"
            );
            assert_eq!(answer.field("content-range"), Some(content_range));
            assert_eq!(
                answer.field("content-type"),
                Some("text/plain; charset=utf-8")
            );
        }
    }
    let answer = client.with("GET /a.txt", "range: bytes=0-1, -3\r\n").await;
    assert_eq!(answer.status, 206);
    let kind = answer.field("content-type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let part = |range: &str, body: &str| {
        format!(
            "\r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes {range}/10\r\n\r\n{body}"
        )
    };
    let expected = format!(
        "{}{}\r\n--{boundary}--\r\n",
        part("0-1", "01"),
        part("7-9", "789")
    );
    assert_eq!(answer.body, expected);
    let answer = client.with("GET /a.txt", "range: bytes=10-\r\n").await;
    assert_eq!(
        (answer.status, answer.field("content-range")),
        (416, Some("bytes */10"))
    );
    for fields in [
        "range: bytes=0-1\r\nif-range: \"other\"\r\n",
        "range: lines=0-1\r\n",
        "range: bytes=5-1\r\n",
    ] {
        let answer = client.with("GET /a.txt", fields).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "0123456789"),
            "{fields}"
        );
    }
    let answer = client.with("HEAD /a.txt", "range: bytes=0-1\r\n").await;
    assert_eq!(
        (answer.status, answer.field("content-length")),
        (200, Some("10"))
    );
}

#[tokio::test]
async fn what_was_compressed_beforehand_is_sent_to_who_takes_it() {
    let folder = folder();
    for (name, bytes) in [
        ("a.txt.br", &b"brotli"[..]),
        ("a.txt.gz", b"gzip"),
        ("old.txt.gz", b"stale"),
    ] {
        write(folder.path(), &format!("public/{name}"), bytes);
    }
    write(folder.path(), "public/old.txt", b"fresh");
    let stale = fs::File::options()
        .append(true)
        .open(folder.path().join("public/old.txt.gz"))
        .unwrap();
    stale
        .set_modified(SystemTime::now() - Duration::from_secs(7200))
        .unwrap();
    let system = System::start_in(folder, SITE).await;
    let mut client = system.client().await;
    for (accepted, coding, body) in [
        ("gzip, br, zstd", Some("br"), "brotli"),
        ("gzip, br;q=0.5", Some("gzip"), "gzip"),
        ("zstd", None, "0123456789"),
        ("br;q=0", None, "0123456789"),
    ] {
        let answer = client
            .with("GET /a.txt", &format!("accept-encoding: {accepted}\r\n"))
            .await;
        assert_eq!(
            (answer.field("content-encoding"), answer.body.as_str()),
            (coding, body),
            "{accepted}"
        );
        assert_eq!(
            answer.field("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(answer.field("vary"), Some("accept-encoding"));
    }
    let answer = client
        .with("GET /old.txt", "accept-encoding: gzip\r\n")
        .await;
    assert_eq!(
        (answer.field("content-encoding"), answer.body.as_str()),
        (None, "fresh")
    );
    let answer = client
        .with("GET /a.txt", "accept-encoding: br\r\nrange: bytes=1-2\r\n")
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (206, "ro"));
    let answer = client.get("/a.txt.gz").await;
    assert_eq!(
        (
            answer.field("content-type"),
            answer.field("content-encoding")
        ),
        (Some("application/gzip"), None)
    );
}

#[tokio::test]
async fn a_folder_is_listed_where_that_is_said() {
    let system = start(&format!("{SITE}listing = true\nroute = \"/files\"\n")).await;
    let mut client = system.client().await;
    let answer = client.get("/files/bare/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("href=\"./x.bin\""), "{}", answer.body);
    assert!(answer.body.contains("<h1>/files/bare/</h1>"));
    assert_eq!(
        client.get("/files/").await.body,
        "<p>start",
        "the index comes first"
    );
    assert_eq!(
        client.get("/files/bare").await.field("location"),
        Some("/files/bare/")
    );
    assert_eq!(client.get("/files/missing/").await.status, 404);
    assert_eq!(client.get("/files/.git/").await.status, 404);
    assert_eq!(
        client.get("/filesystem").await.problem()["type"],
        "urn:polity:problem:no-route"
    );
}

#[tokio::test]
async fn pages_that_are_not_there_are_those_of_an_application() {
    let text = format!("{SITE}fallback = \"/index.html\"\ncache = \"no-cache\"\n");
    let system = start(&text).await;
    let mut client = system.client().await;
    for path in ["/users/1", "/users/", "/sub/other"] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "<p>start"),
            "{path}"
        );
        assert_eq!(answer.field("cache-control"), Some("no-cache"));
    }
    assert_eq!(client.get("/missing.js").await.status, 404);
    let answer = client
        .with("GET /jane.doe", "accept: text/html,*/*;q=0.8\r\n")
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "<p>start"));
    assert_eq!(client.get("/a.txt").await.body, "0123456789");
}

#[tokio::test]
async fn a_route_to_a_site_sets_and_removes_headers_and_admits_origins() {
    let text = format!(
        "{SITE}[[site.docs.routes]]\npath = \"/\"\n\
         [site.docs.routes.response_headers]\nset = {{ cache-control = \"max-age=9\" }}\nremove = [\"etag\"]\n\
         [site.docs.routes.cors]\norigins = [\"https://shop.example\"]\n"
    );
    let system = start(&text).await;
    let mut client = system.client().await;
    let answer = client
        .with("GET /a.txt", "origin: https://shop.example\r\n")
        .await;
    assert_eq!(answer.field("cache-control"), Some("max-age=9"));
    assert_eq!(answer.field("etag"), None);
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://shop.example")
    );
    let preflight = "origin: https://shop.example\r\naccess-control-request-method: GET\r\n";
    let answer = client.with("OPTIONS /a.txt", preflight).await;
    assert!(
        answer.field("access-control-allow-methods").is_some(),
        "{}",
        answer.head
    );
}

#[tokio::test]
async fn an_edit_adds_and_removes_sites() {
    let system = start("[service.a]\nrun = \"a\"\nroute = \"/\"\n").await;
    let mut client = system.client().await;
    assert_eq!(client.get("/a.txt").await.status, 503);
    system.handle.apply(plan(SITE)).await.unwrap();
    assert_eq!(client.get("/a.txt").await.status, 200);
    system
        .handle
        .apply(plan("[site.docs]\nroot = \"public/sub\"\n"))
        .await
        .unwrap();
    assert_eq!(client.get("/").await.body, "<p>sub");
    system
        .handle
        .apply(plan("[service.a]\nrun = \"a\"\nroute = \"/\"\n"))
        .await
        .unwrap();
    assert_eq!(client.get("/a.txt").await.status, 503);
}

/// Larger than all the buffers on the way.
const LARGE: usize = 24 * 1024 * 1024;

fn large() -> Vec<u8> {
    (0..LARGE).map(|at| (at / 7) as u8).collect()
}

#[tokio::test]
async fn a_large_file_arrives_whole_and_in_ranges() {
    let folder = folder();
    let bytes = large();
    write(folder.path(), "public/large.bin", &bytes);
    let system = System::start_in(folder, SITE).await;
    let mut client = system.client().await;
    for (fields, expected) in [
        ("", &bytes[..]),
        ("range: bytes=1000-19000000\r\n", &bytes[1000..19_000_001]),
        ("range: bytes=-40000\r\n", &bytes[LARGE - 40_000..]),
    ] {
        client
            .send(&format!(
                "GET /large.bin HTTP/1.1\r\nhost: a\r\n{fields}\r\n"
            ))
            .await;
        let head = client.head().await.unwrap();
        assert_eq!(
            field(&head, "content-length"),
            Some(expected.len().to_string().as_str())
        );
        assert!(
            client.exactly(expected.len()).await.unwrap() == expected,
            "{fields}"
        );
    }
    assert_eq!(
        client.get("/a.txt").await.body,
        "0123456789",
        "on the same connection"
    );
}

#[tokio::test]
async fn a_file_that_becomes_shorter_is_broken_off() {
    let folder = folder();
    write(folder.path(), "public/large.bin", &large());
    let path = folder.path().join("public/large.bin");
    let system = System::start_in(folder, SITE).await;
    let mut stream = TcpStream::connect(system.handle.public_address())
        .await
        .unwrap();
    stream
        .write_all(b"GET /large.bin HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut begun = [0; 1000];
    stream.read_exact(&mut begun).await.unwrap();
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(1000)
        .unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("it ends");
    assert!(ended.is_err(), "a reset tells that it is not the whole");
    assert!(rest.len() < LARGE);
    let line = system.line(|line| line["path"] == "/large.bin").await;
    assert_eq!(line["reason"], "answer-broke");
}

#[tokio::test]
async fn a_file_that_is_replaced_is_sent_as_it_was() {
    let folder = folder();
    let bytes = large();
    write(folder.path(), "public/large.bin", &bytes);
    let system = System::start_in(folder, SITE).await;
    let mut client = system.client().await;
    client
        .send("GET /large.bin HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    client.head().await.unwrap();
    write(system.folder.path(), "public/new.bin", b"new");
    let at = |name: &str| system.folder.path().join("public").join(name);
    fs::rename(at("new.bin"), at("large.bin")).unwrap();
    assert!(client.exactly(LARGE).await.unwrap() == bytes);
    assert_eq!(client.get("/large.bin").await.body, "new");
}

#[tokio::test]
async fn a_client_that_goes_away_is_let_go() {
    let folder = folder();
    write(folder.path(), "public/large.bin", &large());
    let system = System::start_in(folder, SITE).await;
    let mut client = system.client().await;
    client
        .send("GET /large.bin HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    client.head().await.unwrap();
    drop(client);
    let line = system.line(|line| line["path"] == "/large.bin").await;
    assert_eq!(line["reason"], "client-gone");
}
