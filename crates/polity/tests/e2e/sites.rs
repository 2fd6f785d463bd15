//! A folder of files, and nothing else: over HTTPS, by curl, and changed while it runs.

use std::fs;
use std::process::Command;

use crate::http::get;
use crate::system::{FREE_PORTS, System};
use crate::wait;

const SITE: &str = "[site.docs]\nroot = \"public\"\n";

fn folder(plan: &str) -> System {
    let system = System::folder(plan);
    let public = system.path().join("public");
    fs::create_dir_all(public.join("sub")).unwrap();
    fs::write(public.join("index.html"), "<p>hello").unwrap();
    fs::write(public.join("sub/large.txt"), "0123456789".repeat(200_000)).unwrap();
    fs::write(public.join(".env"), "SECRET=1").unwrap();
    system
}

/// What curl gets of the path, with the local authority's root and these arguments.
fn curl(system: &System, path: &str, arguments: &[&str]) -> Vec<u8> {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail", "--max-time", "30", "--cacert"])
        .arg(system.data().join("tls/local-ca.pem"))
        .args(arguments)
        .arg(format!(
            "https://localhost:{}{path}",
            system.gateway().port()
        ));
    let done = curl.output().expect("curl is installed");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{path} {arguments:?}: {said}");
    done.stdout
}

#[test]
fn three_lines_serve_a_folder_over_https() {
    let plan = FREE_PORTS.replacen("[gateway]\n", "[gateway]\ntls = \"local\"\n", 1);
    let system = folder(&format!("{plan}{SITE}")).started();
    assert!(
        system
            .succeeds(&["check", "--deny", "warnings"])
            .stdout
            .contains("1 site")
    );
    let large = "0123456789".repeat(200_000).into_bytes();
    for version in ["--http1.1", "--http2"] {
        assert_eq!(curl(&system, "/", &[version]), b"<p>hello");
        assert!(
            curl(&system, "/sub/large.txt", &[version]) == large,
            "{version}"
        );
        let packed = curl(&system, "/sub/large.txt", &[version, "--compressed"]);
        assert!(packed == large, "{version}");
        let part = curl(
            &system,
            "/sub/large.txt",
            &[version, "--range", "1000000-1999999"],
        );
        assert!(part == large[1_000_000..], "{version}");
        let parts = curl(&system, "/sub/large.txt", &[version, "--range", "0-1,5-6"]);
        let parts = String::from_utf8(parts).unwrap();
        assert!(
            parts.contains("bytes 0-1/2000000") && parts.contains("\r\n\r\n56\r\n"),
            "{parts}"
        );
        let status = [
            "--no-fail",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            version,
        ];
        assert_eq!(curl(&system, "/.env", &status), b"404");
        assert_eq!(curl(&system, "/missing", &status), b"404");
    }
    // A download that was broken off goes on where it was.
    let begun = system.path().join("begun.txt");
    fs::write(&begun, &large[..777]).unwrap();
    curl(
        &system,
        "/sub/large.txt",
        &["--continue-at", "-", "-o", begun.to_str().unwrap()],
    );
    assert!(fs::read(&begun).unwrap() == large);
    // A copy that is as new is not sent again.
    let copy = system.path().join("copy.txt");
    let arguments = ["--etag-save", "tag", "--etag-compare", "tag", "-o"];
    let tag = system.path().join("tag");
    let arguments = arguments.map(|it| {
        if it == "tag" {
            tag.to_str().unwrap()
        } else {
            it
        }
    });
    let of_copy = [
        &arguments[..],
        &[copy.to_str().unwrap(), "-w", "%{http_code}"],
    ]
    .concat();
    assert_eq!(curl(&system, "/", &of_copy), b"200");
    assert_eq!(curl(&system, "/", &of_copy), b"304");
}

#[test]
fn an_edit_moves_and_removes_a_site() {
    let system = folder(&format!("{FREE_PORTS}{SITE}")).started();
    assert_eq!(get(system.gateway(), "/").body, "<p>hello");
    let write = |plan: &str| {
        fs::write(
            system.path().join("polity.toml"),
            format!("{FREE_PORTS}{plan}"),
        )
        .unwrap()
    };
    write(&format!("{SITE}route = \"/docs\"\n"));
    wait::until("it moves", || {
        (get(system.gateway(), "/docs/").status == 200).then_some(())
    });
    assert_eq!(get(system.gateway(), "/").status, 404);
    fs::write(system.path().join("public/index.html"), "<p>new").unwrap();
    assert_eq!(
        get(system.gateway(), "/docs/").body,
        "<p>new",
        "files are read as they are"
    );
    write("");
    wait::until("it goes", || {
        (get(system.gateway(), "/docs/").status == 404).then_some(())
    });
}
