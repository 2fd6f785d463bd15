//! Headers that a route sets and removes, compiled from the plan.

use crate::fields::same_name;

/// Rules for one direction.
#[derive(Debug)]
pub(crate) struct HeaderRules {
    set: Box<[Line]>,
    /// Names, with `-` for `_`, of what goes no further: what is removed, and what is set anew.
    dropped: Box<[Box<str>]>,
}

#[derive(Debug)]
struct Line {
    /// In lower case.
    name: Box<str>,
    /// Name and value with the line's end.
    text: Box<[u8]>,
}

impl HeaderRules {
    pub(crate) fn new(planned: &polity_plan::HeaderRules) -> Self {
        let line = |(name, value): (&String, &String)| Line {
            name: name.as_str().into(),
            text: format!("{name}: {value}\r\n").into_bytes().into(),
        };
        let dropped = planned.set.keys().chain(&planned.remove);
        Self {
            set: planned.set.iter().map(line).collect(),
            dropped: dropped.map(|name| name.replace('_', "-").into()).collect(),
        }
    }

    /// Whether what came under this name, in whatever spelling, goes no further.
    pub(crate) fn drops(&self, name: &str) -> bool {
        self.dropped.iter().any(|known| same_name(name, known))
    }

    /// Appends what is set.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for line in &self.set {
            out.extend_from_slice(&line.text);
        }
    }

    /// Adds what is set to the field lines of an answer made here, whose own fields stay: a route
    /// that sets a content type means that of the service's pages, not of a problem.
    pub(crate) fn add(&self, fields: &mut Vec<u8>) {
        let own = fields.len();
        for line in &self.set {
            if !has_field(&fields[..own], &line.name) {
                fields.extend_from_slice(&line.text);
            }
        }
    }
}

fn has_field(fields: &[u8], name: &str) -> bool {
    fields.split(|byte| *byte == b'\n').any(|line| {
        line.split_at_checked(name.len())
            .is_some_and(|(start, rest)| {
                start.eq_ignore_ascii_case(name.as_bytes()) && rest.starts_with(b":")
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(set: &[(&str, &str)], remove: &[&str]) -> HeaderRules {
        let own = |text: &&str| (*text).to_owned();
        HeaderRules::new(&polity_plan::HeaderRules {
            set: set
                .iter()
                .map(|(name, value)| (own(name), own(value)))
                .collect(),
            remove: remove.iter().map(own).collect(),
        })
    }

    #[test]
    fn what_is_set_or_removed_goes_no_further_in_any_spelling() {
        let rules = rules(&[("x-tenant", "a")], &["x_debug"]);
        for name in ["X-Tenant", "x_tenant", "X-Debug", "x_debug"] {
            assert!(rules.drops(name), "{name}");
        }
        for name in ["x-tenan", "x-tenants", "xxtenant", "tenant"] {
            assert!(!rules.drops(name), "{name}");
        }
        let mut out = Vec::new();
        rules.write(&mut out);
        assert_eq!(out, b"x-tenant: a\r\n");
    }

    #[test]
    fn an_answer_made_here_keeps_its_own_fields() {
        let rules = rules(
            &[
                ("content-type", "text/html"),
                ("content", "b"),
                ("x-a", "1"),
            ],
            &[],
        );
        let mut fields = b"Content-Type: application/problem+json\r\nx-b: content:\r\n".to_vec();
        rules.add(&mut fields);
        let expected =
            "Content-Type: application/problem+json\r\nx-b: content:\r\ncontent: b\r\nx-a: 1\r\n";
        assert_eq!(String::from_utf8_lossy(&fields), expected);
    }
}
