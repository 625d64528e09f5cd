//! The connections between the processes of a cluster: who may take part, and when one is lost.
//!
//! ```text
//!  process 1 ── hello: version, fingerprint, shape, run ──→ process 0
//!            ←── welcome: the run, or why not ────────────
//!            ←── frames: what the workers send, or nothing but a sign of life ──→
//! ```
//!
//! A process connects to all before it and is connected to by all after it. Process 0 says which run of
//! the job this is; whoever comes from another one is refused, as is one of another version, job or
//! shape. A stranger is cut off after [`HELLO_WITHIN`] and delays nobody. With [`MeshPlace::identity`] all of it
//! is inside TLS ([`peer_tls`](crate::peer_tls)): a stranger is then whoever has no certificate, and who says to
//! be a process has to have one of its host.
//!
//! # Why this way
//!
//! - The sockets of the library that runs the workers wait for ever and take anybody; a peer that is frozen is never noticed. So what
//!   it sends goes in frames, between which each side gives a sign of life on a thread of its own:
//!   a worker that is busy, or has nothing to say for hours, is not taken for one that is lost.
//! - There is no going on without a process: what it held is in the job's state only. So its loss ends
//!   the others at once, with [`Exit::PeerLost`](crate::exit::Exit::PeerLost), and all start again.
//! - An end that all have agreed on is told from a loss by a last frame.

mod form;
mod greeting;
mod hello;
mod link;
mod wire;

pub use form::{MeshError, MeshPlace, form};
pub use hello::HELLO_WITHIN;
pub use link::{MeshEnd, PeerLink};

use std::sync::Arc;
use std::time::Duration;
use wire::Wire;

/// The open connections of a process.
pub struct Mesh {
    run: String,
    process: usize,
    links: Vec<Option<PeerLink>>,
    end: Arc<MeshEnd>,
}

impl Mesh {
    fn new(
        (process, run): (usize, String),
        wires: Vec<Option<Wire>>,
        addresses: &[String],
        timeout: Duration,
    ) -> std::io::Result<Self> {
        let end = Arc::<MeshEnd>::default();
        let link = |(peer, wire): (usize, Option<Wire>)| {
            let address = addresses.get(peer).cloned().unwrap_or_default();
            let of = |wire| PeerLink::new((peer, address), wire, timeout, &end);
            wire.map(of).transpose()
        };
        let links = wires.into_iter().enumerate().map(link).collect::<Result<_, _>>()?;
        Ok(Mesh { run, process, links, end })
    }

    /// Which run of the job this is, as process 0 says.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Which process this is.
    pub fn process(&self) -> usize {
        self.process
    }

    /// How it ends.
    pub fn end(&self) -> &Arc<MeshEnd> {
        &self.end
    }

    /// The connections, by process; none to itself.
    pub fn into_links(self) -> Vec<Option<PeerLink>> {
        self.links
    }
}

#[cfg(test)]
mod tests;
