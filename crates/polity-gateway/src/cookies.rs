//! The cookies of a request (RFC 6265).

use polity_http::RequestHead;

/// The value of the first cookie of this name. Servers are not to rely on any order (section 4.2.2), but
/// browsers send the one of the longest path first.
pub(crate) fn find<'a>(head: &RequestHead<'a>, name: &str) -> Option<&'a [u8]> {
    fields(head).find_map(|field| in_field(field, name).next())
}

/// The values of all cookies of this name, the last first.
pub(crate) fn from_the_last<'a>(
    head: &RequestHead<'a>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    fields(head)
        .rev()
        .flat_map(move |field| in_field(field, name).rev())
}

fn fields<'a>(head: &RequestHead<'a>) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    let fields = head.headers.iter();
    let cookies = fields.filter(|it| it.name.len() == 6 && it.name.eq_ignore_ascii_case("cookie"));
    cookies.map(|field| field.value)
}

/// The values in one field. What is no pair is passed over; quotes are part of a value (section 4.1.1).
fn in_field<'a>(field: &'a [u8], name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    field.split(|byte| *byte == b';').filter_map(move |pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (found, value) = (&pair[..equals], &pair[equals + 1..]);
        (found.trim_ascii() == name.as_bytes()).then(|| value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_exact_name() {
        let check = |field: &str, expected: Option<&str>| {
            let found = in_field(field.as_bytes(), "user").next();
            assert_eq!(found, expected.map(str::as_bytes), "{field}");
        };
        check("user=a", Some("a"));
        check("a=b; user=c; d=e", Some("c"));
        check("a=b;user=c", Some("c"));
        check("user=a; user=b", Some("a"));
        check("user=a=b", Some("a=b"));
        check("user=\"a b\"", Some("\"a b\""));
        check("user=", Some(""));
        check(" \tuser = a \t; b=c", Some("a"));
        check("User=a; xuser=b; userx=c", None);
        check("a=user=b", None);
        check("user; =; ;;", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn whatever_the_field_a_cookie_put_before_it_is_found(
            rest in proptest::collection::vec(any::<u8>(), 0..64), value in "[a-z0-9]{0,8}"
        ) {
            let field = [b"user=", value.as_bytes(), b"; ", rest.as_slice()].concat();
            prop_assert_eq!(in_field(&field, "user").next(), Some(value.as_bytes()));
            let all: Vec<_> = in_field(&field, "user").collect();
            let mut from_the_last: Vec<_> = in_field(&field, "user").rev().collect();
            from_the_last.reverse();
            prop_assert_eq!(all, from_the_last);
        }
    }
}
