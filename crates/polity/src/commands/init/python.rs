//! Python programs: Django's manage.py, or an app.py, main.py or server.py of FastAPI, Flask or nothing.

use super::files::{Files, join};
use super::recognise::{Program, port_of, words};

const USUAL_FILES: [&str; 3] = ["app.py", "main.py", "server.py"];

/// The Python program in `dir`, if there is one.
pub fn program(files: &dyn Files, dir: &str) -> Option<Program> {
    let mut program = django(files, dir).or_else(|| usual(files, dir))?;
    let virtual_python = [".venv/bin/python", "venv/bin/python"]
        .into_iter()
        .find(|python| files.exists(&join(dir, python)));
    if let Some(python) = virtual_python {
        program.run[0] = python.to_owned();
    } else if has_requirements(files, dir) {
        let install = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt";
        program.build = Some(words(["sh", "-c", install]));
        // By way of a shell: a program that `build` made would be run from a copy of its own, and
        // Python finds its packages beside the place it was started from.
        program.run[0] = "exec .venv/bin/python".to_owned();
        program.run = words(["sh", "-c", &program.run.join(" ")]);
    }
    Some(program)
}

fn django(files: &dyn Files, dir: &str) -> Option<Program> {
    let path = join(dir, "manage.py");
    files
        .read(&path)
        .filter(|source| source.contains("django"))?;
    let run = [
        "python3",
        "manage.py",
        "runserver",
        "--noreload",
        "127.0.0.1:{port}",
    ];
    let remark = "Django's server for development: in production, run gunicorn or uvicorn.";
    Some(Program {
        dir: dir.to_owned(),
        run: words(run),
        evidence: format!("Django, by {path}"),
        remarks: vec![remark.to_owned()],
        ..Program::default()
    })
}

fn usual(files: &dyn Files, dir: &str) -> Option<Program> {
    let read = |file: &&str| files.read(&join(dir, file));
    let (file, source) = USUAL_FILES
        .iter()
        .find_map(|file| Some((*file, read(file)?)))?;
    let path = join(dir, file);
    let (fixed, remark) = port_of(&path, &source);
    // Such a file brings its own server and knows where to listen.
    let serves_itself = source.contains("__main__") && remark.is_none();
    let target = |app: &str| format!("{}:{app}", file.trim_end_matches(".py"));
    let (kind, server) = match (made_by(&source, "FastAPI("), made_by(&source, "Flask(")) {
        (Some(app), _) => ("FastAPI", Some(words(["uvicorn", &target(app)]))),
        (None, Some(app)) => (
            "Flask",
            Some(words(["flask", "--app", &target(app), "run"])),
        ),
        (None, None) => ("Python", None),
    };
    let (run, port, remark) = match server {
        Some(server) if !serves_itself => {
            let python = words(["python3", "-m"]);
            let place = words(["--host", "127.0.0.1", "--port", "{port}"]);
            ([python, server, place].concat(), None, None)
        }
        _ => (words(["python3", file]), fixed, remark),
    };
    Some(Program {
        dir: dir.to_owned(),
        run,
        port,
        evidence: format!("{kind}, by {path}"),
        remarks: remark.into_iter().collect(),
        ..Program::default()
    })
}

/// The variable of the line `app = FastAPI(...)`.
fn made_by<'a>(source: &'a str, maker: &str) -> Option<&'a str> {
    source.lines().find_map(|line| {
        let (variable, value) = line.split_once('=')?;
        // Neither indented, which is inside of something, nor with a type: `app: FastAPI = ...` has one.
        let name = variable.split(':').next()?.trim_end();
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && !name.is_empty() && value.contains(maker)).then_some(name)
    })
}

fn has_requirements(files: &dyn Files, dir: &str) -> bool {
    let text = files
        .read(&join(dir, "requirements.txt"))
        .unwrap_or_default();
    text.lines()
        .any(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
}
