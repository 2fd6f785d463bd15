//! A Rust file as tokens, so that no check is fooled by comments and strings.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// Delimiters included; comments are not tokens, doc comments are attributes.
    pub(crate) tokens: Vec<Token>,
    /// Whether the whole file is compiled into tests only.
    pub(crate) is_test: bool,
}

#[derive(Debug)]
pub(crate) struct Token {
    /// An identifier, a literal, or one character of punctuation.
    pub(crate) text: String,
    pub(crate) line: usize,
    /// Whether it is compiled into tests only.
    pub(crate) in_test: bool,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: usize,
    /// From `fn` to the closing brace.
    pub(crate) length: usize,
    pub(crate) in_test: bool,
}

impl Source {
    pub(crate) fn parse(path: &str, text: &str) -> anyhow::Result<Self> {
        let stream = TokenStream::from_str(text).map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let in_folder = |folder: &str| path.contains(&format!("/{folder}/"));
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens,
            is_test: in_folder("tests") || in_folder("benches") || path.ends_with("tests.rs"),
        };
        source.mark_tests();
        Ok(source)
    }

    /// The files, without `.rs`, of modules declared here for tests only: `#[cfg(test)] mod name;`.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let below = match name {
            "lib" | "main" | "mod" => folder,
            _ => stem,
        };
        let declared = self.tokens.windows(3).filter(|three| {
            let [keyword, _, end] = three else {
                return false;
            };
            keyword.text == "mod" && end.text == ";" && keyword.in_test
        });
        declared
            .map(|three| format!("{below}/{}", three[1].text))
            .collect()
    }

    /// The places where `words` stand one after the other, or where `a::b` is imported as `a::{.., b}`.
    pub(crate) fn find(&self, words: &[&str]) -> Vec<&Token> {
        let begins = |at: &usize| self.follows(*at, words) || self.imports(*at, words);
        (0..self.tokens.len())
            .filter(begins)
            .map(|at| &self.tokens[at])
            .collect()
    }

    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let mut functions = Vec::new();
        for at in 0..self.tokens.len().saturating_sub(1) {
            let (keyword, name) = (&self.tokens[at], &self.tokens[at + 1]);
            let named = name
                .text
                .starts_with(|first: char| first.is_alphabetic() || first == '_');
            if keyword.text == "fn"
                && named
                && let Some(end) = self.end_of_item(at)
            {
                if self.tokens[end].text != "}" {
                    continue;
                }
                functions.push(Function {
                    name: &name.text,
                    line: keyword.line,
                    length: self.tokens[end].line - keyword.line + 1,
                    in_test: keyword.in_test,
                });
            }
        }
        functions
    }

    fn follows(&self, at: usize, words: &[&str]) -> bool {
        let texts = self.tokens.iter().skip(at).map(|token| token.text.as_str());
        texts.take(words.len()).eq(words.iter().copied())
    }

    /// `a :: { .. b .. }` for `a :: b`.
    fn imports(&self, at: usize, words: &[&str]) -> bool {
        let [path @ .., last] = words else {
            return false;
        };
        let open = at + path.len();
        if path.len() < 3
            || !self.follows(at, path)
            || self.tokens.get(open).is_none_or(|token| token.text != "{")
        {
            return false;
        }
        let mut depth = 0;
        for token in &self.tokens[open..] {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                text if depth == 1 && text == *last => return true,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        false
    }

    /// Where the item from `start` ends: its closing brace, or a semicolon.
    fn end_of_item(&self, start: usize) -> Option<usize> {
        let mut depth = 0;
        for (at, token) in self.tokens.iter().enumerate().skip(start) {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                ";" if depth == 0 => return Some(at),
                _ => {}
            }
        }
        None
    }

    /// Marks each item below a `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
    fn mark_tests(&mut self) {
        for start in 0..self.tokens.len() {
            let is_cfg = self.follows(start, &["#", "[", "cfg", "(", "test"])
                || self.follows(start, &["#", "[", "cfg", "(", "all", "(", "test"]);
            let Some(end) = is_cfg.then(|| self.end_of_item(start)).flatten() else {
                continue;
            };
            self.tokens[start..=end]
                .iter_mut()
                .for_each(|token| token.in_test = true);
        }
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text: String, line| {
            tokens.push(Token {
                text,
                line,
                in_test: false,
            })
        };
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open.to_owned(), line);
                flatten(group.stream(), tokens);
                let line = group.span_close().end().line;
                tokens.push(Token {
                    text: close.to_owned(),
                    line,
                    in_test: false,
                });
            }
            other => push(other.to_string(), line),
        }
    }
}
