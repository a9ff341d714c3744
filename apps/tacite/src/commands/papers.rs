//! `tacite completions` and `tacite man`: what packages install beside the program.
//!
//! Invariant: both are made from the command line's own definition, so they cannot fall behind it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::arguments::Arguments;
use crate::failure::Failure;

/// `tacite completions`
pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tacite", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// `tacite man`
pub(super) fn manual(directory: Option<&Path>) -> Result<(), Failure> {
    let command = Arguments::command();
    let Some(directory) = directory else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        return Ok(io::stdout().write_all(&page)?);
    };
    fs::create_dir_all(directory)?;
    Ok(clap_mangen::generate_to(command, directory)?)
}
