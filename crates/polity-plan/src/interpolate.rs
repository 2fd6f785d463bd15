//! `${VAR}`, `${VAR:-default}` and `$${` in string values, as Docker Compose reads them.

/// A part of a string value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// Where it starts in the string as written.
    pub(crate) start: usize,
    /// Whether it stands for itself, whatever characters it has: what came from a variable and
    /// what was escaped is no syntax to anybody who reads the string further.
    pub(crate) opaque: bool,
}

/// What is wrong with a `${`, and where it starts in the string as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No such variable and no default.
    Unset { start: usize, name: String },
    /// Neither `${VAR}` nor `${VAR:-default}`.
    Malformed { start: usize, why: &'static str },
}

/// Splits `written` into what it says itself and what variables say for it.
pub(crate) fn interpolate(
    written: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (Vec<Piece>, Vec<Fault>) {
    let mut pieces = Vec::new();
    let mut faults = Vec::new();
    let mut rest = 0;
    while let Some(found) = written[rest..].find("${") {
        let start = rest + found;
        if written[..start].ends_with('$') && start > rest {
            push(&mut pieces, &written[rest..start - 1], rest, false);
            push(&mut pieces, "${", start - 1, true);
            rest = start + 2;
            continue;
        }
        push(&mut pieces, &written[rest..start], rest, false);
        match expand(&written[start + 2..], environment) {
            Ok((text, length)) => {
                push(&mut pieces, &text, start, true);
                rest = start + 2 + length;
            }
            Err((fault, length)) => {
                faults.push(match fault {
                    Broken::Unset(name) => Fault::Unset { start, name },
                    Broken::Malformed(why) => Fault::Malformed { start, why },
                });
                rest = start + 2 + length;
            }
        }
    }
    push(&mut pieces, &written[rest..], rest, false);
    (pieces, faults)
}

enum Broken {
    Unset(String),
    Malformed(&'static str),
}

/// The value of the expression that follows `${`, and its length with the closing brace.
fn expand(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(String, usize), (Broken, usize)> {
    let malformed = |why, length| Err((Broken::Malformed(why), length));
    let Some(end) = text.find('}') else {
        return malformed("the closing `}` is missing", text.len());
    };
    let length = end + 1;
    let inside = &text[..end];
    let name_end = inside
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(inside.len());
    let (name, operator) = inside.split_at(name_end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return malformed("a variable's name must follow", length);
    }
    let value = environment(name);
    if operator.is_empty() {
        return value
            .map(|value| (value, length))
            .ok_or((Broken::Unset(name.to_owned()), length));
    }
    let Some(default) = operator.strip_prefix(":-") else {
        return malformed("only `${VAR}` and `${VAR:-default}` are known", length);
    };
    if default.contains("${") {
        return malformed("a default cannot hold a further `${`", length);
    }
    let value = value.filter(|value| !value.is_empty());
    Ok((value.unwrap_or_else(|| default.to_owned()), length))
}

fn push(pieces: &mut Vec<Piece>, text: &str, start: usize, opaque: bool) {
    if !text.is_empty() {
        pieces.push(Piece {
            text: text.to_owned(),
            start,
            opaque,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(written: &str) -> (String, Vec<Fault>) {
        let environment = |name: &str| match name {
            "HOST" => Some("db.internal".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOST}".to_owned()),
            _ => None,
        };
        let (pieces, faults) = interpolate(written, &environment);
        (pieces.into_iter().map(|p| p.text).collect(), faults)
    }

    #[test]
    fn variables_defaults_and_escapes() {
        let check = |written, expected: &str| {
            assert_eq!(joined(written), (expected.to_owned(), vec![]), "{written}");
        };
        check("plain $5 $VAR $", "plain $5 $VAR $");
        check("a ${HOST} b", "a db.internal b");
        check("${HOST}${HOST}", "db.internaldb.internal");
        check("${NONE:-x y}", "x y");
        check("${EMPTY:-x}", "x");
        check("${EMPTY}", "");
        check("${NONE:-}", "");
        check("$${HOST}", "${HOST}");
        check("é${HOST}é", "édb.internalé");
        check("${HOST}$${HOST}", "db.internal${HOST}");
        // What a variable says is not read again.
        check("${NESTED}", "${HOST}");
    }

    #[test]
    fn faults_say_where() {
        let check = |written, expected| assert_eq!(joined(written).1, vec![expected], "{written}");
        let name = "NONE".to_owned();
        check("ab${NONE}", Fault::Unset { start: 2, name });
        for (written, start) in [("${", 0), ("a${HOST", 1), ("${}", 0), ("${1A}", 0)] {
            let fault = &joined(written).1[0];
            assert!(
                matches!(fault, Fault::Malformed { start: s, .. } if *s == start),
                "{written}: {fault:?}"
            );
        }
        for written in ["${HOST:?no}", "${HOST-x}", "${NONE:-${HOST}}", "${A B}"] {
            let fault = &joined(written).1[0];
            assert!(
                matches!(fault, Fault::Malformed { .. }),
                "{written}: {fault:?}"
            );
        }
    }
}
