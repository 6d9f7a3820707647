//! Ctrl-C, and being told to end: a signal ends a process without dropping anything.

use anyhow::Result;

/// Runs `tidy` before the process ends by a signal, with the status that shells count for it.
#[cfg(unix)]
pub fn on_interrupt(tidy: impl FnOnce() + Send + 'static) -> Result<()> {
    use anyhow::Context;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot handle signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            tidy();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Windows ends the process by itself.
#[cfg(not(unix))]
pub fn on_interrupt(_tidy: impl FnOnce() + Send + 'static) -> Result<()> {
    Ok(())
}
