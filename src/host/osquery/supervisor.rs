//! Keeps the extension registered with osquery, from its start to osquery's end.
//!
//! osquery drops an extension silently after one failed ping; so both are asked again and again:
//! osquery whether it lists us, and our own socket whether it is us who answer there.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::answers::locked;
use super::collection::Collecting;
use super::extension::{self, Extension, IDENTITY};
use super::manager::{ExtensionInfo, Manager, ManagerError};
use super::parent::Parent;
use super::registration::Registration;
use super::server::Server;
use super::stale_sockets;
use super::stream::{connect, is_gone, open, socket_of};
use crate::cache::{Pace, Retention};
use crate::host::config::Collection;
use crate::suppression::Rules;
use crate::table::{CacheUse, Table, Tables};

/// What `osquery_extensions` shows of us. The interface that we speak has not changed since osquery
/// 1.7.7, and was last tried with 5.23.0.
const INFO: ExtensionInfo<'_> = ExtensionInfo {
    name: NAME,
    version: env!("CARGO_PKG_VERSION"),
    sdk_version: "5.23.0",
    min_sdk_version: "1.7.7",
};
/// The name under which osquery lists us.
const NAME: &str = "beacon_candidates";
/// How often waiting threads look around.
const TICK: Duration = Duration::from_millis(50);
/// A call to osquery or to ourselves may take so long.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A restarted extension is refused as a duplicate until osquery has noticed the old one's end.
const REGISTRATION_RETRIES: Duration = Duration::from_secs(30);
/// Between two attempts to register.
const REGISTRATION_PAUSE: Duration = Duration::from_millis(500);
/// osquery is gone when it refuses connections so often in a row.
const GONE_AFTER: u32 = 2;
/// The end may take so long: a signal is obeyed within a second.
const FAREWELL: Duration = Duration::from_millis(500);

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// osquery's extension socket.
    pub socket: PathBuf,
    /// How long to wait for that socket.
    pub timeout: Duration,
    /// How often to check that we are registered.
    pub interval: Duration,
    /// The cache that queries read and collection fills.
    pub cache: PathBuf,
    /// What hides known-benign timers.
    pub rules: Rules,
    /// How much it keeps.
    pub retention: Retention,
    /// What fills it.
    pub collection: Collection,
    /// How long an answer is given again to the same query.
    pub answers_kept_for: Duration,
    /// How long a query may take.
    pub query_budget: Duration,
    /// What this process may take of all cores while it answers, in percent; 100 for all.
    pub cpu_percent: u8,
    /// How large an answer may be, in bytes.
    pub answer_bytes: usize,
}

/// Why the extension could not run, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The signal handlers could not be set.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
    /// osquery did not listen in time.
    #[error("no osquery listens on {socket} within {seconds} s: {reason}")]
    NoOsquery {
        /// The socket.
        socket: PathBuf,
        /// The time-out.
        seconds: u64,
        /// What the last attempt met.
        reason: io::Error,
    },
    /// osquery did not take us.
    #[error(
        "osquery on {socket} does not register us as '{NAME}'; is another extension of that name \
         running?"
    )]
    NotRegistered {
        /// The socket.
        socket: PathBuf,
    },
}

/// Runs until osquery ends, or a signal (SIGTERM, SIGINT) says so.
pub fn run(options: &Options) -> Result<(), SupervisorError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(SupervisorError::Signals)?;
    }
    let parent = Parent::now();
    let is_of_no_use = parent.asks_another();
    let supervisor = Supervisor::new(options.clone());
    let registration = Arc::clone(&supervisor.registration);
    let collecting = Arc::clone(&supervisor.collecting);
    // In a thread of its own, so that this one can leave while osquery hangs.
    let watch = thread::spawn(move || {
        if is_of_no_use {
            parent.wait();
            return Ok(());
        }
        match supervisor.watch() {
            // A short question: osqueryi was faster than we were.
            Err(SupervisorError::NoOsquery { .. }) if parent.has_ended() => Ok(()),
            outcome => outcome,
        }
    });
    while !watch.is_finished() && !stop.load(Ordering::Acquire) {
        thread::sleep(TICK);
    }
    let uuid = registration.uuid();
    // Nobody else collects from now on: what was collected last has to be written down.
    registration.ends();
    let outcome = if stop.load(Ordering::Acquire) {
        if !is_of_no_use {
            log::info!("ended by a signal");
        }
        say_farewell(&options.socket, uuid);
        Ok(())
    } else {
        watch.join().unwrap_or(Ok(()))
    };
    let collecting = locked(&collecting).take();
    let deadline = Instant::now() + FAREWELL;
    while collecting.as_ref().is_some_and(|thread| !thread.is_finished())
        && Instant::now() < deadline
    {
        thread::sleep(TICK);
    }
    outcome
}

struct Supervisor {
    options: Options,
    extension: Arc<Extension>,
    identity: String,
    /// What `beacon_status` says of the cache.
    cache_use: Arc<CacheUse>,
    registration: Arc<Registration>,
    /// The thread that fills the cache.
    collecting: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What a check of the registration found.
enum Check {
    Registered,
    Dropped,
    /// osquery hangs; nothing can be said.
    Silent(String),
    /// Nobody listens on its socket.
    Gone,
}

/// A registration, with what it needs.
struct Serving {
    uuid: i64,
    server: Server,
    /// Set when osquery closes the connection on which we have registered.
    hung_up: Arc<AtomicBool>,
}

impl Supervisor {
    fn new(options: Options) -> Supervisor {
        let started = jiff::Timestamp::now().as_nanosecond();
        let identity = format!("{} {started}", std::process::id());
        let cache_use = Arc::new(CacheUse::default());
        let tables = Tables::new(options.cache.clone())
            .with_rules(options.rules.clone())
            .with_budget(options.query_budget)
            .with_pace(Pace::new(options.cpu_percent.into(), cores()))
            .with_answer_bytes(options.answer_bytes)
            .with_use(Arc::clone(&cache_use));
        let extension = Extension::new(
            tables,
            options.answers_kept_for,
            options.answer_bytes,
            options.query_budget,
            identity.clone(),
        );
        let extension = Arc::new(extension);
        let (registration, collecting) = (Arc::default(), Arc::default());
        Supervisor { options, extension, identity, cache_use, registration, collecting }
    }

    fn watch(&self) -> Result<(), SupervisorError> {
        self.wait_for_osquery()?;
        stale_sockets::remove(&self.options.socket);
        let registration = Arc::clone(&self.registration);
        let collecting = Collecting::new(&self.options, Arc::clone(&self.cache_use), registration);
        *locked(&self.collecting) = Some(thread::spawn(move || collecting.run()));
        while let Some(serving) = self.register()? {
            log::info!("registered with osquery as extension {}", serving.uuid);
            self.registration.is_registered(serving.uuid);
            self.stay_registered(&serving);
            self.registration.is_dropped();
            // Where it is listed still, it would be in the way of the next registration.
            say_farewell(&self.options.socket, Some(serving.uuid));
        }
        log::info!("osquery is gone");
        Ok(())
    }

    /// A socket file that nobody listens on is a stale one: osquery may still be starting.
    fn wait_for_osquery(&self) -> Result<(), SupervisorError> {
        let deadline = Instant::now() + self.options.timeout;
        loop {
            match connect(&self.options.socket, CALL_TIMEOUT) {
                Ok(_) => return Ok(()),
                Err(reason) if Instant::now() >= deadline => {
                    return Err(SupervisorError::NoOsquery {
                        socket: self.options.socket.clone(),
                        seconds: self.options.timeout.as_secs(),
                        reason,
                    });
                }
                Err(_) => thread::sleep(TICK),
            }
        }
    }

    /// Registers, again if it is refused; `None` if osquery is gone.
    fn register(&self) -> Result<Option<Serving>, SupervisorError> {
        let deadline = Instant::now() + REGISTRATION_RETRIES;
        let (mut gone, mut is_told) = (0, false);
        while Instant::now() < deadline {
            match self.serve() {
                Ok(serving) => return Ok(Some(serving)),
                Err(ManagerError::Io(error)) if is_gone(&error) => {
                    gone += 1;
                    if gone >= GONE_AFTER {
                        return Ok(None);
                    }
                }
                // osquery had not noticed its end yet.
                Err(ManagerError::Refused(_)) if self.removes_the_dead() => continue,
                Err(ManagerError::Refused(reason)) => {
                    // Who is registered instead of us fills the cache.
                    self.registration.is_refused();
                    if !std::mem::replace(&mut is_told, true) {
                        log::info!("osquery does not register us yet: {reason}");
                    }
                }
                Err(error) => log::debug!("cannot register: {error}"),
            }
            thread::sleep(REGISTRATION_PAUSE);
        }
        Err(SupervisorError::NotRegistered { socket: self.options.socket.clone() })
    }

    /// Takes extensions of our name off osquery's list on whose socket nobody listens: one that was
    /// killed, where this one takes its place. Gives whether there was any.
    fn removes_the_dead(&self) -> bool {
        let Ok(mut osquery) = open(&self.options.socket, CALL_TIMEOUT) else { return false };
        let listed = osquery.extensions().unwrap_or_default().into_iter();
        let is_dead = |uuid: i64| {
            let socket = socket_of(&self.options.socket, uuid);
            connect(&socket, CALL_TIMEOUT).is_err_and(|error| is_gone(&error))
        };
        let dead = listed.filter(|(uuid, name)| name == NAME && is_dead(*uuid));
        dead.filter(|(uuid, _)| osquery.deregister(*uuid).is_ok()).count() > 0
    }

    /// Registers, and serves the tables under the uuid that osquery gives us.
    fn serve(&self) -> Result<Serving, ManagerError> {
        let tables = Table::ALL.map(|table| (table.name(), extension::columns(table)));
        let stream = connect(&self.options.socket, CALL_TIMEOUT)?;
        let mut waits = stream.try_clone()?;
        let uuid = Manager::new(stream).register(INFO, &tables)?;
        let socket = socket_of(&self.options.socket, uuid);
        let server = match Server::start(&socket, Arc::clone(&self.extension)) {
            Ok(server) => server,
            Err(error) => {
                log::warn!("cannot listen on {}: {error}", socket.display());
                say_farewell(&self.options.socket, Some(uuid));
                return Err(ManagerError::Protocol(error.to_string()));
            }
        };
        // osquery says nothing there; that it ends is seen at once.
        waits.set_read_timeout(None)?;
        let hung_up = Arc::new(AtomicBool::new(false));
        let is_set = Arc::clone(&hung_up);
        thread::spawn(move || {
            let _ = waits.read(&mut [0]);
            is_set.store(true, Ordering::Release);
        });
        Ok(Serving { uuid, server, hung_up })
    }

    fn is_us(&self, uuid: i64) -> bool {
        let mut is_us = false;
        let table = Table::BeaconStatus.name();
        let request = [("action", "generate"), (IDENTITY, "")];
        let called =
            open(&socket_of(&self.options.socket, uuid), CALL_TIMEOUT).and_then(|mut extension| {
                extension.call_plugin("table", table, &request, |row| {
                    is_us |= row.get(IDENTITY) == Some(&self.identity);
                })
            });
        called.is_ok() && is_us
    }

    /// Checks the registration until it is lost.
    fn stay_registered(&self, serving: &Serving) {
        let (mut gone, mut is_silent, mut may_hang_up) = (0, false, true);
        let answers_again = |is_silent: &mut bool| {
            if std::mem::take(is_silent) {
                log::info!("osquery answers again");
            }
        };
        loop {
            let next = Instant::now() + self.options.interval;
            while Instant::now() < next {
                thread::sleep(TICK);
                if serving.server.has_ended() {
                    log::info!("osquery has told us to end");
                    return;
                }
                if may_hang_up && serving.hung_up.load(Ordering::Acquire) {
                    may_hang_up = false;
                    break;
                }
            }
            self.extension.forget_old_answers();
            match self.check(serving.uuid) {
                Check::Registered => {
                    gone = 0;
                    answers_again(&mut is_silent);
                }
                Check::Dropped => {
                    answers_again(&mut is_silent);
                    log::info!("osquery has dropped us; registering again");
                    return;
                }
                Check::Silent(reason) => {
                    gone = 0;
                    if !std::mem::replace(&mut is_silent, true) {
                        log::warn!("{reason}; waiting for it");
                    }
                }
                Check::Gone => {
                    gone += 1;
                    if gone >= GONE_AFTER {
                        return;
                    }
                }
            }
        }
    }

    fn check(&self, uuid: i64) -> Check {
        let listed =
            open(&self.options.socket, CALL_TIMEOUT).and_then(|mut manager| manager.extensions());
        match listed {
            Ok(extensions) if extensions.contains_key(&uuid) && self.is_us(uuid) => {
                Check::Registered
            }
            Ok(_) => Check::Dropped,
            Err(ManagerError::Io(error)) if is_gone(&error) => Check::Gone,
            Err(error) => Check::Silent(error.to_string()),
        }
    }
}

/// The cores that osquery's watchdog counts by: those that there really are, of which a processor
/// may show two for each.
fn cores() -> usize {
    let allowed = thread::available_parallelism().map_or(1, usize::from);
    num_cpus::get_physical().min(allowed)
}

/// Takes us off osquery's list, if it answers at once, and removes our socket.
fn say_farewell(socket: &Path, registered: Option<i64>) {
    let Some(uuid) = registered else {
        return;
    };
    if let Ok(stream) = connect(socket, FAREWELL)
        && let Err(error) = Manager::new(stream).deregister(uuid)
    {
        log::debug!("cannot deregister: {error}");
    }
    let _ = std::fs::remove_file(socket_of(socket, uuid));
}
