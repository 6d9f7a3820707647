//! One rule: what its conditions are, whether they deserve trust, and whether they hold.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use super::pattern::Pattern;
use super::protected;
use crate::journal::{Protocol, Scope, is_windows_path};

/// What a rule may be for.
const CLASSES: [&str; 8] = [
    "backup",
    "time_sync",
    "log_shipping",
    "remote_management",
    "updater",
    "security_agent",
    "osquery",
    "lan_discovery",
];
/// Shorter prefixes are no condition, unless they are of addresses that no router forwards to the internet:
/// those of the scopes multicast and link_local.
const LEAST_PREFIX: (u8, u8) = (8, 16);
const NOT_ROUTED: [IpNet; 5] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
];

/// A rule as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenRule {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) reason: String,
    pub(super) enabled: Option<bool>,
    pub(super) pathname: Vec<String>,
    pub(super) destination: Vec<String>,
    pub(super) domain: Vec<String>,
    pub(super) port: Vec<u16>,
    pub(super) protocol: Option<String>,
}

/// Connections of one process path to one destination, as rules see them.
#[derive(Clone, Copy, Debug)]
pub struct Member<'m> {
    /// Image path; '' if not known.
    pub pathname: &'m str,
    /// IP address or host name.
    pub destination: &'m str,
    /// Name of the destination; '' if not known.
    pub domain: &'m str,
    /// Destination port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// A rule that can be applied: all its conditions must hold, each by one of its values.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, unique among rules.
    pub name: String,
    /// What kind of timer it is for.
    pub class: String,
    /// Why this is known to be benign.
    pub reason: String,
    /// 'default', or the file that it is from.
    pub origin: String,
    /// Whether it is applied.
    pub enabled: bool,
    /// The conditions in words.
    pub conditions: String,
    pathnames: Vec<Pattern>,
    destinations: Vec<IpNet>,
    domains: Vec<Pattern>,
    ports: Vec<u16>,
    protocol: Option<Protocol>,
}

impl Rule {
    /// Checks a rule. The error says what is wrong with it, and what would be right.
    pub(super) fn check(written: WrittenRule, origin: &str) -> Result<Rule, String> {
        if !CLASSES.contains(&written.class.as_str()) {
            let classes = CLASSES.join(", ");
            return Err(format!("has the class '{}': give one of {classes}", written.class));
        }
        let says_where_to = !written.destination.is_empty() || !written.domain.is_empty();
        if written.pathname.is_empty() && !says_where_to {
            return Err(
                "has neither pathname nor destination nor domain: a port alone is open to \
                        everybody"
                    .to_owned(),
            );
        }
        let pathnames: Vec<_> =
            written.pathname.iter().map(|pattern| folded(pattern).into_owned()).collect();
        if !says_where_to
            && let Some((pattern, _)) = written
                .pathname
                .iter()
                .zip(&pathnames)
                .find(|(_, folded)| !protected::anchors(folded))
        {
            return Err(format!(
                "trusts '{pattern}', which malware can name itself: begin it with a folder that \
                 only administrators can write to (such as ?:\\Program Files\\ or /usr/), or add a \
                 destination or a domain"
            ));
        }
        let protocol = match written.protocol.as_deref() {
            None => None,
            Some(name) => match Protocol::from_journal(name) {
                Protocol::Unknown => {
                    return Err(format!("has the protocol '{name}': give tcp or udp"));
                }
                protocol => Some(protocol),
            },
        };
        Ok(Rule {
            conditions: in_words(&written),
            pathnames: patterns(&pathnames, true)?,
            destinations: networks(&written.destination)?,
            domains: domains(&written.domain)?,
            name: written.name,
            class: written.class,
            reason: written.reason,
            origin: origin.to_owned(),
            enabled: written.enabled.unwrap_or(true),
            ports: written.port,
            protocol,
        })
    }

    /// Whether it looks at the name of the destination.
    pub(super) fn reads_domains(&self) -> bool {
        !self.domains.is_empty()
    }

    /// Whether the condition on the path holds, which is `folded`. Without a destination or a domain
    /// the path is all there is to trust, so it must lie where only administrators can write.
    pub(super) fn path_holds(&self, folded_path: &str) -> bool {
        self.pathnames.is_empty()
            || any_matches(&self.pathnames, folded_path)
                && (self.says_where_to() || protected::holds(folded_path))
    }

    /// Whether the conditions on port and protocol hold.
    pub(super) fn port_holds(&self, port: u16, protocol: Protocol) -> bool {
        (self.ports.is_empty() || self.ports.contains(&port))
            && self.protocol.is_none_or(|wanted| {
                // Many journals do not know it.
                wanted == protocol || protocol == Protocol::Unknown
            })
    }

    /// Whether the condition on the destination may hold for one of this scope, which takes no name to
    /// tell.
    pub(super) fn may_go_to(&self, scope: Scope) -> bool {
        self.destinations.is_empty()
            || self.destinations.iter().any(is_routed)
            || matches!(scope, Scope::LinkLocal | Scope::Multicast)
    }

    /// Whether all conditions but that on the path hold.
    pub(super) fn matches(&self, member: &Member<'_>) -> bool {
        self.port_holds(member.port, member.protocol)
            && (!self.says_where_to() || self.destination_holds(member))
    }

    fn says_where_to(&self) -> bool {
        !self.destinations.is_empty() || !self.domains.is_empty()
    }

    fn destination_holds(&self, member: &Member<'_>) -> bool {
        let address = member.destination.parse::<IpAddr>().ok();
        let contains =
            |address: IpAddr| self.destinations.iter().any(|network| network.contains(&address));
        // Where the journal knows no address, the destination is the name.
        let name = if address.is_none() { member.destination } else { member.domain };
        (self.destinations.is_empty() || address.is_some_and(contains))
            && (self.domains.is_empty() || any_matches(&self.domains, &name.to_ascii_lowercase()))
    }
}

fn any_matches(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// A path or pattern with slashes, and in lower case if it is one of Windows.
pub(super) fn folded(path: &str) -> Cow<'_, str> {
    let is_of_any_drive = path.starts_with("?:");
    if is_windows_path(path) || is_of_any_drive {
        path.replace('\\', "/").to_lowercase().into()
    } else {
        path.into()
    }
}

fn patterns(written: &[String], of_paths: bool) -> Result<Vec<Pattern>, String> {
    written.iter().map(|pattern| Pattern::new(pattern, of_paths)).collect()
}

fn networks(written: &[String]) -> Result<Vec<IpNet>, String> {
    let parse = |text: &String| {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| format!("has the destination '{text}': give an address or a CIDR"))?;
        let least = if network.addr().is_ipv4() { LEAST_PREFIX.0 } else { LEAST_PREFIX.1 };
        match is_routed(&network) && network.prefix_len() < least {
            true => Err(format!("has the destination '{text}', which is half the internet")),
            false => Ok(network),
        }
    };
    written.iter().map(parse).collect()
}

/// Whether routers forward anything to these addresses.
fn is_routed(network: &IpNet) -> bool {
    !NOT_ROUTED.iter().any(|all| all.contains(network))
}

/// Globs of names; each must end in a name that somebody has registered.
fn domains(written: &[String]) -> Result<Vec<Pattern>, String> {
    let names: Vec<_> = written.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
    for pattern in &names {
        let words = pattern.rsplit(['*', '?', ']', '}']).next().unwrap_or_default();
        let is_registered = psl::domain_str(words.trim_matches('.'))
            .is_some_and(|registered| registered.parse::<IpAddr>().is_err());
        if !is_registered || words.len() < pattern.len() && !words.starts_with('.') {
            return Err(format!(
                "has the domain '{pattern}', which anybody can register: end it in a name that \
                 somebody owns, like *.example.com"
            ));
        }
    }
    patterns(&names, false)
}

fn in_words(written: &WrittenRule) -> String {
    let ports: Vec<_> = written.port.iter().map(u16::to_string).collect();
    let protocol: Vec<_> = written.protocol.iter().cloned().collect();
    let conditions = [
        ("pathname", &written.pathname),
        ("destination", &written.destination),
        ("domain", &written.domain),
        ("port", &ports),
        ("protocol", &protocol),
    ];
    let given = conditions.iter().filter(|(_, values)| !values.is_empty());
    let said: Vec<_> =
        given.map(|(name, values)| format!("{name} = {}", values.join(" or "))).collect();
    said.join("; ")
}
