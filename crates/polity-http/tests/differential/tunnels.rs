//! After a change of protocol: every byte passes as it came, both ways, whatever it looks like, and none
//! of those before it.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::corpus;
use crate::memory::End as Side;
use crate::network::network;
use crate::policy::Forward;
use crate::random::Random;
use crate::world::{self, Client, Ending, runtime};

/// What passes each way: among it, what would be requests and answers.
const UP: &[u8] = b"\r\n\r\n\0GET /within HTTP/1.1\r\nHost: a\r\n\r\n0\r\n\r\n\xff up";
const DOWN: &[u8] = b"0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\0\xff down";

/// Changes the protocol, sends its part, and takes in what comes until it ends.
async fn change(mut side: Side, seen: Rc<RefCell<Vec<u8>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(side.read_u8().await.expect("a whole head"));
    }
    let head = b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    // What cannot be written is missed at the other end.
    let _ = side.write_all(&[head, DOWN].concat()).await;
    let mut rest = Vec::new();
    let _ = side.read_to_end(&mut rest).await;
    seen.borrow_mut().extend_from_slice(&rest);
}

#[test]
fn all_that_passes_after_a_change_of_protocol_passes_as_it_came() {
    let runtime = runtime();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let sends = [head, UP].concat();
    for seed in 0..400 {
        let client = Client {
            sends: &sends,
            then: Ending::HalfClose,
        };
        let seen = Rc::new(RefCell::new(Vec::new()));
        let instance = {
            let seen = seen.clone();
            move |_, side| change(side, seen.clone())
        };
        let network = network(&mut Random::new(seed));
        let got = world::run(
            &runtime,
            Forward { attempts: 1 },
            network,
            &client,
            instance,
        );
        let end = got.bytes.windows(4).position(|it| it == b"\r\n\r\n");
        let down = end.map(|end| &got.bytes[end + 4..]);
        let shown = || format!("seed {seed}: {}", corpus::escape(&got.bytes));
        assert!(got.bytes.starts_with(b"HTTP/1.1 101 "), "{}", shown());
        assert_eq!(down, Some(DOWN), "{}", shown());
        assert_eq!(
            corpus::escape(&seen.borrow()),
            corpus::escape(UP),
            "seed {seed}"
        );
    }
}
