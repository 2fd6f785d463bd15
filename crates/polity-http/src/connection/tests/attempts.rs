//! What is said of a request from one attempt to the next.

use std::time::Duration;

use super::memory::{ORIGIN, REFUSED, serve};
use super::{GET, locally};
use crate::policy::Replay;

#[tokio::test(start_paused = true)]
async fn a_request_that_one_instance_has_had_is_never_said_to_be_unsent() {
    locally(async {
        let mut served = serve(&[REFUSED, ORIGIN, REFUSED], Duration::ZERO, None);
        served.client.send(GET).await;
        let mut origin = served.origin().await;
        origin.head().await;
        drop(origin);
        assert!(served.client.head().await.starts_with("HTTP/1.1 502 "));
        let expected = [Replay::NotSent, Replay::Held, Replay::Held];
        assert_eq!(*served.replays.borrow(), expected);
    })
    .await;
}
