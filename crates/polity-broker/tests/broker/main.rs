//! A broker over TCP: its own client, hostile bytes, and clients that other people wrote.

mod clients;
mod common;
mod disk;
mod hostile;
mod records;
mod topics;
mod versions;
