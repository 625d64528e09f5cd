//! The rules of the house, read from the sources themselves: each module holds one rule, what is
//! excepted from it with the reason, and examples of what it finds. An exception that is no longer
//! needed fails as a broken rule does, so the lists only get shorter.

// `cfg(test)` is always so here; it tells clippy that these are tests, where a panic is a verdict.
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod direction;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod exceptions;
#[cfg(test)]
mod inventory;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod length;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod names;
mod pages;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod purity;
#[cfg(test)]
mod source;
#[cfg(test)]
mod tree;
