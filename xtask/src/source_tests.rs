//! Tests of what the checks see of a Rust file.

use super::*;

fn source(text: &str) -> Source {
    Source::parse("crates/a/src/lib.rs", text).expect("the test's file parses")
}

fn lines(text: &str, words: &[&str]) -> Vec<usize> {
    source(text)
        .find(words)
        .iter()
        .map(|token| token.line)
        .collect()
}

#[test]
fn comments_and_strings_are_not_code() {
    let text = "// std::fs\n/* std::fs */\nconst A: &str = \"std::fs\";\nuse std::fs;\nfn f() { std::fs::read(x) }\n";
    assert_eq!(lines(text, &["std", ":", ":", "fs"]), [4, 5]);
}

#[test]
fn a_grouped_import_is_found() {
    let words = ["std", ":", ":", "fs"];
    assert_eq!(lines("use std::{\n io, fs};\n", &words), [1]);
    assert_eq!(lines("use std::{fs::File, io};\n", &words), [1]);
    assert_eq!(
        lines("use std::{io::{fs}};\nuse std::io;\nfn fs() {}\n", &words),
        [] as [usize; 0]
    );
}

#[test]
fn functions_are_measured_from_signature_to_brace() {
    let text = "fn a() {}\nfn b(\n    x: [u8; { 1 }],\n) -> u8\nwhere u8: Copy {\n    1\n}\ntrait T { fn c(); }\ntype F = fn(u8);\n";
    let source = source(text);
    let functions = source.functions();
    let seen: Vec<_> = functions
        .iter()
        .map(|f| (f.name, f.line, f.length))
        .collect();
    assert_eq!(seen, [("a", 1, 1), ("b", 2, 6)]);
}

#[test]
fn what_is_compiled_for_tests_only_is_told_apart() {
    let text = "fn a() {}\n#[cfg(test)]\nuse x::y;\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(all(test, unix))]\nfn d() {}\n";
    let source = source(text);
    let functions = source.functions();
    let seen: Vec<_> = functions.iter().map(|f| (f.name, f.in_test)).collect();
    assert_eq!(seen, [("a", false), ("b", true), ("c", false), ("d", true)]);
    assert!(source.find(&["x"]).iter().all(|token| token.in_test));
}
