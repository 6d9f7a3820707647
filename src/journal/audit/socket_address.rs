//! The address in a SOCKADDR record: `struct sockaddr` in hex, or as ausearch -i writes it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::record::{Record, hex};

const INET: u8 = 2;
const INET6: u8 = 10;

/// Why an address is no destination.
const NOT_IP: &str = "no IP address (a socket of the machine itself)";
const CUT: &str = "an address that was cut";

/// Address and port of a SOCKADDR record; else why it has none.
pub(super) fn destination(record: &Record<'_>) -> Result<(IpAddr, u16), &'static str> {
    let value = record.get("saddr").ok_or(CUT)?;
    match hex(value).filter(|_| !record.is_interpreted) {
        Some(bytes) => of_bytes(&bytes),
        None => of_words(value),
    }
}

/// The family is in the byte order of the machine, port and address in the network's.
fn of_bytes(bytes: &[u8]) -> Result<(IpAddr, u16), &'static str> {
    let family = match bytes {
        [0, family, ..] | [family, 0, ..] => *family,
        _ => return Err(NOT_IP),
    };
    let port = || bytes.get(2..4)?.try_into().ok().map(u16::from_be_bytes);
    let address = || match family {
        INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(4..8)?).ok()?).into()),
        _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(8..24)?).ok()?).into()),
    };
    match family {
        INET | INET6 => address().zip(port()).ok_or(CUT),
        _ => Err(NOT_IP),
    }
}

/// `{ saddr_fam=inet laddr=192.0.2.1 lport=443 }`, in auditd 2.8 `fam=`, before it
/// `inet host:192.0.2.1 serv:443`. The family comes first; what follows another one is a path that
/// anybody can choose.
fn of_words(text: &str) -> Result<(IpAddr, u16), &'static str> {
    let text = text.trim_start_matches('{').trim_end_matches('}');
    let mut words = text.split_whitespace();
    let family = words.next().unwrap_or_default();
    let family = family.rsplit_once('=').map_or(family, |(_, family)| family);
    if !matches!(family, "inet" | "inet6") {
        return Err(NOT_IP);
    }
    let (mut address, mut port) = (None, None);
    for word in words {
        match word.split_once(['=', ':']) {
            Some(("laddr" | "host", value)) => address = value.parse().ok(),
            Some(("lport" | "serv", value)) => port = value.parse().ok(),
            _ => {}
        }
    }
    address.zip(port).ok_or(CUT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(value: &str, time: &str) -> Result<String, &'static str> {
        let line = format!("type=SOCKADDR msg=audit({time}:1): saddr={value}");
        let (address, port) = destination(&Record::from_line(&line).unwrap())?;
        Ok(format!("{address} {port}"))
    }

    #[test]
    fn addresses_are_read_in_either_byte_order_and_in_words() {
        for (value, expected) in [
            ("020001BBC00002010000000000000000", Ok("192.0.2.1 443")),
            ("000201BBC00002010000000000000000", Ok("192.0.2.1 443")),
            ("0A0001BB0000000020010DB8000000000000000000000009", Ok("2001:db8::9 443")),
            ("01002F746D702F7800", Err(NOT_IP)),
            ("100000000000000000000000", Err(NOT_IP)),
            ("00000000000000000000000000000000", Err(NOT_IP)), // AF_UNSPEC undoes a connect
            ("020001BBC000", Err(CUT)),
        ] {
            assert_eq!(of(value, "1.000").as_deref(), expected.as_deref(), "{value}");
        }
        for (value, expected) in [
            ("{ saddr_fam=inet laddr=192.0.2.1 lport=443 }", Ok("192.0.2.1 443")),
            ("{ fam=inet6 laddr=2001:db8::9 lport=443 }", Ok("2001:db8::9 443")),
            ("inet host:192.0.2.1 serv:443", Ok("192.0.2.1 443")),
            ("{ saddr_fam=local path=saddr_fam=inet laddr=192.0.2.1 lport=443 }", Err(NOT_IP)),
            ("{ saddr_fam=inet laddr=192.0.2.1 }", Err(CUT)),
        ] {
            assert_eq!(
                of(value, "05/04/26 08:00:00.250").as_deref(),
                expected.as_deref(),
                "{value}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_address_or_a_reason(bytes: Vec<u8>) {
            let long_enough = bytes.len() >= 24;
            if of_bytes(&bytes) == Err(CUT) {
                prop_assert!(!long_enough);
            }
        }
    }
}
