//! Named points of the product at which a test has the process killed or stopped, and deliberate bugs
//! that a test has to notice. Builds without debug assertions, which is what is released, have neither.
//!
//! ```text
//! TIDEMARK_FAULT=cut.manifest:2:KILL    the second time that `cut.manifest` is passed, SIGKILL
//! TIDEMARK_MUTANT=letters_before_commit
//! ```

#[cfg(debug_assertions)]
pub(crate) use enabled::{is_mutant, part, point};

/// A point that has a name: nothing happens here.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) fn point(_: &str) {}

/// What of `bytes` is written at once: all.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) const fn part(bytes: &[u8]) -> &[u8] {
    bytes
}

/// Whether the process has the deliberate bug of this name: it has none.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) const fn is_mutant(_: &str) -> bool {
    false
}

#[cfg(debug_assertions)]
mod enabled {
    use std::process::Command;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// How much is written at once where a write is to be torn.
    const TORN_BYTES: usize = 100;

    /// What is to happen, and where.
    struct AskedFault {
        point: String,
        /// How often the point is passed before.
        spared: AtomicU64,
        signal: String,
    }

    static FAULT: LazyLock<Option<AskedFault>> = LazyLock::new(|| {
        let text = std::env::var("TIDEMARK_FAULT").ok()?;
        let mut parts = text.split(':');
        let (point, time, signal) = (parts.next()?, parts.next()?, parts.next()?);
        let spared = AtomicU64::new(time.parse().ok()?);
        Some(AskedFault { point: point.to_owned(), spared, signal: signal.to_owned() })
    });
    static MUTANT: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("TIDEMARK_MUTANT").ok());

    /// A point that has a name: sends the process the signal that a test wants it to have here, and
    /// holds the thread until it has come.
    pub(crate) fn point(name: &str) {
        let Some(fault) = FAULT.as_ref().filter(|fault| fault.point == name) else { return };
        if fault.spared.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        tracing::warn!(point = name, signal = fault.signal, "a test wants this signal here");
        let process = std::process::id().to_string();
        let sent = Command::new("kill").args(["-s", &fault.signal, &process]).status();
        match sent {
            // It comes, and what this thread does next is done after it.
            Ok(status) if status.success() => std::thread::sleep(Duration::from_millis(20)),
            other => tracing::error!(?other, "the signal cannot be sent"),
        }
    }

    /// What of `bytes` is written at once: little while a test wants a write to be torn.
    pub(crate) fn part(bytes: &[u8]) -> &[u8] {
        let torn = FAULT.as_ref().is_some_and(|fault| fault.point == "publish.write");
        bytes.get(..TORN_BYTES).filter(|_| torn).unwrap_or(bytes)
    }

    /// Whether the process has the deliberate bug of this name.
    pub(crate) fn is_mutant(name: &str) -> bool {
        MUTANT.as_deref() == Some(name)
    }
}
