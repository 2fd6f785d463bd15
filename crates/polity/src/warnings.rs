//! What the parts have to say of themselves, in lines on standard error.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Shows what is said from here on, but for what only their developers read.
pub fn show() {
    // Fails only when somebody shows it already.
    let _ = tracing::subscriber::set_global_default(Lines);
}

struct Lines;

/// `message; key: value, key: value`
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(io::stderr(), "{level}: {}{}", text.message, text.fields);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name if self.fields.is_empty() => write!(self.fields, "; {name}: {value:?}"),
            name => write!(self.fields, ", {name}: {value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Keeps the text of the last event.
    struct Kept(&'static Mutex<String>);

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            Lines.enabled(metadata)
        }
        fn event(&self, event: &Event<'_>) {
            let mut text = Text::default();
            event.record(&mut text);
            *self.0.lock().expect("not poisoned") = text.message + &text.fields;
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_message_comes_before_what_it_is_about() {
        static LAST: Mutex<String> = Mutex::new(String::new());
        tracing::subscriber::with_default(Kept(&LAST), || {
            tracing::error!(path = %"/x", lost = 3, "could not write");
            tracing::debug!("for developers");
        });
        let last = LAST.lock().expect("not poisoned");
        assert_eq!(*last, "could not write; path: /x, lost: 3");
    }
}
