//! Whole job files.

use crate::{FRAUD, load};

#[test]
fn fraud_is_understood() {
    let job = load("fraud.toml", FRAUD).unwrap_or_else(|errors| panic!("{errors}"));
    println!("{}", job.report());
}
