//! A transaction as a line of JSON, right or damaged.

use crate::generator::damage::{Damage, write_number, write_time_and_end};
use std::io::Write;
use tidemark_operators::time::EventTime;

/// One card transaction.
#[derive(Clone, Copy, Debug)]
pub(in crate::generator) struct Transaction {
    pub card: u32,
    pub user: u32,
    /// In cents.
    pub amount: u64,
    pub currency: &'static str,
    pub merchant: u32,
    pub mcc: &'static str,
    pub country: &'static str,
    /// The number of the card the device was first seen with, and which of its devices it is.
    pub device: (u32, u64),
    pub address: [u8; 4],
    pub declined: bool,
    /// Whether it is an attempt at a card that is being tested.
    pub planted: bool,
}

impl Transaction {
    /// Appends the card's id.
    pub fn write_key(&self, into: &mut Vec<u8>) {
        let _ = write!(into, "card_{:07}", self.card);
    }

    /// Appends the transaction with this number, without a line end.
    pub fn write(&self, number: u64, at: EventTime, damage: Option<Damage>, into: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = write!(into, "{{\"transaction_id\":\"txn_{number:011}\"");
        if damage != Some(Damage::NoKey) {
            into.extend_from_slice(b",\"card_id\":\"");
            self.write_key(into);
            into.push(b'"');
        }
        let _ = write!(into, ",\"user_id\":\"user_{:07}\",\"amount\":", self.user);
        let (whole, cents) = (self.amount / 100, self.amount % 100);
        write_number(format_args!("{whole}.{cents:02}"), damage, into);
        let [a, b, c, d] = self.address;
        let Transaction { currency, merchant, mcc, country, .. } = *self;
        let (device, nth) = self.device;
        let status = if self.declined { "declined" } else { "approved" };
        let _ = write!(
            into,
            ",\"currency\":\"{currency}\",\"merchant_id\":\"mer_{merchant:05}\",\"mcc\":\"{mcc}\",\
             \"country\":\"{country}\",\"device_id\":\"dev_{device:07}_{nth}\",\
             \"ip_address\":\"{a}.{b}.{c}.{d}\",\"status\":\"{status}\"",
        );
        write_time_and_end(at, damage, into);
    }
}
