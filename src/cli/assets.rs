//! `assets`: man pages and shell completions, for packages.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// The shells that packages bring completions for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// What the man page says besides `--help`.
const DESCRIPTION: &str = "\
beacon_candidates reads journals of which process connected to where, and finds the processes that call \
home on a timer. It answers in SQL, from the tables beacon_candidates, beacon_connections, \
beacon_suppressions and beacon_status. With --socket it is an extension of osquery that serves the same \
tables and fills its cache from what osquery records.";

const DOCUMENTATION: &str = "\
Tables, columns, parameters, formats and the configuration are documented in \
/usr/share/doc/beacon-candidates, where a package has installed this.";

/// At the foot of each page.
const SOURCE: &str = concat!("beacon_candidates ", env!("CARGO_PKG_VERSION"));

/// If there were none, the source would be taken for the date.
const NO_DATE: &str = " ";

#[derive(Args)]
pub struct Assets {
    /// The folder to write them to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Assets {
    pub fn run(self) -> Result<ExitCode> {
        self.write().with_context(|| format!("cannot write to {}", self.out.display()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self) -> io::Result<()> {
        fs::create_dir_all(&self.out)?;
        let mut command = super::Arguments::command().disable_help_subcommand(true);
        command.build();
        for verb in visible_verbs(&command) {
            self.write_man_page(verb.clone(), "beacon_candidates(1)")?;
        }
        self.write_man_page(command.long_about(DESCRIPTION), DOCUMENTATION)?;
        let mut command = completed();
        for shell in SHELLS {
            clap_complete::generate_to(shell, &mut command, super::COMMAND, &self.out)?;
        }
        Ok(())
    }

    fn write_man_page(&self, command: Command, see_also: &str) -> io::Result<()> {
        let man = Man::new(command.clone()).source(SOURCE).date(NO_DATE);
        let mut page = Vec::new();
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if command.has_subcommands() {
            man.render_subcommands_section(&mut page)?;
        }
        let after_help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        sections(&after_help).to_writer(&mut page)?;
        Roff::new().control("SH", ["SEE ALSO"]).text([roman(see_also)]).to_writer(&mut page)?;
        fs::write(self.out.join(man.get_filename()), page)
    }
}

fn visible_verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

/// The command as shells complete it: they would offer hidden verbs, too.
fn completed() -> Command {
    let command = super::Arguments::command();
    Command::new(super::COMMAND)
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(visible_verbs(&command).cloned())
}

/// The paragraphs that follow the options in `--help`, as sections. Examples keep their lines.
fn sections(after_help: &str) -> Roff {
    let mut roff = Roff::new();
    for (heading, text) in after_help.split("\n\n").filter_map(|part| part.split_once(':')) {
        roff.control("SH", [heading.to_uppercase().as_str()]);
        match text.strip_prefix('\n') {
            Some(lines) => roff.control("nf", []).text([roman(lines)]).control("fi", []),
            None => roff.text([roman(text.trim_start())]),
        };
    }
    roff
}
