//! `.env` files, read as Docker Compose reads them.

use std::collections::BTreeMap;

/// Why a `.env` file cannot be read. The line's text is not in it: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {kind}")]
pub struct Error {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub kind: ErrorKind,
}

/// What is wrong with a line of a `.env` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// There is no `=`, or no name before it.
    #[error("expected `NAME=value`")]
    NoAssignment,
    /// The name is none.
    #[error(
        "a variable's name is made of letters, digits, `_`, `.` and `-`, and does not start with a digit"
    )]
    BadName,
    /// A quoted value goes on to the end of the file.
    #[error("the quote is never closed")]
    Unclosed,
    /// Something after a quoted value.
    #[error("only a comment may follow the closing quote")]
    AfterQuote,
}

/// Reads `NAME=value` lines: blank lines and `#` comments, a leading `export`, values bare (up to
/// ` #`), in single quotes (as they stand, over several lines too) or in double quotes (with `\n`,
/// `\t`, `\"` and the like). A later line wins over an earlier one.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = BTreeMap::new();
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    while !reader.rest.is_empty() {
        if let Some((name, value)) = reader.statement()? {
            variables.insert(name, value);
        }
    }
    Ok(variables)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn statement(&mut self) -> Result<Option<(String, String)>, Error> {
        let line = self.rest.split('\n').next().unwrap_or_default();
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            self.skip(line.len());
            return Ok(None);
        }
        let (name, _) = line
            .split_once('=')
            .ok_or(self.error(ErrorKind::NoAssignment))?;
        let written = name.len() + 1;
        let name = name.trim();
        let name = match name.strip_prefix("export") {
            Some(exported) if exported.starts_with([' ', '\t']) => exported.trim_start(),
            _ => name,
        };
        self.check_name(name)?;
        self.rest = &self.rest[written..];
        let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.rest = &self.rest[blanks..];
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.bare(blanks > 0),
        };
        Ok(Some((name.to_owned(), value)))
    }

    fn check_name(&self, name: &str) -> Result<(), Error> {
        if name.is_empty() {
            return Err(self.error(ErrorKind::NoAssignment));
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if name.bytes().all(legal) && !name.as_bytes()[0].is_ascii_digit() {
            Ok(())
        } else {
            Err(self.error(ErrorKind::BadName))
        }
    }

    /// A value up to the end of the line, or to a `#` after a blank.
    fn bare(&mut self, after_blank: bool) -> String {
        let line = self.rest.split('\n').next().unwrap_or_default();
        let comment = line.char_indices().find(|(at, c)| {
            let before = line[..*at].chars().next_back();
            *c == '#' && before.map_or(after_blank, char::is_whitespace)
        });
        let value = comment.map_or(line, |(at, _)| &line[..at]);
        let value = value.trim_end().to_owned();
        self.skip(line.len());
        value
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let opening = self.error(ErrorKind::Unclosed);
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        let end = loop {
            match characters.next() {
                None => return Err(opening),
                Some((at, c)) if c == quote => break at + 1,
                Some((_, '\\')) if quote == '"' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, c @ ('"' | '\\' | '$' | '\''))) => value.push(c),
                    Some((_, c)) => value.extend(['\\', c]),
                    None => return Err(opening),
                },
                Some((_, c)) => value.push(c),
            }
        };
        self.line += self.rest[..end].matches('\n').count();
        self.rest = &self.rest[end..];
        let line = self.rest.split('\n').next().unwrap_or_default();
        let after = line.trim();
        if !after.is_empty() && !after.starts_with('#') {
            return Err(self.error(ErrorKind::AfterQuote));
        }
        self.skip(line.len());
        Ok(value)
    }

    /// Goes on to the line after the one whose last `length` bytes are next.
    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length + 1..).unwrap_or_default();
        self.line += 1;
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error {
            line: self.line,
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bare_or_quoted() {
        let check = |text: &str, expected: &str| {
            let variables = parse(text).expect(text);
            assert_eq!(
                variables.get("A").map(String::as_str),
                Some(expected),
                "{text}"
            );
        };
        check("A=1", "1");
        check("export A=1\r\n", "1");
        check("\u{feff}A = spaced out  ", "spaced out");
        check("A=b # comment", "b");
        check("A=b#c", "b#c");
        check("A= # comment", "");
        check("A=#c", "#c");
        check("A=", "");
        check("A='it # stays $X \\n'  # comment", "it # stays $X \\n");
        check("A=\"a\\nb \\\"c\\\" \\d\"", "a\nb \"c\" \\d");
        check("A=\"over\nlines\"\nB=2", "over\nlines");
        check("A=1\nA=2", "2");
        check("A=é=ü", "é=ü");
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        assert_eq!(parse("\n# A=1\n  \n"), Ok(BTreeMap::new()));
    }

    #[test]
    fn errors_name_the_line_and_not_its_text() {
        let check = |text, line, kind| assert_eq!(parse(text), Err(Error { line, kind }), "{text}");
        check("A=1\nsecret", 2, ErrorKind::NoAssignment);
        check("=1", 1, ErrorKind::NoAssignment);
        check("\n\n2A=1", 3, ErrorKind::BadName);
        check("A B=1", 1, ErrorKind::BadName);
        check("B='x\ny'\nA=\"open\nmore", 3, ErrorKind::Unclosed);
        check("A='x\n' y", 2, ErrorKind::AfterQuote);
        let error = parse("A=1\nhunter2").expect_err("no assignment");
        assert_eq!(error.to_string(), "2: expected `NAME=value`");
    }
}
