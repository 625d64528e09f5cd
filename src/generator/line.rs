//! A transaction as a line of JSON, right or damaged.

use super::random::Random;
use std::io::Write;
use tidemark_operators::time::EventTime;

/// One card transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transaction {
    pub number: u64,
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
    pub at: EventTime,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Truncated,
    AmountIsText,
    AmountIsNan,
    AmountIsHuge,
    NoCard,
    NoTime,
    YearOne,
    Year9999,
    NotUtf8,
    TrailingGarbage,
}

const DAMAGES: [Damage; 10] = [
    Damage::Truncated,
    Damage::AmountIsText,
    Damage::AmountIsNan,
    Damage::AmountIsHuge,
    Damage::NoCard,
    Damage::NoTime,
    Damage::YearOne,
    Damage::Year9999,
    Damage::NotUtf8,
    Damage::TrailingGarbage,
];

/// A card's id.
pub(super) fn card_id(card: u32, into: &mut Vec<u8>) {
    let _ = write!(into, "card_{card:07}");
}

/// Appends the transaction, without a line end.
pub(super) fn write(transaction: &Transaction, into: &mut Vec<u8>) {
    write_with(transaction, None, into);
}

/// Appends the transaction with something wrong.
pub(super) fn write_damaged(transaction: &Transaction, random: &mut Random, into: &mut Vec<u8>) {
    let which = usize::try_from(random.below(DAMAGES.len() as u64)).unwrap_or(0);
    let damage = DAMAGES.get(which).copied();
    let start = into.len();
    write_with(transaction, damage, into);
    match damage {
        Some(Damage::Truncated) => {
            let length = (into.len() - start) as u64;
            let kept = usize::try_from(1 + random.below(length - 1)).unwrap_or(1);
            into.truncate(start + kept);
        }
        Some(Damage::NotUtf8) => {
            if let Some(byte) = into.get_mut(start + 22) {
                *byte = 0xff;
            }
        }
        Some(Damage::TrailingGarbage) => into.extend_from_slice(b"}{"),
        _ => {}
    }
}

// Writing to a vector cannot fail.
fn write_with(t: &Transaction, damage: Option<Damage>, into: &mut Vec<u8>) {
    let _ = write!(into, "{{\"transaction_id\":\"txn_{:011}\"", t.number);
    if damage != Some(Damage::NoCard) {
        into.extend_from_slice(b",\"card_id\":\"");
        card_id(t.card, into);
        into.push(b'"');
    }
    let _ = write!(into, ",\"user_id\":\"user_{:07}\",\"amount\":", t.user);
    let (whole, cents) = (t.amount / 100, t.amount % 100);
    let _ = match damage {
        Some(Damage::AmountIsText) => write!(into, "\"{whole}.{cents:02}\""),
        Some(Damage::AmountIsNan) => write!(into, "NaN"),
        Some(Damage::AmountIsHuge) => write!(into, "{whole}.{cents:02}e300"),
        _ => write!(into, "{whole}.{cents:02}"),
    };
    let [a, b, c, d] = t.address;
    let (currency, merchant, mcc, country) = (t.currency, t.merchant, t.mcc, t.country);
    let (device, nth) = t.device;
    let status = if t.declined { "declined" } else { "approved" };
    let _ = write!(
        into,
        ",\"currency\":\"{currency}\",\"merchant_id\":\"mer_{merchant:05}\",\"mcc\":\"{mcc}\",\
         \"country\":\"{country}\",\"device_id\":\"dev_{device:07}_{nth}\",\
         \"ip_address\":\"{a}.{b}.{c}.{d}\",\"status\":\"{status}\"",
    );
    let _ = match damage {
        Some(Damage::NoTime) => Ok(()),
        Some(Damage::YearOne) => write!(into, ",\"timestamp\":-62135596800000"),
        Some(Damage::Year9999) => write!(into, ",\"timestamp\":253402300799999"),
        _ => write!(into, ",\"timestamp\":{}", t.at),
    };
    into.push(b'}');
}
