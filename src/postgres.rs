//! Rows in tables of PostgreSQL: how it is reached, what is there, and who writes.
//!
//! - `server`: the address, TLS, and how an error is told;
//! - `look`: the tables as they are;
//! - [`RowTables`]: rows and how far they are, in one transaction; [`make`]: the tables made and migrated.
//!
//! # Why this way
//!
//! Every answer has a bound, also one that a server which hangs never gives: so the client is the one that can
//! be left in the middle (`tokio-postgres`), and runs on the thread of whoever asks.

mod look;
mod made;
mod row_tables;
mod server;

pub use made::{TableMade, make};
pub use row_tables::{RowTables, TableProgress, TablesOf};
pub use server::{PostgresAddress, PostgresServer};
