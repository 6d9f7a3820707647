//! Destination addresses: one spelling for each, and where on the network it lies.
//!
//! Names are not resolved here, and nothing is looked up.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a destination lies, as far as its address alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// An IP address that is none of the others.
    Public,
    /// RFC 1918, RFC 6598 (carrier NAT), RFC 4193 (unique local), "this network" and unspecified.
    Private,
    /// 169.254.0.0/16 and fe80::/10.
    LinkLocal,
    /// 127.0.0.0/8 and ::1.
    Loopback,
    /// 224.0.0.0/4, ff00::/8 and the IPv4 broadcast address.
    Multicast,
    /// A host name: the journal (a proxy's, say) did not know the address.
    Name,
}

impl Scope {
    /// The scope of a destination as [`normalise`] spells it.
    pub fn of(destination: &str) -> Scope {
        match destination.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => scope_v4(address),
            Ok(IpAddr::V6(address)) => scope_v6(address),
            Err(_) => Scope::Name,
        }
    }

    /// All of them, by their numbers.
    const ALL: [Scope; 6] = [
        Scope::Public,
        Scope::Private,
        Scope::LinkLocal,
        Scope::Loopback,
        Scope::Multicast,
        Scope::Name,
    ];

    /// The number that stands for it in a cache.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The scope of a number, if there is one.
    pub fn from_number(number: u8) -> Option<Scope> {
        Scope::ALL.get(usize::from(number)).copied()
    }

    /// The word in the column `destination_scope`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Public => "public",
            Scope::Private => "private",
            Scope::LinkLocal => "link_local",
            Scope::Loopback => "loopback",
            Scope::Multicast => "multicast",
            Scope::Name => "name",
        }
    }
}

/// Whether a normalised destination is this machine itself.
pub fn is_loopback(destination: &str) -> bool {
    Scope::of(destination) == Scope::Loopback
}

fn scope_v4(address: Ipv4Addr) -> Scope {
    let [first, second, ..] = address.octets();
    if address.is_loopback() {
        Scope::Loopback
    } else if address.is_link_local() {
        Scope::LinkLocal
    } else if address.is_multicast() || address.is_broadcast() {
        Scope::Multicast
    } else if address.is_private() || first == 0 || (first == 100 && second & 0xc0 == 64) {
        Scope::Private
    } else {
        Scope::Public
    }
}

fn scope_v6(address: Ipv6Addr) -> Scope {
    if address.is_loopback() {
        Scope::Loopback
    } else if address.is_unicast_link_local() {
        Scope::LinkLocal
    } else if address.is_multicast() {
        Scope::Multicast
    } else if address.is_unique_local() || address.is_unspecified() {
        Scope::Private
    } else {
        Scope::Public
    }
}

/// One spelling for each destination.
///
/// IP literals lose brackets and zone, IPv6 takes its RFC 5952 form and an IPv4-mapped address
/// becomes IPv4; host names lose the root dot and, since DNS does not tell case apart, capitals.
pub fn normalise(destination: &str) -> Cow<'_, str> {
    if is_ipv4(destination) {
        return Cow::Borrowed(destination);
    }
    let text = destination.trim();
    if is_ipv4(text) {
        return Cow::Borrowed(text);
    }
    let bare = text.strip_prefix('[').map_or(text, |rest| rest.strip_suffix(']').unwrap_or(rest));
    let without_zone = bare.split_once('%').map_or(bare, |(address, _)| address);
    if let Ok(address) = without_zone.parse::<Ipv6Addr>() {
        let spelling = match address.to_ipv4_mapped() {
            Some(mapped) => mapped.to_string(),
            None => address.to_string(),
        };
        return if spelling == text { Cow::Borrowed(text) } else { Cow::Owned(spelling) };
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.chars().any(char::is_uppercase) {
        Cow::Owned(name.to_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// A destination as journals write it, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Destination<'a> {
    /// As [`normalise`] spells it.
    pub(super) address: Cow<'a, str>,
    /// The port that stands behind it.
    pub(super) port: Option<u16>,
    /// The port that a URL's scheme stands for.
    pub(super) port_of_scheme: Option<u16>,
}

impl<'a> Destination<'a> {
    /// Of an address or a name, either of them with a port, or a URL; '' of ''. `None` if it is none
    /// of these.
    #[inline]
    pub(super) fn of(text: &'a str) -> Option<Destination<'a>> {
        let alone = |address| Destination { address, port: None, port_of_scheme: None };
        if is_ipv4(text) {
            return Some(alone(Cow::Borrowed(text)));
        }
        let text = text.trim();
        let address = normalise(text);
        if text.is_empty() || is_address_or_name(&address) {
            return Some(alone(address));
        }
        Destination::with_port(text)
    }

    fn with_port(text: &'a str) -> Option<Destination<'a>> {
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme, rest)) => {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                (scheme, authority.rsplit('@').next().unwrap_or_default())
            }
            None => ("", text),
        };
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of an IPv6 address may be one of its own.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (authority, None),
        };
        let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
        let address = normalise(host);
        let port_of_scheme = match &*scheme.to_ascii_lowercase() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        let is_one = !host.is_empty() && !is_bare_ipv6 && is_address_or_name(&address);
        is_one.then_some(Destination { address, port, port_of_scheme })
    }
}

/// Whether a normalised destination is an IP address, or could be a host's name: letters of any
/// script, digits, hyphens and underscores in labels, of which the last is no number.
fn is_address_or_name(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(is_label)
        && text.chars().any(char::is_alphanumeric)
        && !(text.contains('.') && text.rsplit('.').next().is_some_and(is_number))
}

/// Whether this is an IPv4 address in the one spelling that `Ipv4Addr` parses. It is asked of every
/// connection, and `Ipv4Addr` takes twice as long.
fn is_ipv4(text: &str) -> bool {
    const NO_DIGIT: u32 = u32::MAX;
    let (mut number, mut points) = (NO_DIGIT, 0);
    for byte in text.bytes() {
        number = match (byte, number) {
            (b'0'..=b'9', NO_DIGIT) => u32::from(byte - b'0'),
            (b'0'..=b'9', 1..=25) => 10 * number + u32::from(byte - b'0'),
            (b'.', 0..=255) => {
                points += 1;
                NO_DIGIT
            }
            _ => return false,
        };
    }
    points == 3 && number <= 255
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_taken_apart_has_one_spelling(text in "[a-f0-9:.\\[\\]/@%]{0,24}|\\PC{0,12}") {
            if let Some(Destination { address, .. }) = Destination::of(&text) {
                prop_assert_eq!(normalise(&address), &*address);
            }
        }

        #[test]
        fn an_ipv4_address_is_what_the_parser_takes(
            text in "([0-9]|1[0-9]{0,2}|2[4-6][0-9]|[0-9]{0,4})(\\.(0|[0-9]{1,3}|25[0-9])){2,4}[.x]?",
        ) {
            prop_assert_eq!(is_ipv4(&text), text.parse::<Ipv4Addr>().is_ok());
        }
    }

    #[test]
    fn each_destination_has_one_spelling() {
        for (given, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            (" 192.0.2.7 ", "192.0.2.7"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("0000:0000:0000:0000:0000:ffff:c000:0207", "192.0.2.7"),
            ("WWW.Example.COM.", "www.example.com"),
        ] {
            assert_eq!(normalise(given), expected, "{given}");
            assert_eq!(normalise(expected), expected, "{expected} again");
        }
    }

    #[test]
    fn destinations_are_taken_apart_or_refused() {
        for (text, address, port, port_of_scheme) in [
            ("192.0.2.7", "192.0.2.7", None, None),
            ("192.0.2.7:443", "192.0.2.7", Some(443), None),
            (" 2001:db8::1 ", "2001:db8::1", None, None),
            ("[2001:DB8::1]:8443", "2001:db8::1", Some(8443), None),
            ("[2001:db8::1]", "2001:db8::1", None, None),
            ("C2.example.net:8080", "c2.example.net", Some(8080), None),
            ("https://C2.example.net/a?b=c:1", "c2.example.net", None, Some(443)),
            ("http://user:word@[::1]:81/x", "::1", Some(81), Some(80)),
            ("tcp://192.0.2.7:9", "192.0.2.7", Some(9), None),
            ("_ldap._tcp.dc", "_ldap._tcp.dc", None, None),
            ("b\u{fc}cher.example", "b\u{fc}cher.example", None, None),
            ("", "", None, None),
        ] {
            let expected = Destination { address: address.into(), port, port_of_scheme };
            assert_eq!(Destination::of(text), Some(expected), "{text}");
        }
        for junk in [
            "not an ip!!",
            "-",
            "192.0.2.7/24",
            "192.0.2.256",
            "192.0.2.7:99999",
            "a..b",
            "2001:db8::1::443",
            "https://",
            ":443",
            "<none>",
            "a:b:c",
        ] {
            assert_eq!(Destination::of(junk), None, "{junk}");
        }
    }

    #[test]
    fn scopes_follow_the_address_registries() {
        for (destination, scope) in [
            ("8.8.8.8", Scope::Public),
            ("172.32.0.1", Scope::Public),
            ("172.31.255.255", Scope::Private),
            ("10.0.0.1", Scope::Private),
            ("100.64.0.1", Scope::Private),
            ("100.128.0.1", Scope::Public),
            ("0.0.0.0", Scope::Private),
            ("169.254.169.254", Scope::LinkLocal),
            ("127.8.9.1", Scope::Loopback),
            ("224.0.0.251", Scope::Multicast),
            ("255.255.255.255", Scope::Multicast),
            ("::1", Scope::Loopback),
            ("fe80::1", Scope::LinkLocal),
            ("fd00::1", Scope::Private),
            ("ff02::fb", Scope::Multicast),
            ("2606:4700::1111", Scope::Public),
            ("www.example.com", Scope::Name),
        ] {
            assert_eq!(Scope::of(destination), scope, "{destination}");
        }
    }
}
