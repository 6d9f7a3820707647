//! The command `beacon_candidates`; see `beacon_candidates --help`.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    let arguments = cli::Arguments::of_process();
    let filter = arguments.log_filter();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter))
        .format_target(false)
        .init();
    cli::end(arguments.run())
}
