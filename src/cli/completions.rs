//! `tidemark completions`

use clap::Args;
use clap_complete::Shell;

/// `tidemark completions`
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples, for one's own account; they work in shells that are started from then on:
  tidemark completions bash > ~/.local/share/bash-completion/completions/tidemark
  tidemark completions fish > ~/.config/fish/completions/tidemark.fish
  tidemark completions zsh > \"${fpath[1]}/_tidemark\"
  source <(tidemark completions bash)           in this shell alone")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}
