//! Colours for people: on a terminal only, and never where `NO_COLOR` is set.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::io::IsTerminal;

use polity_console::view::{InstanceState, ServiceState};

/// Whether what is written to one stream is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The stream is a terminal and colours are wanted.
    Coloured,
    /// A file, a pipe, or somebody who wants none.
    Plain,
}

/// A colour of the terminal's own palette, so that it fits dark and light ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    Dim,
    Bold,
}

/// The colours that tell services apart; red is kept for what is wrong.
const SERVICES: [Colour; 5] = [
    Colour::Cyan,
    Colour::Yellow,
    Colour::Green,
    Colour::Magenta,
    Colour::Blue,
];

/// Gives each service a colour, the next one to each that is new.
#[derive(Debug, Default)]
pub struct Palette(HashMap<String, Colour>);

/// A text in a colour, or just the text.
pub struct Painted<'a> {
    text: &'a str,
    codes: Option<&'static str>,
}

impl Style {
    /// For this stream.
    pub fn of(stream: &impl IsTerminal) -> Self {
        let refused = is_set("NO_COLOR") || env::var_os("TERM").is_some_and(|term| term == "dumb");
        match stream.is_terminal() && !refused {
            true => Self::Coloured,
            false => Self::Plain,
        }
    }

    /// `text` in `colour`, to be displayed.
    pub fn paint<'a>(self, colour: Colour, text: &'a str) -> Painted<'a> {
        let codes = (self == Self::Coloured && !text.is_empty()).then_some(colour.code());
        Painted { text, codes }
    }
}

impl Palette {
    /// The service's colour.
    pub fn of(&mut self, service: &str) -> Colour {
        if let Some(colour) = self.0.get(service) {
            return *colour;
        }
        let colour = SERVICES[self.0.len() % SERVICES.len()];
        self.0.insert(service.to_owned(), colour);
        colour
    }
}

impl Colour {
    /// The parameters of "select graphic rendition" (ECMA-48, 8.3.117).
    fn code(self) -> &'static str {
        match self {
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Blue => "34",
            Self::Magenta => "35",
            Self::Cyan => "36",
            Self::Dim => "2",
            Self::Bold => "1",
        }
    }
}

impl From<InstanceState> for Colour {
    fn from(state: InstanceState) -> Self {
        match state {
            InstanceState::Ready => Self::Green,
            InstanceState::Starting | InstanceState::Stopping => Self::Yellow,
            InstanceState::Unready | InstanceState::Waiting => Self::Red,
        }
    }
}

impl From<ServiceState> for Colour {
    fn from(state: ServiceState) -> Self {
        match state {
            ServiceState::Ready => Self::Green,
            ServiceState::Starting | ServiceState::Stopping => Self::Yellow,
            ServiceState::Degraded | ServiceState::Down => Self::Red,
        }
    }
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codes {
            Some(codes) => write!(f, "\x1b[{codes}m{}\x1b[0m", self.text),
            None => f.write_str(self.text),
        }
    }
}

/// Present and not empty, as no-color.org has it.
fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        let painted = Style::Plain.paint(Colour::Red, "down");
        assert_eq!(painted.to_string(), "down");
        let painted = Style::Coloured.paint(Colour::Red, "down");
        assert_eq!(painted.to_string(), "\x1b[31mdown\x1b[0m");
        assert_eq!(Style::Coloured.paint(Colour::Red, "").to_string(), "");
    }

    #[test]
    fn a_file_is_not_coloured() {
        let file = tempfile::tempfile().expect("a file");
        assert_eq!(Style::of(&file), Style::Plain);
    }

    #[test]
    fn a_service_keeps_its_colour() {
        let mut palette = Palette::default();
        let orders = palette.of("orders");
        assert_ne!(palette.of("inventory"), orders);
        assert_eq!(palette.of("orders"), orders);
    }
}
