//! Where sockets are made, all of them, so that inherited ones can one day be handed in here instead.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use polity_runtime::loopback::do_not_pace;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, TcpStream};

use crate::limits::{LISTEN_BACKLOG, MAX_LOST_PROBES, PROBE_INTERVAL};

/// The silence after which the system asks whether a client is still there: one that has vanished
/// without a word would else hold its request, or its event stream, for as long as nothing is sent.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// Bytes that the system holds for a client before it has sent them: it would else take megabytes for
/// each that reads slowly. What is on its way, and not acknowledged yet, comes on top, so a long line
/// is filled all the same. Well above our own buffer, so that answers of the usual sizes are written
/// in one go, and a large one in few.
const MAX_UNSENT: u32 = 512 * 1024;

/// How the system asks, from `silence` on.
pub(crate) fn probes(silence: Duration) -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(silence)
        .with_interval(PROBE_INTERVAL)
        .with_retries(MAX_LOST_PROBES)
}

/// Whether several sockets may share the address, each with a queue of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// One socket; a second bind is refused.
    Exclusive,
    /// One per data-plane thread (`SO_REUSEPORT`); the kernel spreads connections over them.
    PerThread,
}

/// A listening socket on `address`.
///
/// # Errors
/// As the system gives them: the address in use, not of this machine, or not permitted.
pub fn listen(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart may bind while connections of the run before are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if sharing == Sharing::PerThread {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        let dual = address.ip() == Ipv6Addr::UNSPECIFIED;
        socket.set_only_v6(!dual)?;
    }
    socket.bind(&SockAddr::from(address))?;
    // Accepted sockets inherit these. Answers are written whole, so there is nothing to wait for.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&probes(PROBE_AFTER))?;
    // Where the system refuses it, it holds more.
    let _ = socket.set_tcp_notsent_lowat(MAX_UNSENT);
    do_not_pace(&socket, address);
    socket.listen(LISTEN_BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Who may be listening on an address already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nobody.
    Alone,
    /// Sockets of ours, made by [`listen_shared`], that are about to be closed.
    BesideOurs,
}

/// `count` listening sockets on one address; `host` none is every address of the machine, IPv4
/// and IPv6, or IPv4 alone where the machine has no IPv6. Port 0 picks one, the same for all.
///
/// An address that is in use is refused although the sockets share theirs: whoever
/// listens there already, another Polity included, would otherwise get a share of our connections
/// without a word, so the address is first tried alone ([`Claim::Alone`]).
///
/// # Errors
/// As [`listen`]'s.
pub fn listen_shared(
    host: Option<std::net::IpAddr>,
    port: u16,
    count: usize,
    claim: Claim,
) -> io::Result<Vec<TcpListener>> {
    if let Some(host) = host {
        return shared(SocketAddr::new(host, port), count, claim);
    }
    match shared((Ipv6Addr::UNSPECIFIED, port).into(), count, claim) {
        Err(error) if lacks_ipv6(&error) => {
            shared((Ipv4Addr::UNSPECIFIED, port).into(), count, claim)
        }
        other => other,
    }
}

fn shared(address: SocketAddr, count: usize, claim: Claim) -> io::Result<Vec<TcpListener>> {
    if claim == Claim::Alone {
        drop(listen(address, Sharing::Exclusive)?);
    }
    let first = listen(address, Sharing::PerThread)?;
    let address = first.local_addr()?;
    let others = (1..count).map(|_| listen(address, Sharing::PerThread));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn lacks_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    [
        Errno::AFNOSUPPORT,
        Errno::ADDRNOTAVAIL,
        Errno::PROTONOSUPPORT,
    ]
    .iter()
    .any(|errno| code == Some(errno.raw_os_error()))
}

/// Connects to `address`.
///
/// # Errors
/// As the system gives them.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_nodelay(true)?;
    do_not_pace(&socket, address);
    socket.connect(address).await
}

/// Whether a connection was not made for want of something of this machine's, which says nothing of
/// whoever it was for.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_refused_even_by_a_shared_listener() {
        let first = listen_shared(Some(Ipv4Addr::LOCALHOST.into()), 0, 2, Claim::Alone)
            .expect("a free port");
        assert_eq!(first.len(), 2);
        let port = first[0].local_addr().expect("bound").port();
        let second = listen_shared(Some(Ipv4Addr::LOCALHOST.into()), port, 2, Claim::Alone);
        assert_eq!(
            second.map_err(|error| error.kind()).err(),
            Some(io::ErrorKind::AddrInUse)
        );
    }

    /// The gateway's end of a client's connection.
    fn accepted() -> (std::net::TcpStream, std::net::TcpStream) {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into(), Sharing::Exclusive);
        let listener = listener.expect("a free port");
        listener.set_nonblocking(false).expect("it can wait");
        let address = listener.local_addr().expect("bound");
        let client = std::net::TcpStream::connect(address).expect("it listens");
        (listener.accept().expect("a connection").0, client)
    }

    #[test]
    fn clients_that_read_slowly_are_given_little_ahead() {
        let (accepted, _client) = accepted();
        let unsent = socket2::SockRef::from(&accepted).tcp_notsent_lowat();
        assert_eq!(unsent.expect("it says"), MAX_UNSENT);
    }

    #[test]
    fn clients_that_vanish_are_asked_after() {
        let (accepted, _client) = accepted();
        let accepted = socket2::SockRef::from(&accepted);
        assert!(accepted.keepalive().expect("it says"));
        assert_eq!(accepted.tcp_keepalive_time().expect("it says"), PROBE_AFTER);
        assert!(accepted.tcp_nodelay().expect("it says"));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn neither_end_paces_what_stays_within_the_machine() {
        let by = |socket| rustix::net::sockopt::tcp_congestion(socket).expect("it says");
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into(), Sharing::Exclusive);
        let listener = tokio::net::TcpListener::from_std(listener.expect("a free port"));
        let listener = listener.expect("it is nonblocking");
        let near = connect(listener.local_addr().expect("bound")).await;
        let far = listener.accept().await.expect("a connection").0;
        assert!(by(near.as_ref().expect("it listens")).starts_with("reno"));
        assert!(by(&far).starts_with("reno"));
    }

    #[tokio::test]
    async fn no_host_is_every_address_of_both_families() {
        let sockets = listen_shared(None, 0, 1, Claim::Alone).expect("a free port");
        let port = sockets[0].local_addr().expect("bound").port();
        assert!(connect((Ipv4Addr::LOCALHOST, port).into()).await.is_ok());
        if sockets[0].local_addr().expect("bound").is_ipv6() {
            assert!(connect((Ipv6Addr::LOCALHOST, port).into()).await.is_ok());
        }
    }
}
