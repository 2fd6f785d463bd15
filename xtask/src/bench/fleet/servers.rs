//! The eight servers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, ensure};

use crate::bench::process::{Process, first_line, pinned};
use crate::bench::session::Session;

/// What ails each, as `polity-bench server` calls it.
const CHARACTERS: [&str; 8] = [
    "steady", "steady", "steady", "steady", "slow", "pausing", "failing", "cold",
];

/// Processes that end with this.
pub(super) struct Fleet {
    servers: Vec<(Process, SocketAddr)>,
}

impl Fleet {
    pub(super) fn start(session: &Session) -> anyhow::Result<Self> {
        let start = |(number, character): (usize, &&str)| {
            let mut command = pinned(
                &session.ground.cores.load,
                &session.ground.programs.instruments,
            );
            command.args(["server", "--character", character]);
            command.arg(format!("--seed={}", number + 1));
            let log = session.ground.folder().join(format!("server-{number}.log"));
            let (process, mut output) = Process::start_piped(command, &log)?;
            let address = first_line(&mut output)?.parse();
            Ok((
                process,
                address.context("a server did not say where it listens")?,
            ))
        };
        let servers = CHARACTERS.iter().enumerate().map(start);
        Ok(Self {
            servers: servers.collect::<anyhow::Result<_>>()?,
        })
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.servers.iter().map(|(_, address)| *address)
    }

    /// Has all of them begin anew, as far as they know.
    pub(super) fn restart(&self) -> anyhow::Result<()> {
        for address in self.addresses() {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"GET /reset HTTP/1.1\r\nhost: fleet\r\n\r\n")?;
            let mut status = [0; 12];
            stream.read_exact(&mut status)?;
            ensure!(status.ends_with(b" 200"), "a server did not begin anew");
        }
        Ok(())
    }
}
