//! The floor: the least that a proxy with kept connections can do over sockets. Each message is
//! received once and sent once, and nothing is known of what it says.
//!
//! It takes one read for one message: good for requests and answers that arrive whole, each only when
//! the one before has been answered. Pieces of others go astray.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::Context;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

/// The longest message.
const BUFFER: usize = 64 * 1024;
/// Events taken at once: as many as nginx takes.
const EVENTS: usize = 512;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// Where it sends everything.
    #[arg(long)]
    origin: SocketAddr,
}

struct Relay {
    epoll: OwnedFd,
    listener: TcpListener,
    origin: SocketAddr,
    /// By the numbers of their descriptors.
    connections: Vec<Option<Connection>>,
    /// Idle connections to the origin, the one used last on top: never more than there were clients at once.
    pool: Vec<usize>,
    buffer: Box<[u8]>,
    events: Vec<Event>,
}

struct Connection {
    stream: TcpStream,
    side: Side,
    /// The one on the other side, from request to answer.
    partner: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Origin,
}

/// Relays until it is killed, or out of descriptors, or without an origin.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut relay = Relay::open(options)?;
    loop {
        relay.turn(None)?;
    }
}

impl Relay {
    fn open(options: &Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(options.listen)
            .with_context(|| format!("could not listen on {}", options.listen))?;
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, data(number(&listener)), EventFlags::IN)?;
        Ok(Self {
            epoll,
            listener,
            origin: options.origin,
            connections: Vec::new(),
            pool: Vec::new(),
            buffer: vec![0; BUFFER].into(),
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// Waits, at most for `patience`, and handles what has come; gives how many events that were.
    fn turn(&mut self, patience: Option<&Timespec>) -> anyhow::Result<usize> {
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), patience) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for at in 0..self.events.len() {
            let ready = self.events[at].data.u64() as usize;
            match ready == number(&self.listener) {
                true => self.accept()?,
                false => self.relay(ready)?,
            }
        }
        Ok(self.events.len())
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => self.admit(stream, Side::Client).map(|_| ()),
            Err(error) if is_nothing(&error) => Ok(()),
            Err(error) => Err(error).context("could not accept a connection"),
        }
    }

    /// Edge-triggered, so that one read for each event is enough.
    fn admit(&mut self, stream: TcpStream, side: Side) -> anyhow::Result<usize> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let number = number(&stream);
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.epoll, &stream, data(number), flags)?;
        if self.connections.len() <= number {
            self.connections.resize_with(number + 1, || None);
        }
        self.connections[number] = Some(Connection {
            stream,
            side,
            partner: None,
        });
        Ok(number)
    }

    /// One message from connection `from` to the other side. An event may be older than the end of its
    /// connection, whose number may be another's by then.
    fn relay(&mut self, from: usize) -> anyhow::Result<()> {
        let Some(connection) = &self.connections[from] else {
            return Ok(());
        };
        let (side, partner) = (connection.side, connection.partner);
        let length = match (&connection.stream).read(&mut self.buffer) {
            Err(error) if is_nothing(&error) => return Ok(()),
            Ok(0) | Err(_) => {
                self.close(from);
                return Ok(());
            }
            Ok(length) => length,
        };
        let to = match (side, partner) {
            (_, Some(partner)) => partner,
            (Side::Client, None) => self.borrow(from)?,
            (Side::Origin, None) => {
                self.close(from);
                return Ok(());
            }
        };
        match (self.send(to, length), side) {
            (true, Side::Client) => {}
            (true, Side::Origin) => self.give_back(from, to),
            (false, _) => self.close(from),
        }
        Ok(())
    }

    /// A connection to the origin for the request of `client`. A new one is waited for: to connect over
    /// loopback takes no time that anybody else would miss.
    fn borrow(&mut self, client: usize) -> anyhow::Result<usize> {
        let origin = match self.pool.pop() {
            Some(origin) => origin,
            None => {
                let stream = TcpStream::connect(self.origin)
                    .with_context(|| format!("could not connect to {}", self.origin))?;
                self.admit(stream, Side::Origin)?
            }
        };
        self.pair(client, Some(origin));
        self.pair(origin, Some(client));
        Ok(origin)
    }

    fn give_back(&mut self, origin: usize, client: usize) {
        self.pair(client, None);
        self.pair(origin, None);
        self.pool.push(origin);
    }

    fn pair(&mut self, connection: usize, partner: Option<usize>) {
        if let Some(connection) = &mut self.connections[connection] {
            connection.partner = partner;
        }
    }

    /// Whether all of the message went out at once: there is nowhere to keep what did not.
    fn send(&self, to: usize, length: usize) -> bool {
        let message = &self.buffer[..length];
        let connection = self.connections[to].as_ref();
        let sent = connection.map(|connection| (&connection.stream).write(message));
        matches!(sent, Some(Ok(sent)) if sent == length)
    }

    /// Closes it, and the one on the other side of a request under way: neither can go on.
    fn close(&mut self, number: usize) {
        let Some(connection) = self.connections[number].take() else {
            return;
        };
        match (connection.side, connection.partner) {
            (_, Some(partner)) => self.connections[partner] = None,
            (Side::Origin, None) => self.pool.retain(|idle| *idle != number),
            (Side::Client, None) => {}
        }
    }
}

/// That there was nothing there after all is no fault.
fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::ConnectionAborted
    )
}

fn number(socket: &impl AsRawFd) -> usize {
    usize::try_from(socket.as_raw_fd()).expect("an open descriptor is not negative")
}

fn data(number: usize) -> EventData {
    EventData::new_u64(number as u64)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    /// So long nothing here takes, unless it is broken.
    const PATIENCE: Duration = Duration::from_secs(10);

    struct Bench {
        relay: Relay,
        origin: TcpListener,
    }

    impl Bench {
        fn new() -> Self {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let origin = TcpListener::bind(any).expect("a free port");
            origin.set_nonblocking(true).expect("a socket");
            let options = Options {
                listen: any,
                origin: origin.local_addr().expect("bound"),
            };
            let relay = Relay::open(&options).expect("a free port");
            Self { relay, origin }
        }

        /// A client whose connection has been accepted.
        fn client(&mut self) -> TcpStream {
            let address = self.relay.listener.local_addr().expect("bound");
            let client = TcpStream::connect(address).expect("it listens");
            self.turn();
            patient(client)
        }

        /// One event.
        fn turn(&mut self) {
            let patience = Timespec::try_from(PATIENCE).expect("short");
            let events = self.relay.turn(Some(&patience)).expect("no fault");
            assert_eq!(events, 1);
        }

        /// A new connection to the origin, if there is one.
        fn connection(&self) -> Option<TcpStream> {
            Some(patient(self.origin.accept().ok()?.0))
        }
    }

    fn patient(stream: TcpStream) -> TcpStream {
        stream.set_nonblocking(false).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream
    }

    fn expect(mut stream: &TcpStream, text: &str) {
        let mut read = vec![0; text.len()];
        stream.read_exact(&mut read).expect("it was sent");
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    fn write(mut stream: &TcpStream, text: &str) {
        stream.write_all(text.as_bytes()).expect("it is open");
    }

    #[test]
    fn each_message_takes_one_turn_and_the_connection_to_the_origin_is_kept() {
        let mut bench = Bench::new();
        let client = bench.client();
        write(&client, "first");
        bench.turn();
        let origin = bench.connection().expect("none was there before");
        for (request, answer) in [("first", "one"), ("second", "two")] {
            expect(&origin, request);
            write(&origin, answer);
            bench.turn();
            expect(&client, answer);
            write(&client, "second");
            bench.turn();
        }
        assert!(bench.connection().is_none());
    }

    #[test]
    fn clients_with_requests_under_way_never_share_a_connection() {
        let mut bench = Bench::new();
        let (one, other) = (bench.client(), bench.client());
        write(&one, "of one");
        bench.turn();
        write(&other, "of another");
        bench.turn();
        let first = bench.connection().expect("for the first");
        let second = bench.connection().expect("for the second");
        expect(&first, "of one");
        expect(&second, "of another");
        write(&second, "to another");
        bench.turn();
        write(&first, "to one");
        bench.turn();
        expect(&one, "to one");
        expect(&other, "to another");
        // The one that came back last goes out first.
        write(&other, "again");
        bench.turn();
        expect(&first, "again");
    }

    #[test]
    fn a_client_that_goes_takes_only_its_request_with_it() {
        let mut bench = Bench::new();
        let (gone, stays) = (bench.client(), bench.client());
        write(&gone, "lost");
        bench.turn();
        let lost = bench.connection().expect("for the first");
        drop(gone);
        bench.turn();
        expect(&lost, "lost");
        assert_eq!((&lost).read(&mut [0]).expect("its end"), 0);
        write(&stays, "kept");
        bench.turn();
        expect(&bench.connection().expect("for the second"), "kept");
    }

    #[test]
    fn an_idle_connection_that_speaks_or_ends_is_not_used_again() {
        let mut bench = Bench::new();
        let client = bench.client();
        for last_words in ["unasked", ""] {
            write(&client, "request");
            bench.turn();
            let origin = bench.connection().expect("a new one");
            expect(&origin, "request");
            write(&origin, "answer");
            bench.turn();
            expect(&client, "answer");
            write(&origin, last_words);
            drop(origin);
            bench.turn();
        }
        write(&client, "request");
        bench.turn();
        assert!(bench.connection().is_some());
    }
}
