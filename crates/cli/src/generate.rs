//! `ottla generate`: files about the command line itself. They are made from its description, so that they have every command and option.

use std::path::{Path, PathBuf};

use clap::{Args, Command, Subcommand, ValueEnum};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::failure::Failure;

/// `ottla generate …`
#[derive(Debug, Args)]
pub struct GenerateArguments {
    #[command(subcommand)]
    command: GenerateCommand,
}

#[derive(Debug, Subcommand)]
enum GenerateCommand {
    /// Prints a script by which a shell completes commands and options.
    Completions {
        /// The shell that reads it.
        #[arg(value_enum)]
        shell: ShellName,
    },
    /// Prints the manual, with a page for each command.
    Man {
        /// Writes each page to a file of this folder instead, such as ottla-topic-list.1
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ShellName {
    Bash,
    Zsh,
    Fish,
}

/// `whole` is the command line of the binary, with the commands that this crate does not have.
pub(crate) fn run(arguments: &GenerateArguments, whole: Command) -> Result<String, Failure> {
    match &arguments.command {
        GenerateCommand::Completions { shell } => completions(*shell, whole),
        GenerateCommand::Man { folder: Some(folder) } => write_manual(whole, folder),
        GenerateCommand::Man { folder: None } => {
            Ok(manual(whole)?.into_iter().map(|page| page.text).collect())
        }
    }
}

fn completions(shell: ShellName, mut whole: Command) -> Result<String, Failure> {
    let name = whole.get_name().to_owned();
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut whole, name, &mut script);
    text(script)
}

/// A page of the manual.
struct Page {
    /// Such as `ottla-topic-list.1`.
    file: String,
    text: String,
}

/// A page for each command, before those of the commands in it.
fn manual(whole: Command) -> Result<Vec<Page>, Failure> {
    fn add(command: &Command, pages: &mut Vec<Page>) -> Result<(), Failure> {
        let man = Man::new(command.clone());
        let mut page = Vec::new();
        man.render(&mut page).map_err(|error| Failure::failed(format!("cannot make the manual: {error}")))?;
        pages.push(Page { file: man.get_filename(), text: text(page)? });
        command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .try_for_each(|command| add(command, pages))
    }
    // Each `help` command would repeat all commands beside it.
    let mut whole = whole.disable_help_subcommand(true);
    // Names the commands in commands, as `ottla-topic-list`.
    whole.build();
    let mut pages = Vec::new();
    add(&whole, &mut pages)?;
    Ok(pages)
}

fn write_manual(whole: Command, folder: &Path) -> Result<String, Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::failed(format!("cannot write to {}: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let pages = manual(whole)?;
    for Page { file, text } in &pages {
        let path = folder.join(file);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(format!("wrote {} pages to {}\n", pages.len(), folder.display()))
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::failed("what was generated is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Command {
        crate::Command::augment_subcommands(Command::new("ottla"))
    }

    #[test]
    fn completions_have_every_tool() {
        for shell in ShellName::value_variants() {
            let script = completions(*shell, whole()).unwrap();
            for word in ["doctor", "completions", "bootstrap-server", "if-not-exists"] {
                assert!(script.contains(word), "{shell:?}: {word}");
            }
        }
    }

    #[test]
    fn the_manual_has_a_page_for_each_command() {
        let pages = manual(whole()).unwrap();
        let files: Vec<_> = pages.iter().map(|page| page.file.as_str()).collect();
        assert_eq!(files.first(), Some(&"ottla.1"));
        for file in ["ottla-topic.1", "ottla-topic-list.1", "ottla-generate-man.1"] {
            assert!(files.contains(&file), "{files:?}");
        }
        assert!(!files.iter().any(|file| file.contains("help")), "{files:?}");
        let list = pages.iter().find(|page| page.file == "ottla-topic-list.1").unwrap();
        assert!(
            list.text.contains(r"\-\-internal") && list.text.contains(r"\-\-bootstrap\-server"),
            "{}",
            list.text
        );
    }

    #[test]
    fn pages_are_files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("man1");
        let told = write_manual(whole(), &inner).unwrap();
        let count = std::fs::read_dir(&inner).unwrap().count();
        assert_eq!(told, format!("wrote {count} pages to {}\n", inner.display()));
        let file = inner.join("ottla.1");
        assert!(matches!(write_manual(whole(), &file), Err(Failure::Failed(_))), "a file is no folder");
    }
}
