//! `polity down`: stops a running system, gracefully, and stays until it has stopped.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::cli::Global;
use crate::client::Client;
use crate::data::DataFolder;

/// From one look at whether the system has stopped to the next.
const PAUSE: Duration = Duration::from_millis(25);

/// Stop a running system gracefully
#[derive(Debug, Args)]
pub struct Down {
    /// How long to wait until it has stopped
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = polity_core::parse_duration)]
    timeout: Duration,
}

pub fn run(args: &Down, global: &Global) -> Result<ExitCode> {
    let data = DataFolder::find(global.data.as_deref())?;
    let path = data.path().display();
    let report = |text: &str| match global.json {
        true => Ok(()),
        false => writeln!(io::stdout(), "{text}"),
    };
    if !data.is_held()? {
        report(&format!(
            "no system runs on {path}: there is nothing to stop"
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let asked = Client::of(&data).and_then(|client| client.post::<()>(SHUTDOWN, None::<&()>));
    // It may have stopped by itself between the two questions, which is what was wanted.
    if let Err(error) = asked
        && data.is_held()?
    {
        return Err(error);
    }
    let deadline = Instant::now() + args.timeout;
    while data.is_held()? {
        if Instant::now() >= deadline {
            bail!(
                "the system on {path} is told to stop and has not after {:?}: it goes on stopping, `polity ps` shows what is left",
                args.timeout
            );
        }
        thread::sleep(PAUSE);
    }
    report("stopped")?;
    Ok(ExitCode::SUCCESS)
}

const SHUTDOWN: &str = "/api/v1/shutdown";
