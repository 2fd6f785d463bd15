//! Splitting, against known cases and against another implementation.

use proptest::prelude::*;

use super::*;
use crate::interpolate::interpolate;

fn split_text(text: &str) -> Result<Vec<String>, Fault> {
    let environment = |name: &str| match name {
        "WORDS" => Some(" one  two ".to_owned()),
        "ODD" => Some("it's $5; \"#".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    split(&interpolate(text, &environment).0)
}

#[test]
fn words_are_split_at_blanks_outside_of_quotes() {
    let check = |text: &str, expected: &[&str]| {
        let words: Vec<String> = expected.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(split_text(text), Ok(words), "{text}");
    };
    check(" a  b\tc\n d ", &["a", "b", "c", "d"]);
    check("a 'b c' \"d e\"f", &["a", "b c", "d ef"]);
    check("a '' \"\"", &["a", "", ""]);
    check(r#"a b\ c \"d \\ \$X"#, &["a", "b c", "\"d", "\\", "$X"]);
    check(r#"a "b \"c\" \d \$X""#, &["a", "b \"c\" \\d $X"]);
    check("a 'b\\c'", &["a", "b\\c"]);
    check("a b\\\nc \"d\\\ne\"", &["a", "bc", "de"]);
    check("a # b 'c", &["a"]);
    check("a b#c '#d'", &["a", "b#c", "#d"]);
    check("a $ b$", &["a", "$", "b$"]);
    check("a '$X' 'b|c' '`d`' '&&'", &["a", "$X", "b|c", "`d`", "&&"]);
    check("a --b=c D=e", &["a", "--b=c", "D=e"]);
    check("'a'=b c", &["a=b", "c"]);
    check("a {port} {{port}}", &["a", "{port}", "{{port}}"]);
    check("é 'ü x'", &["é", "ü x"]);
}

#[test]
fn what_a_variable_says_splits_at_blanks_and_means_nothing_else() {
    let check = |text: &str, expected: &[&str]| {
        let words: Vec<String> = expected.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(split_text(text), Ok(words), "{text}");
    };
    check("a ${WORDS} b", &["a", "one", "two", "b"]);
    check("a x${WORDS}y", &["a", "x", "one", "two", "y"]);
    check(
        "a \"${WORDS}\" '${WORDS}'",
        &["a", " one  two ", " one  two "],
    );
    check("a ${EMPTY} \"${EMPTY}\"", &["a", ""]);
    check("a ${ODD}", &["a", "it's", "$5;", "\"#"]);
    check(
        "a \"${ODD}\" '${ODD}'",
        &["a", "it's $5; \"#", "it's $5; \"#"],
    );
    check("a $${X}", &["a", "${X}"]);
}

#[test]
fn faults_say_where() {
    let check = |text: &str, expected| assert_eq!(split_text(text), Err(expected), "{text}");
    let shell = |start, syntax: &str| Fault::Shell {
        start,
        syntax: syntax.to_owned(),
    };
    for empty in ["", "  ", "# a", "''", "${EMPTY}"] {
        check(empty, Fault::Empty);
    }
    check("é 'b", Fault::Unclosed { start: 3 });
    check("a \"b\\\"", Fault::Unclosed { start: 2 });
    check("a \\", Fault::Unclosed { start: 2 });
    check("a && b", shell(2, "&&"));
    check("a & b", shell(2, "&"));
    check("a;b", shell(1, ";"));
    check("a | b", shell(2, "|"));
    check("a || b", shell(2, "||"));
    check("a > b", shell(2, ">"));
    check("a 2>&1", shell(3, ">&"));
    check("a < b", shell(2, "<"));
    check("a `b`", shell(2, "`"));
    check("a \"`b`\"", shell(3, "`"));
    check("a $(b)", shell(2, "$("));
    check("a --port $PORT", shell(9, "$PORT"));
    check("a \"--port $PORT\"", shell(10, "$PORT"));
    check("a $1", shell(2, "$1"));
    check("LOG=info a", shell(0, "LOG="));
    check("${EMPTY}LOG=info a", shell(8, "LOG="));
}

#[test]
fn the_port_is_filled_in() {
    let check = |word: &str, with: &str, without: &str| {
        let words = vec![word.to_owned()];
        let command = Command { words };
        assert_eq!(command.resolve(Some(80)), [with], "{word}");
        assert_eq!(command.resolve(None), [without], "{word}");
    };
    check("a", "a", "a");
    check("{port}", "80", "{port}");
    check("--a={port}:{port}", "--a=80:80", "--a={port}:{port}");
    check("{{port}}", "{port}", "{port}");
    check("{{{port}}}", "{{port}}", "{{port}}");
    check("{port}}", "80}", "{port}}");
    check("{{port}", "{80", "{{port}");
    check("{ports} {", "{ports} {", "{ports} {");
    check("é{port}é", "é80é", "é{port}é");
}

proptest! {
    #[test]
    fn it_splits_as_shlex_does(text in r#"[ab \t\n'"\\#$=é-]{0,24}"#) {
        // A line continued is nothing (POSIX, 2.2.1); shlex makes an empty word of it.
        let text = text.replace("\\\n", "x");
        let piece = Piece { text: text.clone(), start: 0, opaque: false };
        match split(&[piece]) {
            Ok(words) => prop_assert_eq!(Some(words), shlex::split(&text)),
            Err(Fault::Unclosed { .. }) => prop_assert_eq!(None, shlex::split(&text)),
            Err(Fault::Empty) => {
                let first = shlex::split(&text).and_then(|words| words.into_iter().next());
                prop_assert_eq!(first.unwrap_or_default(), "");
            }
            Err(Fault::Shell { start, syntax }) => prop_assert!(text[start..].starts_with(&syntax)),
        }
    }
}
