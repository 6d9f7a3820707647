//! One rule: what its conditions are, whether they deserve trust, and whether they hold.

use std::net::IpAddr;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ipnet::IpNet;
use serde::Deserialize;

use super::protected;
use crate::journal::Protocol;

/// What a rule may be for.
const CLASSES: [&str; 7] = [
    "backup",
    "time_sync",
    "log_shipping",
    "remote_management",
    "updater",
    "security_agent",
    "osquery",
];
/// Shorter prefixes are no condition.
const LEAST_PREFIX: (u8, u8) = (8, 16);

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
    pathnames: Option<GlobSet>,
    destinations: Vec<IpNet>,
    domains: Option<GlobSet>,
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
        let pathnames: Vec<_> = written.pathname.iter().map(|pattern| folded(pattern)).collect();
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
            pathnames: globs(&pathnames, true)?,
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

    /// Whether all conditions hold. Without a destination or a domain the path is all there is to
    /// trust, so it must lie where only administrators can write.
    pub fn matches(&self, member: &Member<'_>) -> bool {
        let says_where_to = !self.destinations.is_empty() || self.domains.is_some();
        let pathname_holds = || match &self.pathnames {
            None => true,
            Some(pathnames) => {
                let pathname = folded(member.pathname);
                pathnames.is_match(&pathname) && (says_where_to || protected::holds(&pathname))
            }
        };
        let address = member.destination.parse::<IpAddr>().ok();
        let destination_holds = || {
            self.destinations.is_empty()
                || address.is_some_and(|address| {
                    self.destinations.iter().any(|network| network.contains(&address))
                })
        };
        // Where the journal knows no address, the destination is the name.
        let name = if address.is_none() { member.destination } else { member.domain };
        let domain_holds = || {
            self.domains.as_ref().is_none_or(|domains| domains.is_match(name.to_ascii_lowercase()))
        };
        (self.ports.is_empty() || self.ports.contains(&member.port))
            && self.protocol.is_none_or(|protocol| {
                // Many journals do not know it.
                protocol == member.protocol || member.protocol == Protocol::Unknown
            })
            && destination_holds()
            && domain_holds()
            && pathname_holds()
    }
}

/// A path or pattern with slashes, and in lower case if it is one of Windows.
fn folded(path: &str) -> String {
    let is_windows = path.contains('\\') || path.get(1..2) == Some(":");
    if is_windows { path.replace('\\', "/").to_lowercase() } else { path.to_owned() }
}

fn globs(patterns: &[String], of_paths: bool) -> Result<Option<GlobSet>, String> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(of_paths)
            .backslash_escape(false)
            .build()
            .map_err(|error| format!("has the pattern '{pattern}': {}", error.kind()))?;
        set.add(glob);
    }
    set.build().map(Some).map_err(|error| format!("has patterns that cannot be used: {error}"))
}

fn networks(written: &[String]) -> Result<Vec<IpNet>, String> {
    let parse = |text: &String| {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| format!("has the destination '{text}': give an address or a CIDR"))?;
        let least = if network.addr().is_ipv4() { LEAST_PREFIX.0 } else { LEAST_PREFIX.1 };
        match network.prefix_len() < least {
            true => Err(format!("has the destination '{text}', which is half the internet")),
            false => Ok(network),
        }
    };
    written.iter().map(parse).collect()
}

/// Globs of names; each must end in a name that somebody has registered.
fn domains(written: &[String]) -> Result<Option<GlobSet>, String> {
    let patterns: Vec<_> = written.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
    for pattern in &patterns {
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
    globs(&patterns, false)
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
