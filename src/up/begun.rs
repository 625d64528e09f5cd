//! What the processes of a cluster are started with.

use crate::cli::UpArgs;
use crate::config::{CLUSTER_FILE, ClusterFile, Flags, Settings};
use crate::failure::Failure;
use crate::run::place::no_process;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::path::Path;

/// The settings as they were when the processes were started.
pub(super) struct Begun {
    /// They themselves.
    pub settings: Settings,
    /// The processes that are to be supervised.
    pub processes: Vec<usize>,
    /// The file that they were read from; `None`: there is none.
    text: Option<Vec<u8>>,
}

impl Begun {
    /// As they are now.
    ///
    /// # Errors
    /// When they are wrong, or have no process of this host.
    pub fn read(args: &UpArgs) -> Result<Self, Failure> {
        let text = text(args);
        let flags = Flags { workers: args.workers, ..Flags::default() };
        let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), flags)?;
        let processes = processes(args, &settings)?;
        Ok(Begun { settings, processes, text })
    }

    /// Whether the file is the same by now.
    pub fn is_current(&self, args: &UpArgs) -> bool {
        self.text == text(args)
    }

    /// Keeps other supervisors of these processes from beginning, as long as it is held, where the state is
    /// in a folder.
    ///
    /// # Errors
    /// When there is another one.
    pub fn lock(&self) -> Result<Vec<File>, Failure> {
        let Some(folder) = self.settings.state.folder() else { return Ok(Vec::new()) };
        let lock = |process: &usize| -> Result<File, Failure> {
            // No object of the store has such a name.
            let path = folder.join(format!(".up-{process}.lock"));
            let failed = |why: std::io::Error| {
                Failure::failed(format!(
                    "cannot lock {} for process {process}: {why}",
                    path.display()
                ))
            };
            std::fs::create_dir_all(folder).map_err(failed)?;
            let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::failed(format!(
                    "process {process} of the cluster with its state in {} is supervised already",
                    folder.display()
                ))
                .hint(
                    "end the other `tidemark up` first, or give this cluster a state of its own",
                )),
                Err(why) => Err(failed(why.into())),
            }
        };
        self.processes.iter().map(lock).collect()
    }
}

fn text(args: &UpArgs) -> Option<Vec<u8>> {
    let path = args.cluster.as_deref().unwrap_or(Path::new(CLUSTER_FILE));
    std::fs::read(path).ok()
}

fn processes(args: &UpArgs, settings: &Settings) -> Result<Vec<usize>, Failure> {
    let count = settings.cluster.count();
    if let Some(process) = args.process {
        return match process < count {
            true => Ok(vec![process]),
            false => Err(no_process(process, count)),
        };
    }
    if count == 1 {
        return Ok(vec![0]);
    }
    let is_here =
        |process: &usize| settings.cluster.host(*process).is_some_and(|host| is_here(&host));
    let here: Vec<usize> = (0..count).filter(is_here).collect();
    if here.is_empty() {
        return Err(Failure::usage("no address in [cluster] is one of this host")
            .hint("say which process this host runs, by --process N"));
    }
    Ok(here)
}

/// Whether a host is this one: whether anybody can listen there.
fn is_here(host: &str) -> bool {
    let addresses = (host.trim_matches(['[', ']']), 0).to_socket_addrs();
    addresses.is_ok_and(|mut addresses| addresses.any(|at| TcpListener::bind(at).is_ok()))
}
