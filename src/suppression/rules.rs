//! The rules in force: the built-in ones, and those of the user's file.

use std::path::Path;

use serde::Deserialize;

use super::rule::{WrittenRule, folded};
use super::{Member, Rule, RuleError};
use crate::journal::{Protocol, Scope};

const DEFAULT_RULES: &str = include_str!("default_rules.toml");
const DEFAULT: &str = "default";

/// All rules, the user's first.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<WrittenRule>,
}

impl Rules {
    /// None at all.
    pub fn none() -> Rules {
        Rules::default()
    }

    /// The built-in rules.
    pub fn built_in() -> Result<Rules, RuleError> {
        Rules::none().with(DEFAULT_RULES, DEFAULT)
    }

    /// The built-in rules and those of the file at `path`. One of these with the name of a
    /// built-in rule takes its place, or with `enabled = false` and nothing else switches it off.
    pub fn with_file(path: &Path) -> Result<Rules, RuleError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RuleError::Io { path: path.to_owned(), source })?;
        Rules::built_in()?.with(&text, &path.display().to_string())
    }

    /// These rules, and before them those of `text`.
    pub fn with(self, text: &str, origin: &str) -> Result<Rules, RuleError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            RuleError::Syntax {
                origin: origin.to_owned(),
                line: before.matches('\n').count() + 1,
                problem: error.message().replace('\n', " "),
            }
        })?;
        let mut known = self.0;
        let mut rules: Vec<Rule> = Vec::new();
        for written in file.rule {
            let name = written.name.clone();
            let refused = |problem: String| RuleError::Refused {
                origin: origin.to_owned(),
                name: name.clone(),
                problem,
            };
            if name.trim().is_empty() {
                return Err(refused("has no name".to_owned()));
            }
            if rules.iter().any(|rule| rule.name == name) {
                return Err(refused("is there twice".to_owned()));
            }
            let namesake = known.iter().position(|rule| rule.name == name);
            if written.enabled == Some(false) && written.class.is_empty() {
                match namesake {
                    Some(at) => known[at].enabled = false,
                    None => {
                        return Err(refused("is to be switched off, but there is none".to_owned()));
                    }
                }
                continue;
            }
            rules.push(Rule::check(written, origin).map_err(refused)?);
            if let Some(at) = namesake {
                known.remove(at);
            }
        }
        rules.extend(known);
        Ok(Rules(rules))
    }

    /// The rules, whether enabled or not.
    pub fn all(&self) -> &[Rule] {
        &self.0
    }

    /// The first enabled rule that matches.
    pub fn find(&self, member: &Member<'_>) -> Option<&Rule> {
        self.on_path(member.pathname).find(member)
    }

    /// The enabled rules that a process of this pathname may fall under.
    pub fn on_path(&self, pathname: &str) -> RulesOnPath<'_> {
        let path = folded(pathname);
        RulesOnPath(self.0.iter().filter(|rule| rule.enabled && rule.path_holds(&path)).collect())
    }
}

/// The rules that are left once the pathname is known.
pub struct RulesOnPath<'r>(Vec<&'r Rule>);

impl<'r> RulesOnPath<'r> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them looks at the names of destinations.
    pub fn read_domains(&self) -> bool {
        self.0.iter().any(|rule| rule.reads_domains())
    }

    /// Whether any of them may match connections to this port of a destination in this scope: else no
    /// name need be looked up.
    pub fn look_at(&self, port: u16, protocol: Protocol, scope: Scope) -> bool {
        self.0.iter().any(|rule| rule.port_holds(port, protocol) && rule.may_go_to(scope))
    }

    /// The first that matches a member with that pathname.
    pub fn find(&self, member: &Member<'_>) -> Option<&'r Rule> {
        self.0.iter().find(|rule| rule.matches(member)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<Rules, String> {
        Rules::none().with(text, "r.toml").map_err(|error| error.to_string())
    }

    fn member<'m>(pathname: &'m str, destination: &'m str, domain: &'m str) -> Member<'m> {
        Member { pathname, destination, domain, port: 443, protocol: Protocol::Tcp }
    }

    fn found(rules: &Rules, member: &Member<'_>) -> String {
        rules.find(member).map(|rule| rule.name.clone()).unwrap_or_default()
    }

    #[test]
    fn all_conditions_of_a_rule_must_hold() {
        let rules = rules(
            "[[rule]]\nname = 'agent'\nclass = 'remote_management'\nreason = 'ours'\n\
             pathname = ['?:\\Program Files\\Contoso\\**']\ndomain = ['*.contoso.com']\n\
             destination = ['192.0.2.0/24']\nport = [443]\nprotocol = 'tcp'",
        )
        .unwrap();
        let path = "C:\\program files\\CONTOSO\\bin\\agent.exe";
        let good = member(path, "192.0.2.9", "rmm.contoso.com");
        assert_eq!(found(&rules, &good), "agent");
        assert_eq!(found(&rules, &Member { protocol: Protocol::Unknown, ..good }), "agent");
        for other in [
            Member { pathname: "C:\\Users\\a\\agent.exe", ..good },
            Member { destination: "198.51.100.9", ..good },
            Member { domain: "contoso.com.evil.example", ..good },
            Member { domain: "", ..good },
            Member { port: 8443, ..good },
            Member { protocol: Protocol::Udp, ..good },
        ] {
            assert_eq!(found(&rules, &other), "", "{other:?}");
        }
    }

    #[test]
    fn a_wide_pattern_does_not_reach_folders_that_users_write_to() {
        let rules = rules(
            "[[rule]]\nname = 'windows'\nclass = 'updater'\nreason = ''\npathname = ['?:\\Windows\\**']",
        )
        .unwrap();
        let at = |path| found(&rules, &member(path, "192.0.2.1", ""));
        assert_eq!(at("C:\\Windows\\System32\\svchost.exe"), "windows");
        assert_eq!(at("C:\\Windows\\Temp\\svchost.exe"), "");
        assert_eq!(at("C:\\Windows\\..\\Users\\Public\\svchost.exe"), "");
    }

    #[test]
    fn rules_that_trust_too_much_are_refused_with_an_explanation() {
        let refused = |conditions: &str| {
            let head = "[[rule]]\nname = 'r'\nclass = 'backup'\nreason = ''\n";
            rules(&format!("{head}{conditions}")).unwrap_err()
        };
        for (conditions, said) in [
            ("pathname = ['**\\veeam.exe']", "which malware can name itself"),
            ("pathname = ['veeam.exe']", "which malware can name itself"),
            ("pathname = ['/usr/bin/a', '/tmp/a']", "trusts '/tmp/a'"),
            ("pathname = ['?:\\Windows\\Temp\\**']", "which malware can name itself"),
            ("port = [123]", "a port alone is open to everybody"),
            ("port = [123]\nprotocol = 'udp'", "a port alone is open to everybody"),
            ("destination = ['0.0.0.0/0']", "half the internet"),
            ("destination = ['::/0']", "half the internet"),
            ("destination = ['192.0.0.0/4']", "half the internet"),
            ("destination = ['fe00::/7']", "half the internet"),
            ("destination = ['here']", "give an address or a CIDR"),
            ("domain = ['*']", "which anybody can register"),
            ("domain = ['*.com']", "which anybody can register"),
            ("domain = ['*.co.uk']", "which anybody can register"),
            ("domain = ['*.github.io']", "which anybody can register"),
            ("domain = ['*.duckdns.org']", "which anybody can register"),
            ("domain = ['*evil.example.com']", "which anybody can register"),
            ("domain = ['a.example.com']\nprotocol = 'sctp'", "give tcp or udp"),
        ] {
            let error = refused(conditions);
            assert!(error.starts_with("r.toml: the rule 'r' "), "{error}");
            assert!(error.contains(said), "{conditions}: {error}");
        }
        assert!(rules("[[rule]]\nname = 'r'\nclass = 'games'").unwrap_err().contains("'games'"));
        assert!(rules("[[rule]]\nnme = 'r'").unwrap_err().starts_with("r.toml, line 2: "));
        // With a destination the name alone is not what is trusted.
        let joined = "[[rule]]\nname = 'r'\nclass = 'backup'\nreason = ''\n\
                      pathname = ['**/backup.sh']\ndestination = ['10.1.2.0/24']";
        let found = found(&rules(joined).unwrap(), &member("/home/a/backup.sh", "10.1.2.3", ""));
        assert_eq!(found, "r");
    }

    /// The journal of a sensor knows no process, and every rule asked for one.
    #[test]
    fn what_stays_in_the_local_network_needs_no_process() {
        let built_in = Rules::built_in().unwrap();
        for local in [
            "224.0.0.251",
            "239.255.255.250",
            "255.255.255.255",
            "169.254.7.8",
            "ff02::1:2",
            "ff0e::1",
            "fe80::1",
        ] {
            assert_eq!(found(&built_in, &member("", local, "")), "lan-discovery", "{local}");
        }
        for routed in [
            "223.255.255.255",
            "240.0.0.1",
            "10.0.0.255",
            "192.168.1.1",
            "fec0::1",
            "fd00::1",
            "2001:db8::1",
            "ff02.example.com",
            "",
        ] {
            assert_eq!(found(&built_in, &member("", routed, "")), "", "{routed}");
        }
    }

    #[test]
    fn the_built_in_rules_can_be_switched_off_and_replaced_by_name() {
        let built_in = Rules::built_in().unwrap();
        let time = Member {
            port: 123,
            protocol: Protocol::Udp,
            ..member("C:\\Windows\\System32\\svchost.exe", "20.101.57.9", "time.windows.com")
        };
        assert_eq!(found(&built_in, &time), "windows-time");
        // The port belongs to everybody, the path to many services.
        assert_eq!(found(&built_in, &Member { port: 443, domain: "", ..time }), "");
        assert_eq!(found(&built_in, &Member { pathname: "C:\\Users\\a\\svchost.exe", ..time }), "");
        // Azure's guest agent is Python, and talks to two ports.
        let of_python = built_in.on_path("/usr/bin/python3.11");
        let looks_at = |port| of_python.look_at(port, Protocol::Tcp, Scope::Public);
        assert!(looks_at(80) && !looks_at(443));
        assert!(of_python.look_at(443, Protocol::Tcp, Scope::Multicast));
        let off = "[[rule]]\nname = 'windows-time'\nenabled = false";
        let without = built_in.clone().with(off, "r.toml").unwrap();
        assert_eq!(found(&without, &time), "");
        assert_eq!(without.all().len(), built_in.all().len());
        let own = "[[rule]]\nname = 'windows-time'\nclass = 'time_sync'\nreason = 'ours'\n\
                   destination = ['10.0.0.1']";
        let replaced = built_in.clone().with(own, "r.toml").unwrap();
        assert_eq!(replaced.all().len(), built_in.all().len());
        assert_eq!(found(&replaced, &time), "");
        let unknown = "[[rule]]\nname = 'no such'\nenabled = false";
        assert!(built_in.with(unknown, "r.toml").is_err());
    }
}
