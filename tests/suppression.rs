//! Suppression over whole groups: what is hidden, what stays visible, and who says so.

use std::sync::Arc;

use beacon_candidates::host::embedded;
use beacon_candidates::journal::Protocol;
use beacon_candidates::suppression::{Member, Rules};
use beacon_candidates::table::Tables;

use crate::support::{TestCache, text};

const NOW_MS: i64 = 1_790_000_000_000;
const UPDATER: &str = "C:\\Program Files (x86)\\Microsoft\\EdgeUpdate\\MicrosoftEdgeUpdate.exe";

/// Twenty connections, a minute apart.
fn clock(pathname: &str, destination: &str, port: u16, offset_s: i64) -> String {
    let line = |minute: i64| {
        let time = NOW_MS / 1000 - 3_000 + minute * 60 + offset_s;
        format!("{time},{pathname},7,{destination},{port},tcp\n")
    };
    (0..20).map(line).collect()
}

fn cache(journals: &[String]) -> TestCache {
    let cache = TestCache::new();
    let head = "time,pathname,pid,destination,destinationport,protocol\n";
    cache.import(head.to_owned() + &journals.concat());
    cache
}

fn query(cache: &TestCache, sql: &str) -> Vec<String> {
    query_with(Rules::built_in().unwrap(), cache, sql)
}

fn query_with(rules: Rules, cache: &TestCache, sql: &str) -> Vec<String> {
    let tables = Arc::new(Tables::new(cache.path()).with_rules(rules));
    let connection = embedded::open(&tables, NOW_MS).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let value = |column| Ok(text(row.get_ref(column)?));
        Ok((0..columns).map(value).collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
    });
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn a_known_timer_is_hidden_counted_and_shown_on_request() {
    let cache = cache(&[clock(UPDATER, "192.0.2.1", 443, 0)]);
    assert_eq!(query(&cache, "SELECT tuple FROM beacon_candidates"), [""; 0]);
    let shown = "SELECT tuple, suppressed_by FROM beacon_candidates WHERE include_suppressed = 1";
    assert_eq!(query(&cache, shown), ["192.0.2.1::443|edge-update"]);
    let all = "SELECT tuple FROM beacon_candidates WHERE include_all = 1";
    assert_eq!(query(&cache, all), [""; 0]);
}

#[test]
fn what_was_hidden_of_the_last_query_is_in_beacon_status() {
    let cache = cache(&[clock(UPDATER, "192.0.2.1", 443, 0), clock("/bin/a", "192.0.2.2", 80, 0)]);
    let tables = Tables::new(cache.path()).with_rules(Rules::built_in().unwrap());
    let connection = embedded::open(&Arc::new(tables), NOW_MS).unwrap();
    let value = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(value("SELECT count(*) FROM beacon_candidates"), 1);
    let hidden = "SELECT rows_suppressed FROM beacon_status WHERE source = 'cache'";
    assert_eq!(value(hidden), 1);
    assert_eq!(value("SELECT count(*) FROM beacon_candidates WHERE include_suppressed = 1"), 2);
    assert_eq!(value(hidden), 0);
}

/// The implant uses the updater's destination, its port, or its name in another folder.
#[test]
fn an_implant_in_the_company_of_a_trusted_updater_stays_visible_under_every_group_by() {
    let implant = "C:\\Users\\Public\\MicrosoftEdgeUpdate.exe";
    let cache = cache(&[
        clock(UPDATER, "192.0.2.1", 443, 0),
        clock(implant, "192.0.2.1", 443, 20),
        clock(UPDATER, "192.0.2.9", 443, 0),
    ]);
    for (group_by, visible) in [
        ("process", vec![format!("{implant}|192.0.2.1::443|")]),
        ("process_instance", vec![format!("{implant}|192.0.2.1::443|")]),
        ("tuple", vec![format!("{implant}|192.0.2.1::443|")]),
        ("process_port", vec![format!("{implant}|*::443|")]),
    ] {
        let sql = format!(
            "SELECT pathname, tuple, suppressed_by FROM beacon_candidates
             WHERE group_by = '{group_by}'"
        );
        assert_eq!(query(&cache, &sql), visible, "{group_by}");
    }
}

#[test]
fn one_domain_that_no_rule_knows_leaves_the_group_visible() {
    let cache = TestCache::new();
    let line = |minute: i64, domain: &str| {
        let time = NOW_MS / 1000 - 3_000 + minute * 60 + i64::from(domain == "c2.example");
        format!("{time},C:\\Windows\\System32\\svchost.exe,7,192.0.2.1,443,{domain}\n")
    };
    let head = "time,pathname,pid,destination,destinationport,domain\n".to_owned();
    let known = "download.windowsupdate.com";
    cache.import((0..20).fold(head.clone(), |journal, minute| journal + &line(minute, known)));
    let own = "[[rule]]\nname = 'update'\nclass = 'updater'\nreason = ''\n\
               pathname = ['C:\\Windows\\System32\\svchost.exe']\ndomain = ['*.windowsupdate.com']";
    let rules = || Rules::none().with(own, "own.toml").unwrap();
    let sql = "SELECT suppressed_by FROM beacon_candidates";
    assert_eq!(query_with(rules(), &cache, sql), [""; 0]);
    cache.import(head + &line(7, "c2.example"));
    assert_eq!(query_with(rules(), &cache, sql), [""]);
}

/// Names are read only where a rule looks at them, which is up to the path of each member.
#[test]
fn under_tuple_one_path_may_be_known_by_its_name_and_another_by_itself() {
    let cache = TestCache::new();
    let line = |minute: i64, program: &str, domain: &str| {
        let time = NOW_MS / 1000 - 3_000 + minute * 60;
        format!("{time},/usr/bin/{program},7,192.0.2.1,443,{domain}\n")
    };
    let head = "time,pathname,pid,destination,destinationport,domain\n".to_owned();
    let both = |journal: String, minute| {
        journal + &line(minute, "named", "a.example.com") + &line(minute, "trusted", "")
    };
    cache.import((0..20).fold(head.clone(), both));
    let own = "[[rule]]\nname = 'named'\nclass = 'updater'\nreason = ''\n\
               pathname = ['/usr/bin/named']\ndomain = ['*.example.com']\n\
               [[rule]]\nname = 'trusted'\nclass = 'updater'\nreason = ''\n\
               pathname = ['/usr/bin/trusted']";
    let rules = || Rules::none().with(own, "own.toml").unwrap();
    let sql = "SELECT suppressed_by FROM beacon_candidates WHERE group_by = 'tuple'";
    assert_eq!(query_with(rules(), &cache, sql), [""; 0]);
    cache.import(head + &line(20, "named", "other.example"));
    assert_eq!(query_with(rules(), &cache, sql), [""]);
}

/// Each of these was hidden by a rule that trusted a whole folder, a drive, an address or a port.
#[test]
fn what_anybody_can_run_or_reach_is_not_hidden_by_default() {
    let rules = Rules::built_in().unwrap();
    for (pathname, destination, port, domain) in [
        ("C:\\Users\\Public\\imp.exe", "168.63.129.16", 53, ""),
        ("/opt/datadog-agent/embedded/bin/python3", "198.51.100.5", 443, ""),
        ("/opt/puppetlabs/puppet/bin/ruby", "198.51.100.5", 8140, ""),
        ("/opt/chef/embedded/bin/ruby", "198.51.100.5", 4444, ""),
        ("C:\\Program Files\\Splunk\\bin\\python3.exe", "198.51.100.5", 4444, ""),
        ("/usr/lib/apt/methods/http", "198.51.100.5", 4444, ""),
        ("E:\\Program Files\\Veeam\\imp.exe", "198.51.100.5", 443, ""),
        ("C:\\Windows\\CCM\\Logs\\imp.exe", "198.51.100.5", 443, ""),
        ("C:\\Windows\\System32\\svchost.exe", "198.51.100.5", 443, "e.delivery.mp.microsoft.com"),
        ("/usr/sbin/chronyd", "198.51.100.5", 123, ""),
    ] {
        let protocol = Protocol::Tcp;
        let member = Member { pathname, destination, domain, port, protocol };
        assert!(rules.find(&member).is_none(), "{member:?}");
    }
}

#[test]
fn the_rules_are_listed() {
    let cache = cache(&[clock(UPDATER, "192.0.2.1", 443, 0)]);
    let classes = "SELECT DISTINCT class FROM beacon_suppressions WHERE origin = 'default'
                   AND enabled = 1 AND reason <> '' ORDER BY 1";
    let expected = [
        "backup",
        "lan_discovery",
        "log_shipping",
        "osquery",
        "remote_management",
        "security_agent",
        "time_sync",
        "updater",
    ];
    assert_eq!(query(&cache, classes), expected);
    let time = "SELECT conditions FROM beacon_suppressions WHERE name = 'windows-time'";
    let conditions = "pathname = C:\\Windows\\System32\\svchost.exe; port = 123; protocol = udp";
    assert_eq!(query(&cache, time), [conditions]);
}
