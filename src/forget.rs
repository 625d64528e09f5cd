//! `tidemark forget`: what is held of an entity is erased, in the running job or in the state of one that
//! does not run.

mod running;
mod stopped;

use crate::cli::{ForgetArgs, OutputFormat};
use crate::config::{ClusterFile, Flags, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::ForgetTold;
use crate::named_file;
use crate::output;
use crate::text::printable;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

/// How long a file of ids may be, in bytes.
const IDS_BYTES_MAX: u64 = 16 << 20;

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the words, the settings or the file of ids are wrong; 1 when nobody answers, some
/// cannot be forgotten, or not for good.
pub fn run(args: &ForgetArgs) -> Result<Exit, Failure> {
    let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    let ids = ids(args)?;
    let url = args.http.clone().unwrap_or_else(|| crate::ask::url(settings.http.address()));
    if args.stopped {
        let told = stopped::forget(&settings, &url, (&args.entity, &ids))?;
        return tell(args.format, &told).map(|()| Exit::Done);
    }
    let told =
        running::forget(&url, (&args.entity, &ids), args.within, |told| tell(args.format, told))?;
    match told {
        running::ForgottenFor::Good => Ok(Exit::Done),
        running::ForgottenFor::TheRun => Err(Failure::failed(
            "forgotten by the process and its online store, but not for good: the job keeps no state, and a \
             restart reads its topics again",
        )
        .hint("name a place for its state by \"url\" in [state] of cluster.toml, or take the entity's \
               records out of the topics before the next start")),
    }
}

/// The ids, each once, in order.
fn ids(args: &ForgetArgs) -> Result<Vec<String>, Failure> {
    let mut ids = args.id.clone();
    if let Some(path) = &args.ids {
        let text = read(path).map_err(|why| {
            let path = path.display();
            Failure::usage(format!("cannot read the ids in {path}: {why}"))
                .hint("write one id a line, in UTF-8")
        })?;
        ids.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    match ids.is_empty() {
        true => Err(Failure::usage("no id is named").hint("name one, or a file of them by --ids")),
        false => Ok(ids),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    named_file::open(path)?.take(IDS_BYTES_MAX + 1).read_to_string(&mut text)?;
    match text.len() as u64 > IDS_BYTES_MAX {
        true => Err(std::io::Error::other(format!("it is longer than {IDS_BYTES_MAX} bytes"))),
        false => Ok(text),
    }
}

/// Says what has become of some.
fn tell(format: OutputFormat, told: &[ForgetTold]) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        return told.iter().try_for_each(|told| output::print_json(told).map(drop));
    }
    let mut text = String::new();
    for ForgetTold { entity, id, held, .. } in told {
        let what = match held {
            Some(true) => "forgotten",
            Some(false) => "nothing was held of it; what older files of the state have goes, too",
            None => "forgotten in the state; its rows go from the online store when the job starts",
        };
        text.push_str(&format!("{entity} \"{}\": {what}\n", printable(id)));
    }
    let places: BTreeSet<_> = told.iter().flat_map(|told| &told.out_of_reach).collect();
    if !places.is_empty() {
        text.push_str("not reached, there may be more of it:\n");
    }
    places.iter().for_each(|place| text.push_str(&format!("  {}\n", printable(place))));
    output::print(&text).map(drop)
}
