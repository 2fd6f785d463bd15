//! The disk that fails keeps what it promises, and no more.

use super::*;

fn write(disk: &SimulatedDisk, path: &str, bytes: &[u8]) -> SimulatedFile {
    let file = disk.create(Path::new(path)).expect("it is made");
    file.write_at([bytes, &[]], 0).expect("it is written");
    file
}

fn read(disk: &SimulatedDisk, path: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 10_000];
    let read = disk
        .open(Path::new(path))
        .ok()?
        .read_at(&mut bytes, 0)
        .expect("it reads");
    bytes.truncate(read);
    Some(bytes)
}

#[test]
fn what_is_synced_outlives_any_power_cut_and_the_rest_does_or_does_not() {
    let (mut lost, mut torn, mut kept) = (0, 0, 0);
    for seed in 0..200 {
        let disk = SimulatedDisk::new(seed);
        write(&disk, "synced", &[1; 2000]).sync().expect("it syncs");
        disk.sync_folder(Path::new("")).expect("it syncs");
        let rest = disk.open(Path::new("synced")).expect("it is there");
        rest.write_at([&[2; 2000], &[]], 2000)
            .expect("it is written");
        write(&disk, "not", &[1; 10]).sync().expect("it syncs");
        let disk = disk.power_cut();
        let left = read(&disk, "synced").expect("its name is synced");
        assert_eq!(left[..2000], [1; 2000]);
        match left.len() {
            2000 => lost += 1,
            4000 if left[2000..] == [2; 2000] => kept += 1,
            _ => torn += 1,
        }
        assert!(read(&disk, "not").is_none_or(|bytes| bytes == [1; 10]));
        assert!(rest.length().is_err(), "it was another process's");
    }
    assert!(
        [lost, torn, kept].iter().all(|count| *count > 10),
        "{lost} {torn} {kept}"
    );
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = SimulatedDisk::new(0);
    let file = write(&disk, "a", &[1; 10]);
    disk.leave_room(Some(5));
    let written = file.write_at([&[2; 4], &[3; 4]], 10);
    assert_eq!(
        written.map_err(|it| it.kind()),
        Err(io::ErrorKind::StorageFull)
    );
    assert_eq!(file.length().expect("it is there"), 15);
}

#[test]
fn sectors_are_written_in_any_order() {
    let mut reordered = 0;
    for seed in 0..200 {
        let disk = SimulatedDisk::new(seed);
        write(&disk, "file", &[1; 4096]);
        disk.sync_folder(Path::new("")).expect("it syncs");
        let left = read(&disk.power_cut(), "file").expect("its name is synced");
        let is_there: Vec<bool> = left.chunks(512).map(|sector| sector[0] == 1).collect();
        reordered += usize::from(is_there.windows(2).any(|pair| pair == [false, true]));
    }
    assert!(reordered > 20, "{reordered}");
}
