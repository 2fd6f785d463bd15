//! `polity run broker`.

use super::brokers::{Durability, Found, Fsync, KAFKA, Maker, Place};
use crate::bench::contenders::POLITY;
use crate::bench::ground::Ground;
use crate::bench::machine;

pub(super) const MAKER: Maker = Maker {
    name: POLITY,
    install: "",
    find,
    configure,
    fsync: Fsync::Process,
    client: KAFKA,
    compiles_itself: false,
};

fn find(ground: &Ground) -> anyhow::Result<Option<Found>> {
    let program = ground.programs.polity.clone();
    let version = machine::output(&program.to_string_lossy(), &["--version"]);
    let home = ground.root.clone();
    Ok(Some(Found {
        program,
        version,
        home,
    }))
}

fn configure(place: &Place<'_>) -> anyhow::Result<Vec<String>> {
    let durability = match place.durability {
        Durability::Os => "os",
        Durability::Fsync => "fsync",
    };
    let data = place.folder.join("data").display().to_string();
    let listen = place.address.to_string();
    let arguments = ["run", "broker", "--data", &data, "--listen", &listen];
    let durability = ["--durability", durability];
    Ok([arguments.as_slice(), &durability]
        .concat()
        .iter()
        .map(|it| (*it).to_owned())
        .collect())
}
