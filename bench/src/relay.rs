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
#[path = "relay_tests.rs"]
mod tests;
