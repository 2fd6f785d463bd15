//! Addresses as a plan writes them: listeners, networks, upstreams, hosts, databases.

use std::net::{IpAddr, Ipv4Addr};

use polity_core::parse_duration;
use polity_resilience::hedge::After;
use polity_route::{HostPattern, normalise, normalise_host};

use crate::descriptor::Flaw;
use crate::plan::{Database, HashBy, HostPort, ListenAddress, Network, Protocol};

/// The port of `http://` where none is written.
const HTTP_PORT: u16 = 80;

/// The longest host name (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

/// Reads "host:port" or ":port"; the host is an IP address or `localhost`.
pub(crate) fn parse_listen(text: &str) -> Result<ListenAddress, Flaw> {
    let (host, port) = text.rsplit_once(':').ok_or(wrong("the port is missing"))?;
    let port = parse_port(port).or_else(|flaw| if port == "0" { Ok(0) } else { Err(flaw) })?;
    let host = match host {
        "" => None,
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => {
            let address = unbracketed(host).unwrap_or(host).parse();
            let address = address.map_err(|_| wrong("the host must be an IP address"))?;
            if matches!(address, IpAddr::V6(_)) && unbracketed(host).is_none() {
                return Err(wrong("an IPv6 address stands in brackets"));
            }
            Some(address)
        }
    };
    Ok(ListenAddress { host, port })
}

/// Reads an address or a range in CIDR form.
pub(crate) fn parse_network(text: &str) -> Result<Network, Flaw> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong(""))?;
    let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => bits,
        Some(prefix) => digits(prefix)
            .and_then(|prefix| u8::try_from(prefix).ok())
            .filter(|prefix| *prefix <= bits)
            .ok_or_else(|| wrong(&format!("the part after `/` is from 0 to {bits}")))?,
    };
    let network = Network { address, prefix };
    if first_address(network) != address {
        return Err(wrong("the address has bits set beyond its prefix"));
    }
    Ok(network)
}

fn first_address(network: Network) -> IpAddr {
    let keep = u32::from(network.prefix);
    match network.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - keep).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - keep).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// Reads `http://HOST[:PORT]` or `tcp://HOST:PORT`: what is spoken there, the host without brackets,
/// and the port.
pub(crate) fn parse_upstream(text: &str) -> Result<(Protocol, String, u16), Flaw> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or(wrong("the scheme is missing"))?;
    let (protocol, default_port) = match scheme {
        "http" => (Protocol::Http, Some(HTTP_PORT)),
        "tcp" => (Protocol::Tcp, None),
        "https" | "h2" | "h2c" | "grpc" => return Err(Flaw::Later),
        _ => return Err(wrong("the scheme is `http` or `tcp`")),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(wrong(
            "only a host and a port can be given; a path is for `rewrite` of a route",
        ));
    }
    if authority.contains('@') {
        return Err(wrong("credentials cannot be given in it"));
    }
    let (host, port) = split_port(authority)?;
    let port = port.or(default_port).ok_or(wrong("the port is missing"))?;
    check_host(host)?;
    let host = unbracketed(host).unwrap_or(host).to_ascii_lowercase();
    Ok((protocol, host, port))
}

/// Reads a name that a certificate can be had for, and brings it to lower case.
pub(crate) fn parse_domain(text: &str) -> Result<String, Flaw> {
    if text.starts_with("*.") {
        return Err(wrong(
            "a certificate for all names below one takes a proof by DNS, which is for a later version: \
             name the hosts, or say by `tls` where the certificate is",
        ));
    }
    if text.contains([':', '/', '?', '#', '@']) {
        return Err(wrong("a domain stands without scheme, port and path"));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    check_host(name)?;
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("that is an address, and not a name"));
    }
    if last.len() == name.len() {
        return Err(wrong("no authority knows a name of one part"));
    }
    if name.contains('_') {
        return Err(wrong("names of hosts have no `_`"));
    }
    Ok(name.to_ascii_lowercase())
}

/// Reads `HOST:PORT`; the host keeps its brackets.
pub(crate) fn parse_host_port(text: &str) -> Result<HostPort, Flaw> {
    if text.contains("://") {
        return Err(wrong("an address stands without a scheme"));
    }
    let (host, port) = split_port(text)?;
    check_host(host)?;
    Ok(HostPort {
        host: unbracketed(host).unwrap_or(host).to_ascii_lowercase(),
        port: port.ok_or(wrong("the port is missing"))?,
    })
}

/// Reads addresses with commas between, as Kafka's `bootstrap.servers`.
pub(crate) fn parse_brokers(text: &str) -> Result<Vec<HostPort>, Flaw> {
    text.split(',')
        .map(|at| parse_host_port(at.trim()))
        .collect()
}

/// Reads "ip", "url", "header:NAME" or "cookie:NAME".
pub(crate) fn parse_hash_by(text: &str) -> Result<HashBy, Flaw> {
    let (kind, name) = match text {
        "ip" => return Ok(HashBy::Ip),
        "url" => return Ok(HashBy::Url),
        _ => text.split_once(':').ok_or(wrong(""))?,
    };
    if !is_token(name) {
        return Err(wrong(
            "after the colon stands a name of letters, digits, `-` and `_`",
        ));
    }
    match kind {
        "header" => Ok(HashBy::Header(name.to_ascii_lowercase())),
        "cookie" => Ok(HashBy::Cookie(name.to_owned())),
        _ => Err(wrong("")),
    }
}

/// What `after` of `hedge` says, the bounds of durations aside.
pub(crate) fn parse_hedge_after(text: &str) -> Option<After> {
    let percent = text
        .strip_prefix('p')
        .and_then(|digits| digits.parse().ok());
    match percent {
        Some(percent @ 50u8..=99) => Some(After::Quantile(f64::from(percent) / 100.0)),
        Some(_) => None,
        None => parse_duration(text).ok().map(After::Fixed),
    }
}

/// RFC 9110, 5.6.2: what names of headers and of cookies are made of.
pub(crate) fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

/// Reads an exact host or `*.` and a suffix.
pub(crate) fn parse_host_pattern(text: &str) -> Result<HostPattern, Flaw> {
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    let (wildcard, host) = match text.strip_prefix("*.") {
        Some(suffix) => (true, suffix),
        None => (false, text),
    };
    if split_port(host)?.1.is_some() || host.contains('/') {
        return Err(wrong("a host stands without scheme and port"));
    }
    check_host(host.strip_suffix('.').unwrap_or(host))?;
    let host = normalise_host(host).map_err(|error| wrong(&error.to_string()))?;
    let host = host.into_owned();
    Ok(if wildcard {
        HostPattern::Wildcard(host)
    } else {
        HostPattern::Exact(host)
    })
}

/// Reads `sqlite` or a URL.
pub(crate) fn parse_database(text: &str) -> Result<Database, Flaw> {
    match text {
        "sqlite" => return Ok(Database::Sqlite),
        "postgres" | "postgresql" | "mysql" | "mariadb" => return Err(Flaw::Later),
        _ => {}
    }
    let (scheme, rest) = text.split_once(':').ok_or(wrong(""))?;
    let shaped = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !shaped || rest.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("it is not a URL"));
    }
    Ok(Database::Url(text.to_owned()))
}

/// What two URLs of one database have in common, whoever logs in and whatever options they add.
/// Schemas of one PostgreSQL database are databases of their own (schema per service).
pub(crate) fn database_identity(url: &str) -> String {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let scheme = scheme.to_ascii_lowercase();
    // "postgresql+asyncpg", "mysql2", "jdbc" and the like name drivers, not databases.
    let scheme = scheme.split('+').next().unwrap_or_default();
    let (scheme, default_port) = match scheme {
        "postgres" | "postgresql" => ("postgres", "5432"),
        "mysql" | "mysql2" | "mariadb" => ("mysql", "3306"),
        "mongodb" => ("mongodb", "27017"),
        "redis" | "rediss" => ("redis", "6379"),
        "sqlserver" | "mssql" => ("mssql", "1433"),
        other => (other, ""),
    };
    let (body, query) = rest.split_once('?').unwrap_or((rest, ""));
    if scheme == "sqlite" {
        return format!("sqlite:{}", sqlite_path(body));
    }
    let body = body.strip_prefix("//").unwrap_or(body);
    let (authority, path) = body.split_once('/').unwrap_or((body, ""));
    let address = authority.rsplit_once('@').map_or(authority, |(_, a)| a);
    let (host, port) = match split_port(address) {
        Ok((host, port)) => (host, port.map(|port| port.to_string())),
        Err(_) => (address, None),
    };
    let host = match host.to_ascii_lowercase().as_str() {
        "127.0.0.1" | "[::1]" => "localhost".to_owned(),
        host => host.to_owned(),
    };
    let port = port.unwrap_or_else(|| default_port.to_owned());
    let schema = query.split('&').find_map(|option| {
        let (key, value) = option.split_once('=')?;
        matches!(key, "schema" | "currentSchema" | "search_path" | "options").then_some(value)
    });
    format!(
        "{scheme}://{host}:{port}/{}?{}",
        path.trim_end_matches('/'),
        schema.unwrap_or_default()
    )
}

/// `sqlite:x` and `sqlite:///x` are relative, `sqlite:/x` and `sqlite:////x` absolute.
fn sqlite_path(body: &str) -> String {
    let path = body.strip_prefix("///").unwrap_or(body);
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Splits the port off; the host keeps its brackets.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), Flaw> {
    if authority.starts_with('[') {
        let end = authority
            .find(']')
            .ok_or(wrong("a bracket is not closed"))?;
        let (host, rest) = authority.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(parse_port(port)?))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(wrong("only a port may follow the brackets")),
        };
    }
    match authority.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Err(wrong("an IPv6 address stands in brackets")),
        Some((host, port)) => Ok((host, Some(parse_port(port)?))),
        None => Ok((authority, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, Flaw> {
    digits(text)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0)
        .ok_or(wrong("a port is a number from 1 to 65535"))
}

/// Plain digits only: `parse` alone would take "+80".
fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A host name in ASCII, or an IP address, in brackets when it is IPv6.
pub(crate) fn check_host(host: &str) -> Result<(), Flaw> {
    if let Some(inner) = unbracketed(host) {
        let address = inner.parse::<std::net::Ipv6Addr>();
        return address
            .map(drop)
            .map_err(|_| wrong("the brackets hold no IPv6 address"));
    }
    if !host.is_ascii() {
        return Err(wrong(
            "a host beyond ASCII is written in punycode (`xn--...`)",
        ));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= polity_core::name::MAX_NAME
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if host.len() <= MAX_HOST && host.split('.').all(label) {
        Ok(())
    } else {
        Err(wrong("that is no host name"))
    }
}

fn unbracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

pub(crate) fn wrong(why: &str) -> Flaw {
    Flaw::Wrong(why.to_owned())
}

/// Reads a path and brings it to the form requests are matched in.
pub(crate) fn parse_path(text: &str) -> Result<String, Flaw> {
    let path = normalise(text).map_err(|error| wrong(&error.to_string()))?;
    Ok(path.into_owned())
}
