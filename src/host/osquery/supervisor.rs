//! Keeps the extension registered with osquery, from its start to osquery's end.
//!
//! osquery drops an extension silently after one failed ping, and osquery-rust-ng does not look at
//! what became of its registration; so both are asked again and again: osquery whether it lists
//! us, and our own socket whether it is us who answer there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use osquery_rust_ng::plugin::Plugin;
use osquery_rust_ng::{Server, ServerStopHandle};

use super::answers::locked;
use super::collection::Collecting;
use super::extension::{Extension, IDENTITY};
use super::manager::{Manager, ManagerError};
use super::stale_sockets;
use super::stream::{connect, is_gone, open, socket_of};
use crate::cache::Retention;
use crate::host::config::Collection;
use crate::suppression::Rules;
use crate::table::{CacheUse, Table, Tables};

/// The name under which osquery lists us.
const NAME: &str = "beacon_candidates";
/// How often waiting threads look around.
const TICK: Duration = Duration::from_millis(50);
/// A call to osquery or to ourselves may take so long.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A registration shows within this, or is tried again.
const REGISTRATION_SHOWS: Duration = Duration::from_secs(3);
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
    let supervisor = Supervisor::new(options.clone(), Arc::clone(&stop));
    let registered = Arc::clone(&supervisor.registered);
    let collecting = Arc::clone(&supervisor.collecting);
    // In a thread of its own, so that this one can leave while osquery hangs.
    let watch = thread::spawn(move || supervisor.watch());
    while !watch.is_finished() && !stop.load(Ordering::Acquire) {
        thread::sleep(TICK);
    }
    // Nobody else collects from now on: what was collected last has to be written down.
    let was_told = stop.swap(true, Ordering::AcqRel);
    let collecting = locked(&collecting).take();
    if let Some(collecting) = &collecting {
        collecting.thread().unpark();
    }
    let outcome = if was_told {
        log::info!("ended by a signal");
        say_farewell(&options.socket, *locked(&registered));
        Ok(())
    } else {
        watch.join().unwrap_or(Ok(()))
    };
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
    /// Our uuid in osquery, while we are registered.
    registered: Arc<Mutex<Option<i64>>>,
    /// Whether the process is about to end.
    ends: Arc<AtomicBool>,
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

/// An extension server in its thread.
struct Serving {
    handle: ServerStopHandle,
    thread: JoinHandle<()>,
}

impl Supervisor {
    fn new(options: Options, ends: Arc<AtomicBool>) -> Supervisor {
        let started = jiff::Timestamp::now().as_nanosecond();
        let identity = format!("{} {started}", std::process::id());
        let cache_use = Arc::new(CacheUse::default());
        let tables = Tables::new(options.cache.clone())
            .with_rules(options.rules.clone())
            .with_budget(options.query_budget)
            .with_use(Arc::clone(&cache_use));
        let extension = Extension::new(tables, options.answers_kept_for, identity.clone());
        let extension = Arc::new(extension);
        let (registered, collecting) = (Arc::default(), Arc::default());
        Supervisor { options, extension, identity, cache_use, registered, ends, collecting }
    }

    fn watch(&self) -> Result<(), SupervisorError> {
        self.wait_for_osquery()?;
        stale_sockets::remove(&self.options.socket);
        let ends = Arc::clone(&self.ends);
        let collecting = Collecting::new(&self.options, Arc::clone(&self.cache_use), ends);
        *locked(&self.collecting) = Some(thread::spawn(move || collecting.run()));
        while let Some((serving, uuid)) = self.register()? {
            log::info!("registered with osquery as extension {uuid}");
            *locked(&self.registered) = Some(uuid);
            self.stay_registered(&serving, uuid);
            *locked(&self.registered) = None;
            serving.end();
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

    /// Registers, again if it is refused; gives the uuid, or `None` if osquery is gone.
    fn register(&self) -> Result<Option<(Serving, i64)>, SupervisorError> {
        let deadline = Instant::now() + REGISTRATION_RETRIES;
        let (mut gone, mut is_told) = (0, false);
        while Instant::now() < deadline {
            match self.serve() {
                Ok(serving) => {
                    let shows_until = Instant::now() + REGISTRATION_SHOWS;
                    while Instant::now() < shows_until && !serving.thread.is_finished() {
                        if let Some(uuid) = self.our_uuid() {
                            return Ok(Some((serving, uuid)));
                        }
                        thread::sleep(TICK);
                    }
                    serving.end();
                    if !std::mem::replace(&mut is_told, true) {
                        log::warn!("osquery has not registered us; trying again");
                    }
                }
                Err(error) if is_gone(&error) => {
                    gone += 1;
                    if gone >= GONE_AFTER {
                        return Ok(None);
                    }
                }
                Err(error) => log::debug!("cannot connect to osquery: {error}"),
            }
            thread::sleep(REGISTRATION_PAUSE);
        }
        Err(SupervisorError::NotRegistered { socket: self.options.socket.clone() })
    }

    /// Starts a server, which registers itself.
    fn serve(&self) -> io::Result<Serving> {
        let socket = self.options.socket.to_str();
        let socket = socket.ok_or_else(|| io::Error::other("the socket's path is no UTF-8"))?;
        let mut server: Server<Plugin> = Server::new(Some(NAME), socket)?;
        for plugin in self.extension.plugins() {
            server.register_plugin(plugin);
        }
        let handle = server.get_stop_handle();
        let thread = thread::spawn(move || {
            if let Err(error) = server.run() {
                log::debug!("the extension server ended: {error}");
            }
        });
        Ok(Serving { handle, thread })
    }

    /// The uuid under which osquery lists us, if it is us who answer on its socket.
    fn our_uuid(&self) -> Option<i64> {
        let extensions = open(&self.options.socket, CALL_TIMEOUT).ok()?.extensions().ok()?;
        let ours = extensions.into_iter().filter(|(_, name)| name == NAME);
        ours.map(|(uuid, _)| uuid).find(|uuid| self.is_us(*uuid))
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
    fn stay_registered(&self, serving: &Serving, uuid: i64) {
        let (mut gone, mut is_silent) = (0, false);
        loop {
            let next = Instant::now() + self.options.interval;
            while Instant::now() < next {
                thread::sleep(TICK);
                if serving.thread.is_finished() {
                    // osquery has said so, or does not answer the server's pings any more.
                    log::info!("osquery has ended the connection");
                    return;
                }
            }
            match self.check(uuid) {
                Check::Registered => {
                    gone = 0;
                    if std::mem::take(&mut is_silent) {
                        log::info!("osquery answers again");
                    }
                }
                Check::Dropped => {
                    log::warn!("osquery has dropped us; registering again");
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

impl Serving {
    /// Ends the server; one that hangs in a call to osquery is left behind.
    fn end(self) {
        self.handle.stop();
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(TICK);
        }
    }
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
