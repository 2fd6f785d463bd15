//! The HTTP/1.1 data plane: listeners, framing, pools and forwarding.
//!
//! One task per client connection reads its requests and drives each to its end: it connects to
//! the instance, sends, reads the answer and writes it on, without a channel or a second task.
//! What is decided about a request (where it goes, what is added, whether it is tried again)
//! is a [`Policy`]'s; how bytes are framed is decided here alone.

pub mod body;
pub mod date;
pub mod encode;
pub mod file;
pub mod head;
pub mod limits;
pub mod local;
pub mod policy;
pub mod server;
pub mod socket;
pub mod stream;
pub mod text;
pub mod translate;

mod accept;
mod buffer;
mod connection;
mod deadline;
mod group;
mod http2;
mod pace;
mod peers;
mod tls;
mod upstream;
mod worker;

pub use encode::Encoder;
pub use head::{RequestHead, ResponseHead};
pub use limits::{Limits, Timeouts};
pub use local::Local;
pub use policy::{
    Abandoned, Answer, Exchange, Fault, Found, Here, Next, Outcome, Peer, Policy, Protocol, Racer,
    Replay, Reuse, Scheme, Speaks, Target,
};
pub use server::{ListenerId, Server};
