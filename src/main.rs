//! The tidemark binary.

use clap::Parser;
use tidemark::cli::Cli;
use tidemark::exit::Exit;
use tidemark::{output, whole_file};

fn main() -> Exit {
    let exit = match tidemark::dispatch::run(Cli::parse()) {
        Ok(exit) => exit,
        Err(failure) => {
            output::note(&failure.to_string());
            failure.exit()
        }
    };
    whole_file::remove_unfinished();
    exit
}
