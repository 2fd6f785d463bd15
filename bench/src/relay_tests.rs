//! A relay turned by hand, between a client and an origin of the test's.

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
