//! Writes what the package needs of the command lines: manual pages and completions of both programs.
//!
//! `pages DIRECTORY` writes `man/NAME.1`, `bash/NAME`, `zsh/_NAME` and `fish/NAME.fish`. `cargo xtask deb` calls it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        report("a directory is needed");
        return ExitCode::from(2);
    };
    match write_all(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!("{}: {error}", directory.display()));
            ExitCode::FAILURE
        }
    }
}

fn write_all(directory: &Path) -> io::Result<()> {
    for command in [
        data_collector::arguments::Arguments::command().name("data-collector"),
        analyzer::arguments::Arguments::command().name("analyzer"),
    ] {
        write(directory, command)?;
    }
    Ok(())
}

fn write(directory: &Path, mut command: Command) -> io::Result<()> {
    let name = command.get_name().to_owned();
    for (part, shell) in [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)] {
        let place = directory.join(part);
        fs::create_dir_all(&place)?;
        let written = generate_to(shell, &mut command, &name, &place)?;
        if shell == Shell::Bash {
            // The name under which bash looks for it.
            fs::rename(written, place.join(&name))?;
        }
    }
    let place = directory.join("man");
    fs::create_dir_all(&place)?;
    command = command.disable_help_subcommand(true);
    command.build();
    for page in pages(&command) {
        let file_name = page.get_display_name().unwrap_or(page.get_name()).to_owned();
        let page = page
            .display_name(file_name.clone())
            .version(env!("CARGO_PKG_VERSION"));
        let mut file = File::create(place.join(format!("{file_name}.1")))?;
        Man::new(page)
            .source(format!("strategy-agent {}", env!("CARGO_PKG_VERSION")))
            .manual("strategy-agent")
            .render(&mut file)?;
    }
    Ok(())
}

/// The program and its own commands, each with a page.
fn pages(command: &Command) -> Vec<Command> {
    let own = command
        .get_subcommands()
        .filter(|one| one.get_name() != "help")
        .cloned();
    std::iter::once(command.clone()).chain(own).collect()
}

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn report(words: &str) {
    eprintln!("pages: {words}");
}
