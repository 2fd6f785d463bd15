//! NATS JetStream: one server, a stream in files.

use std::fs;

use super::brokers::{Found, Fsync, Maker, Place};
use crate::bench::ground::Ground;
use crate::bench::machine;

pub(super) const MAKER: Maker = Maker {
    name: "nats",
    install: "apt-get install nats-server",
    find,
    configure,
    // It is on the disk at an interval, of two minutes as it comes.
    fsync: Fsync::Never,
    client: "nats",
    compiles_itself: false,
};

fn find(ground: &Ground) -> anyhow::Result<Option<Found>> {
    Ok(machine::find("nats-server").map(|program| Found {
        version: machine::output(&program.to_string_lossy(), &["--version"]),
        program,
        home: ground.root.clone(),
    }))
}

fn configure(place: &Place<'_>) -> anyhow::Result<Vec<String>> {
    let (host, port) = (place.address.ip(), place.address.port());
    let text = format!(
        "host: \"{host}\"\nport: {port}\njetstream {{\n  store_dir: \"{}\"\n}}\n",
        place.folder.join("data").display()
    );
    let file = place.folder.join("nats.conf");
    fs::write(&file, text)?;
    Ok(vec!["--config".to_owned(), file.display().to_string()])
}
