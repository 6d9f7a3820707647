//! Ordinary traffic: a person who browses, and the timers of well-behaved software.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::endpoint::{Activity, MINUTE_MS, SECOND_MS};
use super::sleep::{SleepLaw, exponential};
use super::{SimulatedConnection, Verdict};

/// Software that connects on a timer, for good reasons.
pub(super) struct Timer {
    pub(super) pathname: &'static str,
    pub(super) class: &'static str,
    sleep: SleepLaw,
    address: &'static str,
    port: u16,
    protocol: &'static str,
    domain: &'static str,
    /// Connections each time, some seconds apart.
    burst: i64,
}

pub(super) const TIMERS: [Timer; 6] = [
    Timer {
        pathname: "C:\\Windows\\System32\\svchost.exe",
        class: "time_sync",
        sleep: SleepLaw::Constant { period_ms: 1024 * SECOND_MS },
        address: "20.101.57.9",
        port: 123,
        protocol: "udp",
        domain: "time.windows.com",
        burst: 1,
    },
    Timer {
        pathname: "C:\\Program Files (x86)\\Microsoft\\EdgeUpdate\\MicrosoftEdgeUpdate.exe",
        class: "updater",
        sleep: SleepLaw::Additive { period_ms: 60 * MINUTE_MS, most_ms: 10 * MINUTE_MS },
        address: "13.107.21.239",
        port: 443,
        protocol: "tcp",
        domain: "msedge.api.cdp.microsoft.com",
        burst: 1,
    },
    Timer {
        pathname: "C:\\Program Files\\SplunkUniversalForwarder\\bin\\splunkd.exe",
        class: "log_shipping",
        sleep: SleepLaw::Uniform { period_ms: 30 * SECOND_MS, jitter: 0.02 },
        address: "10.20.0.15",
        port: 9997,
        protocol: "tcp",
        domain: "splunk.corp.example",
        burst: 1,
    },
    Timer {
        pathname: "C:\\Program Files\\Contoso RMM\\agent.exe",
        class: "remote_management",
        sleep: SleepLaw::Uniform { period_ms: 60 * SECOND_MS, jitter: 0.01 },
        address: "192.0.2.140",
        port: 443,
        protocol: "tcp",
        domain: "rmm.contoso.example",
        burst: 1,
    },
    Timer {
        pathname: "C:\\Program Files\\Veeam\\Endpoint Backup\\Veeam.EndPoint.Service.exe",
        class: "backup",
        sleep: SleepLaw::Constant { period_ms: 60 * MINUTE_MS },
        address: "10.20.0.40",
        port: 10006,
        protocol: "tcp",
        domain: "backup.corp.example",
        burst: 20,
    },
    Timer {
        pathname: "C:\\Program Files\\Sophos\\Endpoint Defense\\SSPService.exe",
        class: "security_agent",
        sleep: SleepLaw::Uniform { period_ms: 300 * SECOND_MS, jitter: 0.1 },
        address: "198.51.100.250",
        port: 443,
        protocol: "tcp",
        domain: "mcs.sophos.example",
        burst: 1,
    },
];

pub(super) const BROWSER: &str = "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe";
pub(super) const RESOLVER: &str = "C:\\Windows\\System32\\svchost.exe";
const RESOLVER_ADDRESS: &str = "10.20.0.53";
/// Sites that a person visits, and hosts that their pages are loaded from.
const SITES: usize = 60;
const HOSTS_A_SITE: usize = 12;
/// As browsers keep HTTP/2 connections.
const KEPT_OPEN_MS: i64 = 3 * MINUTE_MS;

impl Timer {
    pub(super) const VERDICT: Verdict = Verdict::Benign;

    /// Its connections while `activity` lasts.
    pub(super) fn connect(
        &self,
        process: usize,
        activity: &Activity,
        random: &mut ChaCha8Rng,
        out: &mut Vec<SimulatedConnection>,
    ) {
        let mut time_ms = activity.awake(activity.begin_ms + random.random_range(0..MINUTE_MS));
        while time_ms < activity.end_ms {
            let mut within_ms = time_ms;
            for _ in 0..self.burst {
                out.push(SimulatedConnection {
                    time_ms: within_ms,
                    process,
                    destination: self.address.to_owned(),
                    port: self.port,
                    protocol: self.protocol,
                    domain: self.domain.to_owned(),
                    bytes_sent: random.random_range(200..4_000),
                    bytes_received: random.random_range(200..9_000),
                });
                within_ms += random.random_range(200..15 * SECOND_MS);
            }
            time_ms = activity.awake(time_ms + self.sleep.draw(random));
        }
    }
}

/// Someone reads: pages in sessions, each loaded from several hosts. A connection that is still
/// open is used again; for a new one the name is resolved first.
pub(super) fn browse(
    browser: usize,
    resolver: usize,
    activity: &Activity,
    random: &mut ChaCha8Rng,
    out: &mut Vec<SimulatedConnection>,
) {
    let mut time_ms = activity.begin_ms;
    let mut opened_ms = BTreeMap::new();
    loop {
        time_ms = activity.awake(time_ms + exponential(20 * MINUTE_MS, random));
        let pages = random.random_range(1..12);
        for _ in 0..pages {
            if time_ms >= activity.end_ms {
                return;
            }
            load_page(browser, resolver, time_ms, &mut opened_ms, random, out);
            time_ms = activity.awake(time_ms + 5 * SECOND_MS + exponential(40 * SECOND_MS, random));
        }
    }
}

fn load_page(
    browser: usize,
    resolver: usize,
    time_ms: i64,
    opened_ms: &mut BTreeMap<(usize, usize), i64>,
    random: &mut ChaCha8Rng,
    out: &mut Vec<SimulatedConnection>,
) {
    // The smaller of two draws: a few sites are visited often.
    let site = random.random_range(0..SITES).min(random.random_range(0..SITES));
    let hosts = random.random_range(2..HOSTS_A_SITE);
    for _ in 0..hosts {
        let host = random.random_range(0..HOSTS_A_SITE);
        let asked_ms = time_ms + random.random_range(0..1_500);
        let is_open = |opened_ms: &i64| asked_ms < opened_ms + KEPT_OPEN_MS;
        if opened_ms.get(&(site, host)).is_some_and(is_open) {
            continue;
        }
        opened_ms.insert((site, host), asked_ms);
        out.push(SimulatedConnection {
            time_ms: asked_ms,
            process: resolver,
            destination: RESOLVER_ADDRESS.to_owned(),
            port: 53,
            protocol: "udp",
            domain: String::new(),
            bytes_sent: random.random_range(60..90),
            bytes_received: random.random_range(90..400),
        });
        out.push(SimulatedConnection {
            time_ms: asked_ms + random.random_range(10..200),
            process: browser,
            destination: format!("203.0.{}.{}", 114 + site, 10 + host),
            port: 443,
            protocol: "tcp",
            domain: format!("host{host}.site{site}.example"),
            bytes_sent: random.random_range(800..6_000),
            bytes_received: random.random_range(2_000..900_000),
        });
    }
}
