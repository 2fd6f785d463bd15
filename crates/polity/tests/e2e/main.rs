//! End to end: the real binary runs real services, and requests go over real sockets.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod acme;
mod bad_input;
mod broker;
mod consistency;
mod documentation;
mod edits;
mod events;
mod examples;
mod flood;
mod grpc;
mod http;
mod https;
mod init;
mod load;
mod losses;
mod shop;
mod sites;
mod system;
mod transcode;
mod uninterrupted;
mod unkillable;
mod wait;
