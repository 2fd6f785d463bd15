//! The codes of diagnostics: one for each cause, stable for ever, each with a page in docs/codes.

use std::fmt;

use crate::diagnostic::Severity;

/// The cause of a diagnostic. `P01xx` are errors, `P02xx` warnings; the number of a code that goes
/// out of use is never given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Code {
    /// The file is not TOML.
    Syntax = 101,
    /// A key that means nothing where it stands.
    UnknownKey = 102,
    /// Something a later version will have.
    NotYet = 103,
    /// A value of another TOML type than the key takes.
    WrongType = 104,
    /// A key that must be there is not.
    Missing = 105,
    /// A value of the right type that the key cannot take.
    WrongValue = 106,
    /// Not the name of a service, task, topic, variable or header.
    BadName = 107,
    /// Two variables Polity gives one service have one name.
    NamesClash = 108,
    /// Keys that exclude each other.
    Exclusive = 109,
    /// A key that cannot apply to a service of this kind.
    Inapplicable = 110,
    /// A command that does not split into words.
    BadCommand = 111,
    /// A command that only a shell would understand.
    ShellSyntax = 112,
    /// `${VAR}` names a variable that is not set.
    UnsetVariable = 113,
    /// `${` does not start `${VAR}` or `${VAR:-default}`.
    BadInterpolation = 114,
    /// A name no service has.
    UnknownService = 115,
    /// A service calls itself.
    CallsItself = 116,
    /// A call to a service that listens on nothing.
    CallsPortless = 117,
    /// A public route to a service that does not speak HTTP.
    RouteToNonHttp = 118,
    /// Two routes that could both claim one request.
    RouteTie = 119,
    /// Two services with one database.
    SharedDatabase = 120,
    /// One port for two listeners.
    PortTaken = 121,
    /// `env` sets a variable that Polity gives the service.
    ReservedVariable = 122,
    /// The file is larger than any plan.
    TooLarge = 123,
    /// A task before a service Polity does not run.
    TaskBeforeExternal = 124,
    /// `{port}` where there is no port.
    NoPort = 125,
    /// A task and a service of one name.
    NameTaken = 126,
    /// A header that is not a route's to set or remove.
    ReservedHeader = 127,
    /// Redirects that lead back to where they begin.
    RedirectLoop = 128,
    /// Two times of which one leaves the other no room.
    TimesClash = 129,
    /// A circuit breaker, or rules for outliers, that nothing sets off.
    NeverTrips = 130,

    /// Services that call each other in a circle.
    Cycle = 201,
    /// A long chain of calls.
    DeepChain = 202,
    /// A topic somebody consumes and nobody publishes.
    UnpublishedTopic = 203,
    /// A public route that needs many services at once.
    LowAvailability = 204,
    /// A service that no request and no event reaches.
    Unreached = 205,
    /// A plan without a service.
    NoService = 206,
    /// A topic that is named and that no service uses.
    UnusedTopic = 207,
    /// More instances consume a topic than it has partitions.
    IdleConsumers = 208,
}

macro_rules! pages {
    ($($code:ident $number:literal),* $(,)?) => {
        /// Every code with its page.
        const PAGES: &[(Code, &str)] = &[$((
            Code::$code,
            include_str!(concat!("../../../docs/codes/P0", $number, ".md")),
        )),*];
    };
}

pages! {
    Syntax 101, UnknownKey 102, NotYet 103, WrongType 104, Missing 105, WrongValue 106,
    BadName 107, NamesClash 108, Exclusive 109, Inapplicable 110, BadCommand 111,
    ShellSyntax 112, UnsetVariable 113, BadInterpolation 114, UnknownService 115,
    CallsItself 116, CallsPortless 117, RouteToNonHttp 118, RouteTie 119, SharedDatabase 120,
    PortTaken 121, ReservedVariable 122, TooLarge 123, TaskBeforeExternal 124, NoPort 125,
    NameTaken 126, ReservedHeader 127, RedirectLoop 128, TimesClash 129, NeverTrips 130,
    Cycle 201, DeepChain 202, UnpublishedTopic 203, LowAvailability 204, Unreached 205,
    NoService 206, UnusedTopic 207, IdleConsumers 208,
}

impl Code {
    /// Every code, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Code> {
        PAGES.iter().map(|(code, _)| *code)
    }

    /// The code that is written so, in either case.
    pub fn parse(text: &str) -> Option<Code> {
        Self::all().find(|code| code.to_string().eq_ignore_ascii_case(text))
    }

    /// Whether it stops the plan.
    pub fn severity(self) -> Severity {
        match self as u16 {
            0..200 => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// Its page: what it means, an example, how to mend it; Markdown.
    pub fn page(self) -> &'static str {
        let page = PAGES.iter().find(|(code, _)| *code == self);
        page.map_or("", |(_, page)| page)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("P{:04}", *self as u16))
    }
}

/// The page on a code as written ("P0101"), if there is such a code.
pub fn explain(code: &str) -> Option<&'static str> {
    Code::parse(code).map(Code::page)
}
