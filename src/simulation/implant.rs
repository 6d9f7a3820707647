//! Implants: processes that check in with a C2.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::endpoint::{Activity, MINUTE_MS, SECOND_MS};
use super::sleep::SleepLaw;
use super::{SimulatedConnection, Verdict};

/// One implant and its habits.
pub(super) struct Implant {
    pub(super) pathname: &'static str,
    pub(super) class: &'static str,
    sleep: SleepLaw,
    /// When it is run and ended, in minutes from the start of the day.
    alive_minutes: (i64, i64),
    port: u16,
    /// C2 addresses, taken in turn.
    addresses: &'static [&'static str],
    /// Check-ins at one address before the next is taken.
    checkins_an_address: u64,
    /// The share of check-ins that do not happen (no network, C2 busy).
    missed: f64,
    /// Sockets a check-in, 10 ms apart.
    sockets: i64,
}

const ALL_DAY: (i64, i64) = (0, i64::MAX / MINUTE_MS);
const SETTLED: u64 = u64::MAX;
/// What a check-in takes before the next sleep begins.
const WORK_MS: std::ops::Range<i64> = 2..20;

/// The implants of an infected endpoint: each law of sleep, and each habit that hides a rhythm.
pub(super) const IMPLANTS: [Implant; 7] = [
    Implant {
        pathname: "C:\\Users\\Public\\Libraries\\rundll32.exe",
        class: "constant",
        sleep: SleepLaw::Constant { period_ms: 60 * SECOND_MS },
        alive_minutes: (6 * 60, i64::MAX / MINUTE_MS),
        port: 443,
        addresses: &["198.51.100.23"],
        checkins_an_address: SETTLED,
        missed: 0.0,
        sockets: 1,
    },
    Implant {
        pathname: "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
        class: "constant",
        sleep: SleepLaw::Constant { period_ms: 300 * SECOND_MS },
        alive_minutes: (20, 3 * 60 + 50),
        port: 8443,
        addresses: &["203.0.113.77"],
        checkins_an_address: SETTLED,
        missed: 0.0,
        sockets: 1,
    },
    Implant {
        pathname: "C:\\ProgramData\\Adobe\\AdobeARMHelper.exe",
        class: "uniform jitter",
        sleep: SleepLaw::Uniform { period_ms: 120 * SECOND_MS, jitter: 0.2 },
        alive_minutes: ALL_DAY,
        port: 443,
        addresses: &["198.51.100.141"],
        checkins_an_address: SETTLED,
        missed: 0.0,
        sockets: 1,
    },
    Implant {
        pathname: "C:\\Users\\jordan\\AppData\\Roaming\\Zoom\\zcrash.exe",
        class: "additive jitter",
        sleep: SleepLaw::Additive { period_ms: 45 * SECOND_MS, most_ms: 15 * SECOND_MS },
        alive_minutes: ALL_DAY,
        port: 80,
        addresses: &["203.0.113.9"],
        checkins_an_address: SETTLED,
        missed: 0.0,
        sockets: 1,
    },
    Implant {
        pathname: "C:\\Windows\\System32\\dllhost.exe",
        class: "missed check-ins",
        sleep: SleepLaw::Uniform { period_ms: 600 * SECOND_MS, jitter: 0.1 },
        alive_minutes: ALL_DAY,
        port: 443,
        addresses: &["192.0.2.88"],
        checkins_an_address: SETTLED,
        missed: 0.15,
        sockets: 1,
    },
    Implant {
        pathname: "C:\\Users\\jordan\\AppData\\Local\\Temp\\wupd.exe",
        class: "two sockets",
        sleep: SleepLaw::Uniform { period_ms: 90 * SECOND_MS, jitter: 0.05 },
        alive_minutes: ALL_DAY,
        port: 443,
        addresses: &["198.51.100.200"],
        checkins_an_address: SETTLED,
        missed: 0.0,
        sockets: 2,
    },
    Implant {
        pathname: "C:\\ProgramData\\Intel\\igfxsvc.exe",
        class: "rotating addresses",
        sleep: SleepLaw::Uniform { period_ms: 30 * SECOND_MS, jitter: 0.3 },
        alive_minutes: ALL_DAY,
        port: 443,
        addresses: &[
            "203.0.113.130",
            "198.51.100.66",
            "192.0.2.17",
            "203.0.113.54",
            "198.51.100.91",
            "192.0.2.203",
            "203.0.113.161",
            "198.51.100.12",
        ],
        checkins_an_address: 100,
        missed: 0.0,
        sockets: 1,
    },
];

impl Implant {
    pub(super) const VERDICT: Verdict = Verdict::Malicious;

    /// Its connections while `activity` lasts. A sleep that ends while the lid is closed ends
    /// when it is opened.
    pub(super) fn connect(
        &self,
        process: usize,
        activity: &Activity,
        random: &mut ChaCha8Rng,
        out: &mut Vec<SimulatedConnection>,
    ) {
        let (from, to) = self.alive_minutes;
        let minute =
            |minute: i64| activity.begin_ms.saturating_add(minute.saturating_mul(MINUTE_MS));
        let end_ms = activity.end_ms.min(minute(to));
        let mut time_ms = activity.awake(minute(from) + random.random_range(0..20 * SECOND_MS));
        let mut checkins = 0;
        while time_ms < end_ms {
            let address = (checkins / self.checkins_an_address) as usize % self.addresses.len();
            checkins += 1;
            if !random.random_bool(self.missed) {
                for socket in 0..self.sockets {
                    out.push(SimulatedConnection {
                        time_ms: time_ms + socket * 10,
                        process,
                        destination: self.addresses[address].to_owned(),
                        port: self.port,
                        protocol: "tcp",
                        domain: String::new(),
                        bytes_sent: random.random_range(420..460),
                        bytes_received: random.random_range(180..190),
                    });
                }
            }
            let work_ms = random.random_range(WORK_MS);
            time_ms = activity.awake(time_ms + work_ms + self.sleep.draw(random));
        }
    }
}
