//! Commands: a string split into words as a shell would, and words with their port filled in.

use crate::interpolate::Piece;
use crate::plan::Command;

#[cfg(test)]
mod tests;

/// Why a string is no command; offsets are bytes of the string as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Empty,
    /// A quote that is never closed.
    Unclosed {
        start: usize,
    },
    /// Something only a shell would understand.
    Shell {
        start: usize,
        syntax: String,
    },
}

impl Command {
    /// The words to run: `{port}` is the port where there is one, `{{port}}` a literal `{port}`.
    pub fn resolve(&self, port: Option<u16>) -> Vec<String> {
        let port = port.map(|port| port.to_string());
        let words = self.words.iter();
        words.map(|word| fill_in(word, port.as_deref())).collect()
    }

    /// Whether a word holds `{port}`.
    pub fn wants_port(&self) -> bool {
        self.resolve(None) != self.resolve(Some(0))
    }
}

fn fill_in(word: &str, port: Option<&str>) -> String {
    const LITERAL: &str = "{{port}}";
    const PORT: &str = "{port}";
    let mut filled = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        filled.push_str(before);
        let (text, length) = if from.starts_with(LITERAL) {
            (PORT, LITERAL.len())
        } else if from.starts_with(PORT) {
            (port.unwrap_or(PORT), PORT.len())
        } else {
            ("{", 1)
        };
        filled.push_str(text);
        rest = &from[length..];
    }
    filled.push_str(rest);
    filled
}

/// Splits as a POSIX shell does (2.2 quoting, 2.3 token recognition), what came from variables
/// included (2.6.5: it splits at blanks, its quotes mean nothing).
pub(crate) fn split(pieces: &[Piece]) -> Result<Vec<String>, Fault> {
    let mut splitter = Splitter {
        characters: characters(pieces),
        at: 0,
        words: Vec::new(),
        word: None,
        plain: true,
    };
    splitter.run()?;
    let Splitter { words, .. } = splitter;
    if words.first().is_none_or(String::is_empty) {
        return Err(Fault::Empty);
    }
    Ok(words)
}

#[derive(Clone, Copy)]
struct Character {
    value: char,
    start: usize,
    opaque: bool,
}

fn characters(pieces: &[Piece]) -> Vec<Character> {
    let of_piece = |piece: &Piece| {
        let (start, opaque) = (piece.start, piece.opaque);
        let place = move |offset| if opaque { start } else { start + offset };
        let text = piece.text.char_indices();
        let characters = text.map(move |(offset, value)| Character {
            value,
            start: place(offset),
            opaque,
        });
        characters.collect::<Vec<_>>()
    };
    pieces.iter().flat_map(of_piece).collect()
}

struct Splitter {
    characters: Vec<Character>,
    at: usize,
    words: Vec<String>,
    /// The word begun, if one is: quotes begin one even when nothing is between them.
    word: Option<String>,
    /// Whether nothing of it was quoted, escaped or came from a variable.
    plain: bool,
}

impl Splitter {
    fn run(&mut self) -> Result<(), Fault> {
        while let Some(character) = self.next() {
            let Character {
                value,
                opaque,
                start,
            } = character;
            match value {
                ' ' | '\t' | '\n' | '\r' => self.end_word(),
                _ if opaque => {
                    self.plain = false;
                    self.push(value);
                }
                '\'' => self.single_quoted(start)?,
                '"' => self.double_quoted(start)?,
                '\\' => self.escaped(start)?,
                '#' if self.word.is_none() => self.comment(),
                '$' => self.dollar(start)?,
                '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' => {
                    return Err(self.shell(start, self.operator(value)));
                }
                '=' if self.assigns() => {
                    let name = self.word.clone().unwrap_or_default();
                    return Err(self.shell(start - name.len(), format!("{name}=")));
                }
                _ => self.push(value),
            }
        }
        self.end_word();
        Ok(())
    }

    fn single_quoted(&mut self, start: usize) -> Result<(), Fault> {
        self.begin_quoted();
        loop {
            match self.next() {
                None => return Err(Fault::Unclosed { start }),
                Some(c) if c.value == '\'' && !c.opaque => return Ok(()),
                Some(c) => self.push(c.value),
            }
        }
    }

    fn double_quoted(&mut self, quote: usize) -> Result<(), Fault> {
        self.begin_quoted();
        loop {
            let Some(Character {
                value,
                opaque,
                start,
            }) = self.next()
            else {
                return Err(Fault::Unclosed { start: quote });
            };
            match value {
                _ if opaque => self.push(value),
                '"' => return Ok(()),
                '$' => self.dollar(start)?,
                '`' => return Err(self.shell(start, "`".to_owned())),
                '\\' => match self.peek() {
                    Some('\n') => drop(self.next()),
                    Some(next @ ('$' | '`' | '"' | '\\')) => {
                        self.next();
                        self.push(next);
                    }
                    _ => self.push('\\'),
                },
                _ => self.push(value),
            }
        }
    }

    fn escaped(&mut self, start: usize) -> Result<(), Fault> {
        self.plain = false;
        match self.next() {
            None => Err(Fault::Unclosed { start }),
            Some(c) if c.value == '\n' => Ok(()),
            Some(c) => {
                self.push(c.value);
                Ok(())
            }
        }
    }

    fn comment(&mut self) {
        while self.peek().is_some_and(|next| next != '\n') {
            self.at += 1;
        }
    }

    /// A `$` that a shell would expand; any other stands for itself.
    fn dollar(&mut self, start: usize) -> Result<(), Fault> {
        let rest = self.characters.get(self.at..).unwrap_or_default();
        let name: String = rest
            .iter()
            .map(|c| c.value)
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        match self.peek() {
            _ if !name.is_empty() => Err(self.shell(start, format!("${name}"))),
            Some(sign @ ('(' | '{' | '@' | '*' | '?' | '$' | '!' | '#' | '-')) => {
                Err(self.shell(start, format!("${sign}")))
            }
            _ => {
                self.push('$');
                Ok(())
            }
        }
    }

    fn operator(&self, first: char) -> String {
        match self.peek() {
            Some(second @ ('&' | '|' | '>' | '<' | ';')) => format!("{first}{second}"),
            _ => first.to_string(),
        }
    }

    /// Whether the word begun is a variable's name and the first word: `LOG=info ./orders`.
    fn assigns(&self) -> bool {
        let word = self.word.as_deref().unwrap_or_default();
        self.words.is_empty()
            && self.plain
            && word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }

    fn shell(&self, start: usize, syntax: String) -> Fault {
        Fault::Shell { start, syntax }
    }

    fn next(&mut self) -> Option<Character> {
        let character = self.characters.get(self.at).copied();
        self.at += 1;
        character
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).map(|c| c.value)
    }

    fn begin_quoted(&mut self) {
        self.plain = false;
        self.word.get_or_insert_default();
    }

    fn push(&mut self, value: char) {
        self.word.get_or_insert_default().push(value);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
        self.plain = true;
    }
}
