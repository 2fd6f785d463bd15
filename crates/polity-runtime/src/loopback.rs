//! Connections within this machine.

use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Has a socket whose `address` only this machine reaches take the simplest congestion control, which every Linux has
/// and lets everybody take (tcp(7), `TCP_CONGESTION`): there is no network to sound out between two processes, and one
/// that paces what it sends, as BBR does, spends as much on timers as on all else.
///
/// A connection that has begun by another goes on to be paced, so this is for a listener, whose connections inherit
/// it, or for a socket before it connects. For any other address it does nothing.
pub fn do_not_pace(socket: impl AsFd, address: SocketAddr) {
    if !address.ip().is_loopback() {
        return;
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_congestion(socket, "reno") {
        tracing::debug!(%error, %address, "the system's congestion control is left as it is");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn connections_of_a_listener_on_loopback_are_not_paced() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        do_not_pace(&listener, address);
        let _client = std::net::TcpStream::connect(address).expect("it listens");
        let (accepted, _) = listener.accept().expect("a connection");
        let by = rustix::net::sockopt::tcp_congestion(&accepted).expect("it says");
        assert_eq!(by.trim_end_matches('\0'), "reno");
    }

    #[test]
    fn others_are_left_alone() {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
        let before = rustix::net::sockopt::tcp_congestion(&listener).expect("it says");
        do_not_pace(&listener, listener.local_addr().expect("bound"));
        let after = rustix::net::sockopt::tcp_congestion(&listener).expect("it says");
        assert_eq!(before, after);
    }
}
