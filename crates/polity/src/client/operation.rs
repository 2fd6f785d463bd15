//! An operation seen from the terminal: its steps as they happen, and how it ended.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use polity_console::view::{OperationLine, Outcome, Progress};
use rustix::termios::tcgetwinsize;
use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use super::Client;
use crate::cli::Global;
use crate::style::{Colour, Style};

/// The width of a terminal that does not tell.
const USUAL_WIDTH: usize = 80;

/// Asks for an operation and stays until it has ended; exit code 1 when it failed.
///
/// # Errors
/// When it is refused, or its end cannot be known.
pub fn carry_out(global: &Global, path: &str, body: Option<&impl Serialize>) -> Result<ExitCode> {
    let records = Client::connect(global)?.post::<OperationLine>(path, body)?;
    if global.json {
        return pass_on(records, &mut io::stdout().lock());
    }
    let mut progress = Terminal::of(io::stderr().lock());
    for line in records {
        match line? {
            OperationLine::Progress(Progress::Step { text }) => progress.step(&text)?,
            OperationLine::Progress(Progress::Output { text }) => progress.passing(&text)?,
            OperationLine::Outcome(outcome) => {
                progress.clear()?;
                return finish(outcome);
            }
        }
    }
    progress.clear()?;
    bail!(UNKNOWN_END)
}

const UNKNOWN_END: &str =
    "the connection ended before the operation did: `polity events` shows what came of it";

fn finish(outcome: Outcome) -> Result<ExitCode> {
    match outcome {
        Outcome::Done { message, .. } => {
            writeln!(io::stdout(), "{message}")?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Failed { reason, output } => {
            let mut stderr = io::stderr().lock();
            for line in output {
                writeln!(stderr, "  {line}")?;
            }
            bail!(reason)
        }
    }
}

fn pass_on(
    records: impl Iterator<Item = Result<OperationLine>>,
    out: &mut impl Write,
) -> Result<ExitCode> {
    for line in records {
        let line = line?;
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
        if let OperationLine::Outcome(outcome) = line {
            let failed = matches!(outcome, Outcome::Failed { .. });
            return Ok(ExitCode::from(u8::from(failed)));
        }
    }
    bail!(UNKNOWN_END)
}

/// Progress for who watches: steps stay, lines of output pass by in one place. A file or a pipe
/// is told nothing but the end.
struct Terminal<W: Write> {
    out: W,
    /// None when nobody watches.
    width: Option<usize>,
    style: Style,
}

impl Terminal<io::StderrLock<'static>> {
    fn of(out: io::StderrLock<'static>) -> Self {
        let width = out.is_terminal().then(|| {
            let told = tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
            told.filter(|columns| *columns > 0).unwrap_or(USUAL_WIDTH)
        });
        let style = Style::of(&out);
        Self { out, width, style }
    }
}

impl<W: Write> Terminal<W> {
    fn step(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        match self.width {
            Some(_) => writeln!(self.out, "{}", self.style.paint(Colour::Dim, text)),
            None => Ok(()),
        }
    }

    fn passing(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        let Some(width) = self.width else {
            return Ok(());
        };
        let shown = fitting(text, width.saturating_sub(3));
        write!(self.out, "  {}", self.style.paint(Colour::Dim, &shown))?;
        self.out.flush()
    }

    /// Takes back the line that passes by.
    fn clear(&mut self) -> io::Result<()> {
        match self.width {
            Some(_) => write!(self.out, "\r\x1b[K"),
            None => Ok(()),
        }
    }
}

/// As much of `text` as `width` columns show, and nothing that would move the cursor.
fn fitting(text: &str, width: usize) -> String {
    let mut room = width;
    text.chars()
        .filter(|c| !c.is_control())
        .take_while(|c| {
            let taken = c.width().unwrap_or(0);
            let fits = taken <= room;
            room = room.saturating_sub(taken);
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: Option<usize>) -> String {
        let mut out = Vec::new();
        let style = Style::Plain;
        let mut terminal = Terminal {
            out: &mut out,
            width,
            style,
        };
        terminal.step("building").expect("written");
        terminal
            .passing("Compiling\torders 店店店")
            .expect("written");
        terminal.step("orders-3 is ready").expect("written");
        terminal.clear().expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_terminal_sees_steps_stay_and_output_pass() {
        let clear = "\r\x1b[K";
        let expected = format!(
            "{clear}building\n{clear}  Compilingorders 店{clear}orders-3 is ready\n{clear}"
        );
        assert_eq!(shown(Some(22)), expected);
    }

    #[test]
    fn a_pipe_sees_no_progress() {
        assert_eq!(shown(None), "");
    }

    #[test]
    fn machines_get_every_line_and_the_exit_code() {
        let step = || {
            OperationLine::Progress(Progress::Step {
                text: "building".to_owned(),
            })
        };
        let failed = || {
            OperationLine::Outcome(Outcome::Failed {
                reason: "no".to_owned(),
                output: Vec::new(),
            })
        };
        let mut out = Vec::new();
        let code = pass_on([Ok(step()), Ok(failed())].into_iter(), &mut out).expect("ended");
        assert_eq!(code, ExitCode::from(1));
        let expected = "{\"type\":\"step\",\"text\":\"building\"}\n{\"type\":\"failed\",\"reason\":\"no\",\"output\":[]}\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
        let cut = pass_on([Ok(step())].into_iter(), &mut Vec::new());
        assert!(cut.is_err(), "an operation without an end did not succeed");
    }
}
