//! The records of one connection, and what is left to send of them.

use std::cell::OnceCell;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::CertificateDer;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// A connection's keys and what is between the socket and whoever reads and writes.
pub(super) struct Records {
    session: ServerConnection,
    /// Decrypted and not read yet, in bytes.
    readable: usize,
    /// The client has ended its sending side, in order or not.
    has_ended: bool,
    /// Who the certificate says it is that the client has shown.
    identity: OnceCell<Option<Arc<str>>>,
    /// Encrypted for who writes, who has not been told of it as long as some of it is left to send.
    accepted: usize,
}

impl Records {
    pub(super) fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        Ok(Self {
            session: ServerConnection::new(config).map_err(io::Error::other)?,
            readable: 0,
            has_ended: false,
            identity: OnceCell::new(),
            accepted: 0,
        })
    }

    /// Waits until something is decrypted, or nothing more will come.
    pub(super) fn poll_readable(
        &mut self,
        socket: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.readable == 0 && !self.has_ended {
            ready!(self.poll_receive(socket, context))?;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_read(
        &mut self,
        socket: &TcpStream,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_readable(socket, context))?;
        if self.readable > 0 {
            let read = self.session.reader().read(buffer.initialize_unfilled())?;
            self.readable -= read;
            buffer.advance(read);
        }
        Poll::Ready(Ok(()))
    }

    /// Encrypts, and sends all of that. The next call has to be with the same bytes, until it is ready.
    pub(super) fn poll_write(
        &mut self,
        socket: &TcpStream,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.accepted == 0 {
            // What is left of other things would take the room.
            ready!(self.poll_send(socket, context))?;
            self.accepted = self.session.writer().write_vectored(bytes)?;
        }
        ready!(self.poll_send(socket, context))?;
        Poll::Ready(Ok(std::mem::take(&mut self.accepted)))
    }

    /// Sends what is encrypted.
    pub(super) fn poll_send(
        &mut self,
        socket: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(socket.poll_write_ready(context))?;
                }
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => drop(sent?),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The same as far as it goes at once; whether there is no room for more. What is left is sent before
    /// anything else.
    pub(super) fn try_send(&mut self, socket: &TcpStream) -> bool {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(socket)) {
                Ok(1..) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
                // Who reads finds out what is wrong.
                Ok(0) => return false,
            }
        }
        false
    }

    /// Who is at the other end; nobody that is known where no certificate was asked for or shown.
    pub(super) fn identity(
        &self,
        identify: &dyn Fn(&CertificateDer<'_>) -> Option<Arc<str>>,
    ) -> Option<Arc<str>> {
        let identity = self.identity.get_or_init(|| {
            let chain = self.session.peer_certificates()?;
            chain.first().and_then(identify)
        });
        identity.clone()
    }

    /// Whether this is what both sides chose to speak (RFC 7301).
    pub(super) fn has_agreed_on(&self, protocol: &[u8]) -> bool {
        self.session.alpn_protocol() == Some(protocol)
    }

    /// That nothing more is sent.
    pub(super) fn say_closed(&mut self) {
        self.session.send_close_notify();
    }

    /// Takes in what there is, and sends what that asks for: a handshake's answers, alerts.
    fn poll_receive(
        &mut self,
        socket: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let received = match self.session.read_tls(&mut Socket(socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.send_beside(socket, context);
                return socket.poll_read_ready(context).map_ok(|()| ());
            }
            received => received?,
        };
        let state = self.session.process_new_packets();
        if state.is_err() || self.session.wants_write() {
            self.send_beside(socket, context);
        }
        let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.readable = state.plaintext_bytes_to_read();
        self.has_ended = received == 0 || state.peer_has_closed();
        Poll::Ready(Ok(()))
    }

    /// Sends what is encrypted while something is waited for: where the socket has no room, the wait is for
    /// that as well.
    fn send_beside(&mut self, socket: &TcpStream, context: &mut Context<'_>) {
        while self.try_send(socket) && socket.poll_write_ready(context).is_ready() {}
    }
}

/// A socket that says where it would block.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
