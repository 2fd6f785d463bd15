//! The plan's text as it may be shown: values of `env`, of headers that are set, and passwords in
//! URLs replaced, every character by one that takes as many bytes, so that places stay what they are.
//!
//! It reads tokens, not the tree: a file that is not TOML is shown too, and hides as much.

use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};

/// The keys whose values are hidden, at any depth: variables, headers that are set, and keys of accounts.
const SECRET_KEYS: [&str; 3] = ["env", "set", "hmac_key"];

/// Deeper brackets than this are no plan (the parser refuses 80): all that follows is hidden.
const MAX_DEPTH: usize = 100;

/// The text with secrets masked; as long as the original.
pub(crate) fn mask(text: &str) -> String {
    let tokens: Vec<Token> = Source::new(text).lex().collect();
    let mut masker = Masker {
        text,
        tokens: &tokens,
        at: 0,
        depth: 0,
        hidden: Vec::new(),
    };
    masker.document();
    let mut hidden = masker.hidden;
    for token in &tokens {
        let span = token.span().start()..token.span().end();
        hidden.extend(
            password(&text[span.clone()]).map(|p| span.start + p.start..span.start + p.end),
        );
    }
    hidden.sort_by_key(|range| range.start);
    let mut masked = String::with_capacity(text.len());
    let mut rest = 0;
    for range in hidden {
        let start = range.start.max(rest);
        if range.end > start {
            masked.push_str(&text[rest..start]);
            masked.extend(text[start..range.end].chars().map(stand_in));
            rest = range.end;
        }
    }
    masked.push_str(&text[rest..]);
    masked
}

fn stand_in(character: char) -> char {
    match (character, character.len_utf8()) {
        ('\n' | '\r', _) => character,
        (_, 1) => '*',
        (_, 2) => '·',
        (_, 3) => '•',
        (_, _) => '🔒',
    }
}

/// The password in `scheme://user:password@host`, wherever it stands in `text`.
fn password(text: &str) -> Option<Range<usize>> {
    let authority = text.find("://")? + 3;
    let end = text[authority..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |end| authority + end);
    // A password with an unescaped `/` is not a URL, and still a password.
    let at = text[authority..end]
        .rfind('@')
        .or_else(|| text[authority..].rfind('@'))?;
    let colon = text[authority..authority + at].find(':')?;
    Some(authority + colon + 1..authority + at)
}

struct Masker<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    hidden: Vec<Range<usize>>,
}

impl Masker<'_> {
    /// Statements: a header, or a key, `=` and a value.
    fn document(&mut self) {
        let mut secret_table = false;
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::LeftSquareBracket => secret_table = self.header(),
                TokenKind::Newline | TokenKind::Whitespace => self.at += 1,
                TokenKind::Comment => self.pass(secret_table),
                _ => self.assignment(secret_table, &[TokenKind::Newline]),
            }
        }
    }

    /// `key = value`, ended by one of `ends` outside of brackets. Without `=`, what stands in a
    /// secret place is hidden whole: nobody knows what it was meant to be.
    fn assignment(&mut self, secret_table: bool, ends: &[TokenKind]) {
        let start = self.at;
        let mut ends_of_key = vec![TokenKind::Equals];
        ends_of_key.extend_from_slice(ends);
        let secret = self.key(&ends_of_key).contains(&true) || secret_table;
        if self.kind() != Some(TokenKind::Equals) {
            if secret_table {
                self.hide(start..self.at);
            }
            return;
        }
        self.at += 1;
        self.value(secret, ends);
    }

    /// Passes over `[service.NAME.env]` and the like; whether what follows is secret. A service
    /// may be named as a secret key is.
    fn header(&mut self) -> bool {
        let parts = self.key(&[TokenKind::Newline]);
        let secret = |(index, secret): (usize, &bool)| *secret && index != 1;
        parts.iter().enumerate().any(secret)
    }

    /// Passes over a key; for each of its parts, whether it is a secret one.
    fn key(&mut self, ends: &[TokenKind]) -> Vec<bool> {
        let mut parts = Vec::new();
        while let Some(kind) = self.kind().filter(|kind| !ends.contains(kind)) {
            let text = self.token_text();
            match kind {
                TokenKind::Atom => parts.push(SECRET_KEYS.contains(&text)),
                TokenKind::LiteralString
                | TokenKind::BasicString
                | TokenKind::MlLiteralString
                | TokenKind::MlBasicString => {
                    // An escape could spell anything.
                    let name = text.trim_matches(['"', '\'']);
                    parts.push(SECRET_KEYS.contains(&name) || name.contains('\\'));
                }
                _ => {}
            }
            self.at += 1;
        }
        parts
    }

    /// A value, up to one of `ends` outside of brackets.
    fn value(&mut self, secret: bool, ends: &[TokenKind]) {
        if self.depth == MAX_DEPTH {
            self.hide(self.at..self.tokens.len());
            self.at = self.tokens.len();
        }
        self.depth += 1;
        while let Some(kind) = self.kind().filter(|kind| !ends.contains(kind)) {
            match kind {
                TokenKind::LeftCurlyBracket => {
                    self.at += 1;
                    self.inline_table(secret);
                }
                TokenKind::LeftSquareBracket => {
                    self.at += 1;
                    self.array(secret);
                }
                _ => self.pass(secret),
            }
        }
        self.depth -= 1;
    }

    fn inline_table(&mut self, secret: bool) {
        const ENDS: &[TokenKind] = &[TokenKind::Comma, TokenKind::RightCurlyBracket];
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::RightCurlyBracket => {
                    self.at += 1;
                    return;
                }
                TokenKind::Comma | TokenKind::Newline | TokenKind::Whitespace => self.at += 1,
                TokenKind::Comment => self.pass(secret),
                _ => self.assignment(secret, ENDS),
            }
        }
    }

    fn array(&mut self, secret: bool) {
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::RightSquareBracket => {
                    self.at += 1;
                    return;
                }
                TokenKind::Comma => self.at += 1,
                _ => self.value(secret, &[TokenKind::Comma, TokenKind::RightSquareBracket]),
            }
        }
    }

    fn kind(&self) -> Option<TokenKind> {
        let token = self.tokens.get(self.at)?;
        (token.kind() != TokenKind::Eof).then(|| token.kind())
    }

    fn token_text(&self) -> &str {
        let span = self.tokens.get(self.at).map(|token| token.span());
        span.map_or("", |span| &self.text[span.start()..span.end()])
    }

    /// Passes over one token. A comment is hidden too: it may be yesterday's value.
    fn pass(&mut self, secret: bool) {
        if secret {
            self.hide(self.at..self.at + 1);
        }
        self.at += 1;
    }

    /// Hides tokens, but for the blanks and the structure among them.
    fn hide(&mut self, tokens: Range<usize>) {
        for token in &self.tokens[tokens] {
            let shown = matches!(
                token.kind(),
                TokenKind::Whitespace | TokenKind::Newline | TokenKind::Equals
            );
            if !shown {
                self.hidden.push(token.span().start()..token.span().end());
            }
        }
    }
}
