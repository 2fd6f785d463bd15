//! A broker over TCP: its own client, hostile bytes, and clients that other people wrote.

mod bounds;
mod clients;
mod common;
mod disk;
mod fetches;
mod hostile;
mod offsets;
mod records;
mod settings;
mod topics;
mod transactions;
mod versions;
