//! Claims about what the demo shows.
