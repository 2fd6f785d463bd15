//! A gateway under a plan in TOML, origins that say what they were asked, and a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use polity_catalog::{Catalog, Change, Health, Instance};
use polity_core::{InstanceId, ServiceName};
use polity_gateway::{Config, Drains, Folders, Gateway, Handle, SessionKey};
use polity_plan::{Plan, Source};
use polity_runtime::drain::DrainTrigger;
use polity_runtime::{DataPlane, Published, drain};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// Longer than anything takes: a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn plan(text: &str) -> Arc<Plan> {
    let text = match text.contains("[gateway]") {
        true => text.to_owned(),
        false => format!("[gateway]\nlisten = \"127.0.0.1:0\"\n{text}"),
    };
    let loaded = polity_plan::load(Source {
        name: "polity.toml",
        text: &text,
        environment: &|_| None,
    });
    let plan = loaded
        .plan
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    Arc::new(plan)
}

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

/// A running gateway.
pub(crate) struct System {
    pub(crate) handle: Handle,
    pub(crate) catalog: Published<Catalog>,
    pub(crate) log: tempfile::TempPath,
    /// The plan's, and where state is kept.
    pub(crate) folder: tempfile::TempDir,
    pub(crate) running: JoinHandle<()>,
    pub(crate) public: DrainTrigger,
    pub(crate) calls: DrainTrigger,
}

impl System {
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), text).await
    }

    /// With a folder that has files which the plan names.
    pub(crate) async fn start_in(folder: tempfile::TempDir, text: &str) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let catalog = Published::new(Catalog::default());
        let config = Config {
            data_plane: DataPlane::start(2).unwrap(),
            access_log: Some(log.to_path_buf()),
            session_key: SessionKey::new([7; 32]),
            folders: Folders {
                root: folder.path().to_owned(),
                state: folder.path().join("tls"),
            },
        };
        let started = Gateway::start(config, plan(text), catalog.clone()).await;
        let (gateway, handle) = started.unwrap_or_else(|error| panic!("{error}"));
        let (public_trigger, public) = drain::channel();
        let (calls_trigger, calls) = drain::channel();
        Self {
            handle,
            catalog,
            log,
            folder,
            running: tokio::spawn(gateway.run(Drains { public, calls })),
            public: public_trigger,
            calls: calls_trigger,
        }
    }

    pub(crate) fn change(&self, change: Change) {
        self.catalog.update(|catalog| catalog.apply(change));
    }

    pub(crate) fn put(&self, service: &str, id: &str, host: &str, port: u16) {
        let instance = Instance {
            id: id.into(),
            host: host.to_owned(),
            port,
            version: None,
            health: Health::Ready,
            weight: 1,
            zone: None,
        };
        self.change(Change::Put(name(service), instance));
    }

    /// An origin that is in the catalog, and known to the data plane.
    pub(crate) async fn origin(&self, service: &str, id: &str) -> Origin {
        let origin = Origin::start(id).await;
        self.put(service, id, "127.0.0.1", origin.address.port());
        until(|| self.handle.instance_stats(&id.into()).is_some()).await;
        origin
    }

    /// An instance that a test plays.
    pub(crate) async fn played(&self, service: &str, id: &str) -> TcpListener {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        self.put(service, id, "127.0.0.1", port);
        until(|| self.handle.instance_stats(&id.into()).is_some()).await;
        listener
    }

    /// Takes an instance out and waits for its requests, as a roll does.
    pub(crate) async fn leave(&self, service: &str, id: &str) -> usize {
        let id = InstanceId::from(id);
        self.change(Change::Remove(name(service), id.clone()));
        self.handle.drained(&id, PATIENCE).await
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.handle.public_address()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client().await.get(path).await
    }

    /// The access log's lines, once there are `count`.
    pub(crate) async fn lines(&self, count: usize) -> Vec<serde_json::Value> {
        let read = || std::fs::read_to_string(&self.log).unwrap();
        until(|| read().lines().count() >= count).await;
        read()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The first line of the access log that is `wanted`, once there is one: threads write theirs in any
    /// order.
    pub(crate) async fn line(
        &self,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let find = || {
            let text = std::fs::read_to_string(&self.log).unwrap();
            let mut lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            lines.find(&wanted)
        };
        until(|| find().is_some()).await;
        find().unwrap()
    }
}

/// Polls `condition` until it holds.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait)
        .await
        .expect("the condition came to hold");
}

/// An HTTP server that answers with the head it was sent, under its name. Dropping it is its
/// sudden death: its port refuses and its connections are reset.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Origin {
    pub(crate) async fn start(id: &str) -> Self {
        Self::saying(id, "").await
    }

    /// The same with further fields in its answers, each a line with its end.
    pub(crate) async fn saying(id: &str, fields: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fields = format!("x-instance: {id}\r\n{fields}");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                socket2::SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
                connections.spawn(serve(stream, fields.clone()));
            }
        });
        Self {
            address,
            _serving: serving,
        }
    }
}

async fn serve(stream: TcpStream, fields: String) {
    let mut client = Client::new(stream);
    while let Some(head) = client.head().await {
        let length = field(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let Some(body) = client.exactly(length).await else {
            return;
        };
        if head.contains("/slow") {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let text = head + &String::from_utf8_lossy(&body);
        let answer = format!(
            "HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n{text}",
            text.len()
        );
        if client.stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The value of the field, its name in lower case.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// One end of a connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// What the origin was sent, which is what it answers with.
    pub(crate) fn sent(&self, name: &str) -> Option<&str> {
        field(&self.body, name)
    }

    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.field("content-type"), Some("application/problem+json"));
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    async fn more(&mut self) -> Option<()> {
        let mut piece = [0; 16384];
        let read = timeout(PATIENCE, self.stream.read(&mut piece))
            .await
            .expect("bytes came");
        let read = read.ok().filter(|read| *read > 0)?;
        self.read.extend_from_slice(&piece[..read]);
        Some(())
    }

    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            let end = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.read.drain(..end + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            self.more().await?;
        }
    }

    pub(crate) async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            self.more().await?;
        }
        Some(self.read.drain(..count).collect())
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// The next answer; none when the connection ends first.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let head = self.head().await?;
        let length = field(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let body = self.exactly(length).await?;
        Some(Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// Sends a whole request, and reads its answer.
    pub(crate) async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer().await.expect("an answer")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n"
        ))
        .await
    }
}

/// Clients that ask without pause; whatever is not a 200 is kept.
pub(crate) struct Load {
    clients: Vec<JoinHandle<(usize, Vec<String>)>>,
    stop: Arc<std::sync::atomic::AtomicBool>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, request: &str, clients: usize) -> Self {
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let client = |_| {
            let (stop, request) = (stop.clone(), request.to_owned());
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let (mut count, mut failed) = (0, Vec::new());
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    client.send(&request).await;
                    match client.answer().await {
                        Some(answer) if answer.status == 200 => {}
                        other => {
                            failed.push(format!("{other:?}"));
                            client = Client::connect(address).await;
                        }
                    }
                    count += 1;
                }
                (count, failed)
            })
        };
        Self {
            clients: (0..clients).map(client).collect(),
            stop,
        }
    }

    /// Ends it; how many requests there were, and those that failed.
    pub(crate) async fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let (mut total, mut failed) = (0, Vec::new());
        for client in self.clients {
            let (count, failures) = client.await.unwrap();
            total += count;
            failed.extend(failures);
        }
        (total, failed)
    }
}
