//! `polity init`: writes a first polity.toml for the programs it recognises in a folder.

mod files;
mod go;
mod node;
mod python;
mod recognise;
mod rust;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::cli::Global;
use crate::plan_file;
use crate::style::{Colour, Style};
use files::OnDisk;
use recognise::{Service, recognise};

/// Write a first polity.toml for the programs recognised in a folder
#[derive(Debug, Args)]
pub struct Init {
    /// The folder
    #[arg(default_value = ".")]
    path: PathBuf,
}

/// What is written when nothing was recognised.
const TEMPLATE: &str = include_str!("init/template.toml");

pub fn run(args: &Init, global: &Global) -> Result<ExitCode> {
    let folder = args
        .path
        .canonicalize()
        .with_context(|| format!("could not open the folder {}", args.path.display()))?;
    let services = recognise(&OnDisk::new(&folder), &name_of(&folder));
    let text = match services.is_empty() {
        true => TEMPLATE.to_owned(),
        false => render(&services),
    };
    let path = args.path.join(plan_file::FILE_NAME);
    write_new(&path, &text)?;
    match global.json {
        true => report_json(&path, &services),
        false => report(&path, &services),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whatever is there stays: the file is made new or not at all.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} is there already and stays as it is", path.display())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("could not write {}", path.display()));
        }
    };
    file.write_all(text.as_bytes())
        .with_context(|| format!("could not write {}", path.display()))
}

/// The plan of these services.
fn render(services: &[Service]) -> String {
    let mut text =
        String::from("# What runs, and how it is reached: docs/plan.md has every key.\n");
    for service in services {
        text.push('\n');
        for remark in &service.remarks {
            let _ = writeln!(text, "# {remark}");
        }
        let _ = writeln!(text, "[service.{}]", service.name);
        if service.dir != "." {
            let _ = writeln!(text, "dir = {}", quoted(&service.dir));
        }
        if let Some(build) = &service.build {
            let _ = writeln!(text, "build = {}", command(build));
        }
        let _ = writeln!(text, "run = {}", command(&service.run));
        if let Some(port) = service.port {
            let _ = writeln!(text, "port = {port}");
        }
        let _ = writeln!(text, "route = {}", quoted(&service.route));
    }
    text
}

/// A command as people write it, or as an array where splitting it would change it.
fn command(words: &[String]) -> String {
    let is_plain = |word: &String| {
        let plain = |c: char| c.is_alphanumeric() || "_./:@%+=,{}-".contains(c);
        !word.is_empty() && word.chars().all(plain)
    };
    if words.iter().all(is_plain) {
        return quoted(&words.join(" "));
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}

/// A TOML basic string, which JSON's escapes suit, that means itself.
fn quoted(text: &str) -> String {
    json!(text.replace("${", "$${")).to_string()
}

fn report(path: &Path, services: &[Service]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let style = Style::of(&out);
    for service in services {
        let name = style.paint(Colour::Cyan, &service.name);
        writeln!(out, "found {name}: {}", service.evidence)?;
        for remark in &service.remarks {
            writeln!(out, "  {}", style.paint(Colour::Yellow, remark))?;
        }
    }
    let path = path.display();
    match services.is_empty() {
        true => writeln!(
            out,
            "found no package.json, Cargo.toml, go.mod or Python program\n\
             wrote {path} as a template: say in it what to run, then `polity up`"
        ),
        false => writeln!(out, "wrote {path}: look it over, then `polity up`"),
    }
}

fn report_json(path: &Path, services: &[Service]) -> io::Result<()> {
    let services: Vec<_> = services
        .iter()
        .map(|service| {
            json!({
                "name": service.name,
                "evidence": service.evidence,
                "remarks": service.remarks,
            })
        })
        .collect();
    let report = json!({ "path": path, "services": services });
    writeln!(io::stdout(), "{report:#}")
}
