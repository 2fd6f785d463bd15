//! What a start of the log takes: `cargo run --release -p polity-log --example start -- [GIGABYTES] [FOLDER]`.
//!
//! A process of its own fills a log and ends, or is killed; another opens it and says how long that took, what
//! it had to verify, and what it holds afterwards. What the files contain is not in the page cache then. Ten
//! gigabytes are written to the folder, and removed.

#![allow(clippy::print_stdout)]

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use polity_core::{SystemClock, TopicName};
use polity_log::batch::BatchBuilder;
use polity_log::{Durability, Log, Origin, RealDisk, Settings, TopicConfig, TopicId};
use rustix::fs::{Advice, fadvise};

/// Records of a batch, and bytes of a record.
const RECORDS: usize = 63;
const RECORD: usize = 1024;

/// How long it is watched when nobody asks anything of it.
const IDLE: Duration = Duration::from_secs(2);

/// A log to start.
struct Case {
    name: &'static str,
    partitions: u32,
    bytes: u64,
    segment_bytes: u32,
    durability: Durability,
    is_killed: bool,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", folder, partitions, bytes, segment_bytes, durability] => fill(
            Path::new(folder),
            number(partitions) as u32,
            number(bytes),
            number(segment_bytes) as u32,
            named(durability),
        ),
        ["open", folder] => open_and_tell(Path::new(folder)),
        [] => compare(10, &env::temp_dir()),
        [gigabytes] => compare(number(gigabytes), &env::temp_dir()),
        [gigabytes, folder, ..] => compare(number(gigabytes), Path::new(folder)),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn named(durability: &str) -> Durability {
    match durability {
        "Os" => Durability::Os,
        _ => Durability::Fsync,
    }
}

fn compare(gigabytes: u64, folder: &Path) -> io::Result<()> {
    let (gib, kib) = (1 << 30, 1 << 10);
    let many = |name, bytes, is_killed| Case {
        name,
        partitions: 1000,
        bytes,
        segment_bytes: 256 * kib,
        durability: Durability::Fsync,
        is_killed,
    };
    let one = |name, durability, is_killed| Case {
        name,
        partitions: 1,
        bytes: gigabytes * gib,
        segment_bytes: 1 << 30,
        durability,
        is_killed,
    };
    let cases = [
        one("one partition", Durability::Fsync, false),
        one("one partition, killed", Durability::Fsync, true),
        one(
            "one partition left to the system, killed",
            Durability::Os,
            true,
        ),
        many("1000 empty partitions", 0, false),
        many("1000 partitions of 8 segments", 2 * gib, false),
        many("1000 partitions of 8 segments, killed", 2 * gib, true),
    ];
    for case in cases {
        let folder = tempfile::tempdir_in(folder)?;
        let began = Instant::now();
        let mut filling = start_filling(&case, folder.path())?;
        let output = filling.stdout.take().expect("it is piped");
        let mut filled = String::new();
        io::BufReader::new(output).read_line(&mut filled)?;
        match case.is_killed {
            true => filling.kill()?,
            false => drop(filling.stdin.take()),
        }
        filling.wait()?;
        println!(
            "{} ({:.0} s to fill, {}):",
            case.name,
            began.elapsed().as_secs_f64(),
            filled.trim(),
        );
        forget_pages(folder.path())?;
        let itself = env::current_exe()?;
        Command::new(itself)
            .arg("open")
            .arg(folder.path())
            .status()?;
    }
    Ok(())
}

fn start_filling(case: &Case, folder: &Path) -> io::Result<Child> {
    Command::new(env::current_exe()?)
        .arg("fill")
        .arg(folder)
        .args([
            case.partitions.to_string(),
            case.bytes.to_string(),
            case.segment_bytes.to_string(),
            format!("{:?}", case.durability),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}

fn open(folder: &Path, durability: Durability) -> (Log, polity_log::Opened) {
    let settings = Settings {
        durability,
        ..Settings::default()
    };
    let clock = Arc::new(SystemClock);
    Log::open(RealDisk, &folder.join("log"), &settings, clock).expect("it opens")
}

/// Fills a log, says so, and closes it when the input ends.
fn fill(
    folder: &Path,
    partitions: u32,
    bytes: u64,
    segment_bytes: u32,
    durability: Durability,
) -> io::Result<()> {
    let (log, _) = open(folder, durability);
    let config = TopicConfig {
        segment_bytes,
        retention_ms: None,
        ..TopicConfig::default()
    };
    let name = TopicName::new("measured").expect("it is a topic's");
    let topic = log.create_topic(&name, TopicId([1; 16]), partitions, config);
    let topic = topic.expect("it is made");
    let value = vec![7; RECORD];
    let add = |builder: BatchBuilder, _| builder.record(1, None, Some(&value));
    let batch = (0..RECORDS).fold(BatchBuilder::new(), add).build();
    for number in 0..bytes / batch.len() as u64 {
        let partition = &topic.partitions()[(number % u64::from(partitions)) as usize];
        let appended = partition.append(&batch, Origin::Client);
        appended.expect("it is appended");
    }
    println!("{:.0} ms of CPU", cpu()?.as_secs_f64() * 1e3);
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn open_and_tell(folder: &Path) -> io::Result<()> {
    let began = Instant::now();
    let (log, opened) = open(folder, Durability::Fsync);
    let took = began.elapsed();
    let files = fs::read_dir("/proc/self/fd")?.count();
    let used = cpu()?;
    thread::sleep(IDLE);
    let idle = cpu()? - used;
    let began = Instant::now();
    log.housekeep();
    let housekeeping = began.elapsed();
    println!(
        "  open after {:.0} ms ({:.0} ms of CPU), {:.1} MB verified, {files} files open, {} resident;\n  idle {:.0} ms of CPU in {} s, housekeeping {:.0} ms",
        took.as_secs_f64() * 1e3,
        used.as_secs_f64() * 1e3,
        opened.verified as f64 / 1e6,
        resident()?,
        idle.as_secs_f64() * 1e3,
        IDLE.as_secs(),
        housekeeping.as_secs_f64() * 1e3,
    );
    Ok(())
}

/// Of this process, by the kernel's clock of a hundred ticks in a second.
fn cpu() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // The eleventh and twelfth after the name: in the program and in the kernel.
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|it| it.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(10 * ticks))
}

fn resident() -> io::Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.unwrap_or("?").trim().to_owned())
}

/// Has the page cache forget what is in the files.
fn forget_pages(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            forget_pages(&entry.path())?;
            continue;
        }
        let file = fs::File::open(entry.path())?;
        // What is not written back cannot be forgotten.
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
