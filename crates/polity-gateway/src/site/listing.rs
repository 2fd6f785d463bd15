//! What is in a folder, as a page.

use std::fmt::Write;
use std::fs::File;

use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

/// Names of one folder that are shown.
const MAX_NAMES: usize = 10_000;

/// Fields of a page that runs nothing and loads nothing.
pub(super) const FIELDS: &[u8] = b"content-type: text/html; charset=utf-8\r\n\
    content-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
    cache-control: no-cache\r\nx-content-type-options: nosniff\r\n";

const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;margin:2rem auto;max-width:48rem;padding:0 1rem}\
    ul{list-style:none;padding:0}a{text-decoration:none}a:hover{text-decoration:underline}";

/// A name, and whether it is a folder's.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// Folders first.
    is_file: bool,
    name: Vec<u8>,
}

/// The page on `folder`, which is asked for by `path`. It waits for the disk.
pub(super) fn page(folder: &File, path: &str) -> Result<String, Errno> {
    let mut entries = Vec::new();
    let mut is_cut = false;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") || name.contains(&b'\\') {
            continue;
        }
        if entries.len() == MAX_NAMES {
            is_cut = true;
            break;
        }
        entries.push(Entry {
            is_file: entry.file_type() != FileType::Directory,
            name: name.to_vec(),
        });
    }
    entries.sort();
    Ok(render(path, &entries, is_cut))
}

fn render(path: &str, entries: &[Entry], is_cut: bool) -> String {
    let mut page = String::with_capacity(1024 + 64 * entries.len());
    let title = escape(path.as_bytes());
    // Writing to a string does not fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n<ul>\n"
    );
    if path != "/" {
        page.push_str("<li><a href=\"../\">../</a>\n");
    }
    for Entry { is_file, name } in entries {
        let slash = if *is_file { "" } else { "/" };
        let _ = writeln!(
            page,
            "<li><a href=\"./{}{slash}\">{}{slash}</a>",
            encode(name),
            escape(name)
        );
    }
    page.push_str("</ul>\n");
    if is_cut {
        let _ = writeln!(
            page,
            "<p>There are more than {MAX_NAMES}: these are some of them."
        );
    }
    page
}

/// As text of a page.
fn escape(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    escaped
}

/// As a segment of a path.
fn encode(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(*byte));
            }
            byte => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_folder_is_listed_folders_first_and_nothing_hidden() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in [
            "b.txt",
            "a b?.txt",
            "<script>alert(1)</script>",
            ".env",
            "c\\d",
        ] {
            let name = name.replace("</", "<∕");
            fs::write(folder.path().join(name), "").expect("written");
        }
        fs::write(folder.path().join(OsStr::from_bytes(b"\xff\"")), "").expect("written");
        fs::create_dir(folder.path().join("z")).expect("made");
        fs::create_dir(folder.path().join(".git")).expect("made");
        let opened = File::open(folder.path()).expect("opened");
        let page = page(&opened, "/a&b/").expect("read");
        let links: Vec<&str> = page.lines().filter(|line| line.contains("href")).collect();
        assert_eq!(
            links,
            [
                r#"<li><a href="../">../</a>"#,
                r#"<li><a href="./z/">z/</a>"#,
                r#"<li><a href="./%3Cscript%3Ealert%281%29%3C%E2%88%95script%3E">&lt;script&gt;alert(1)&lt;∕script&gt;</a>"#,
                r#"<li><a href="./a%20b%3F.txt">a b?.txt</a>"#,
                r#"<li><a href="./b.txt">b.txt</a>"#,
                "<li><a href=\"./%FF%22\">\u{fffd}&quot;</a>",
            ]
        );
        assert!(page.contains("<h1>/a&amp;b/</h1>"));
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_root_has_nothing_above_it() {
        assert!(!render("/", &[], false).contains("../"));
        assert!(render("/", &[], true).contains("more than"));
    }
}
