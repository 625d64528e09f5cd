//! Workers in one process or in several, and what goes between those of a checkpoint.

use super::{Mesh, MeshEnd};
use crate::mesh::PeerLink;
use std::io;
use std::net::Shutdown;
use std::sync::mpsc::channel;
use std::time::Duration;
use tidemark_operators::shape::Shape;
use timely::communication::allocator::zero_copy::initialize::{
    CommsGuard, initialize_networking_from_sockets,
};
use timely::communication::allocator::zero_copy::stream::Stream;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Config as Communication, Hooks};

/// How long the connections may take to carry what all have agreed is the last.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What goes between processes of a checkpoint, in an encoding of who makes checkpoints.
pub enum Parcels {
    /// On the first worker of another process than the first.
    Outgoing {
        /// What is to be sent to the first process; `None`: nothing follows.
        next: Box<dyn FnMut() -> Option<Vec<Vec<u8>>>>,
        /// Told of the newest cut whose dead letters are published.
        published: Box<dyn FnMut(u64)>,
    },
    /// On worker 0: takes what comes.
    Incoming(Box<dyn FnMut(Vec<u8>)>),
}

/// What makes the workers of a process, and its connections.
pub(super) fn builders(
    shape: Shape,
    mesh: Option<Mesh>,
) -> Result<(Vec<AllocatorBuilder>, Option<CommsGuard>), String> {
    let Some(mesh) = mesh else {
        let communication = match shape.local() {
            1 => Communication::Thread,
            workers => Communication::Process(workers),
        };
        return communication.try_build().map(|(builders, _)| (builders, None));
    };
    let hooks = Hooks::default();
    let (refill, spill) = (hooks.refill.clone(), hooks.spill.clone());
    let local = ProcessBuilder::new_typed_vector(shape.local(), refill, spill);
    let (process, links) = (mesh.process(), mesh.into_links());
    let built = initialize_networking_from_sockets(local, links, process, shape.local(), hooks);
    let (builders, connections) =
        built.map_err(|error| format!("cannot use the connections between processes: {error}"))?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Some(connections)))
}

/// Closes the connections, once all workers of this process are gone. After an end that all have agreed
/// on, what is on its way arrives.
pub(super) fn close(connections: Option<CommsGuard>, end: Option<&MeshEnd>) {
    let (Some(connections), Some(end)) = (connections, end) else { return };
    if !end.is_agreed() {
        end.leave();
        // Its threads wait for the others, which end when they find this process gone.
        std::mem::forget(connections);
        return;
    }
    let (told, closed) = channel();
    let close = move || {
        drop(connections);
        // Whoever waits may have given up.
        let _ = told.send(());
    };
    let thread = std::thread::Builder::new().name("mesh-close".to_owned());
    if thread.spawn(close).is_ok() && closed.recv_timeout(CLOSE_WITHIN).is_err() {
        tracing::warn!("another process has not ended with this one; it is not waited for");
    }
}

impl Stream for PeerLink {
    fn try_clone(&self) -> io::Result<Self> {
        self.again()
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.set_waiting(!nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shut(how);
        Ok(())
    }
}
