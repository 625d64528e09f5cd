//! The tidemark binary.

use clap::Parser;
use std::process::ExitCode;
use tidemark::cli::Cli;

fn main() -> ExitCode {
    match tidemark::dispatch::run(Cli::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            failure.code()
        }
    }
}
