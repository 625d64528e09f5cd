//! Addresses, from ranges that are reserved for documentation, private use and benchmarks.
//!
//! The sample table `jobs/ip_reputation.csv` says how bad each range is; a test holds the two
//! together.

use crate::generator::random::{mix, reduce};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of network an address is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The company's own: scores from 0.02 to 0.1.
    Office,
    /// Internet providers for homes and phones: above 0.1 up to 0.4.
    Home,
    /// Rented servers, VPNs, anonymisers: from 0.7 to 0.98.
    Hostile,
    /// In no range of the table.
    Unlisted,
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug)]
enum Pool {
    V4(Ipv4Addr, u32),
    V6(Ipv6Addr, u32),
}

const fn v4(a: u8, b: u8, c: u8, bits: u32) -> Pool {
    Pool::V4(Ipv4Addr::new(a, b, c, 0), bits)
}

/// In `2001:db8::/32`.
const fn v6(third: u16, bits: u32) -> Pool {
    Pool::V6(Ipv6Addr::new(0x2001, 0xdb8, third, 0, 0, 0, 0, 0), bits)
}

const HOMES: [Pool; 7] = [
    v4(100, 64, 0, 12),
    v4(100, 80, 0, 12),
    v4(100, 96, 0, 12),
    v4(198, 18, 0, 17),
    v4(198, 18, 128, 17),
    v6(0x1000, 40),
    v6(0x2000, 40),
];

const HOSTILE: [Pool; 8] = [
    v4(198, 19, 0, 18),
    v4(198, 19, 64, 19),
    v4(198, 19, 66, 24),
    v4(203, 0, 113, 24),
    v4(198, 51, 100, 24),
    v4(100, 127, 255, 24),
    v6(0xe000, 40),
    v6(0xe00d, 48),
];

const UNLISTED: [Pool; 2] = [v4(192, 0, 2, 24), v6(0xdead, 48)];

/// An address of a class: `pool` decides which of its ranges, `host` which address in that.
pub(super) fn address(class: Class, pool: u64, host: u64) -> IpAddr {
    let pools: &[Pool] = match class {
        Class::Office => return office(0, host),
        Class::Home => &HOMES,
        Class::Hostile => &HOSTILE,
        Class::Unlisted => &UNLISTED,
    };
    let at = usize::try_from(reduce(pool, pools.len() as u64)).unwrap_or(0);
    match pools.get(at) {
        Some(pool) => pool.address(host),
        None => office(0, host),
    }
}

/// An address in the office of a place; every tenth has no old one.
pub(super) fn office(place: usize, host: u64) -> IpAddr {
    let number = u8::try_from(place).unwrap_or(0);
    match reduce(mix(host, 1), 10) {
        0 => v6(u16::from(number), 48).address(host),
        _ => v4(10, 10 + number, 0, 16).address(host),
    }
}

impl Pool {
    fn address(self, host: u64) -> IpAddr {
        match self {
            Pool::V4(network, bits) => {
                let host = u32::try_from(host & 0xffff_ffff).unwrap_or(0) & (u32::MAX >> bits);
                Ipv4Addr::from_bits(network.to_bits() | host).into()
            }
            Pool::V6(network, bits) => {
                let host = u128::from(mix(host, 2)) << 64 | u128::from(host);
                Ipv6Addr::from_bits(network.to_bits() | host & (u128::MAX >> bits)).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = include_str!("../../../jobs/ip_reputation.csv");

    /// The table, row by row: network as 128 bits, whether it is of IPv6, prefix length and score.
    fn table() -> Vec<(u128, bool, u32, f64)> {
        let mut lines = TABLE.lines();
        assert_eq!(lines.next(), Some("network,score"));
        let rows = lines.map(|line| {
            let (network, score) = line.split_once(',').expect(line);
            let (address, bits) = network.split_once('/').expect(line);
            let (address, bits) = (address.parse().expect(line), bits.parse().expect(line));
            let (address, is_v6, most) = number(address);
            let score: f64 = score.parse().expect(line);
            assert!(bits <= most && (0.0..=1.0).contains(&score), "{line}");
            let host = address & !u128::MAX.checked_shl(most - bits).unwrap_or(0);
            assert_eq!(host, 0, "{line}: no bits behind the prefix");
            (address, is_v6, bits, score)
        });
        rows.collect()
    }

    fn number(address: IpAddr) -> (u128, bool, u32) {
        match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), false, 32),
            IpAddr::V6(v6) => (v6.to_bits(), true, 128),
        }
    }

    /// The score of the longest network that holds the address, by trying all of them.
    fn score(table: &[(u128, bool, u32, f64)], address: IpAddr) -> Option<f64> {
        let (address, is_v6, most) = number(address);
        let holds = |(network, v6, bits, _): &&(u128, bool, u32, f64)| {
            let shift = most.saturating_sub(*bits);
            *v6 == is_v6 && address.checked_shr(shift) == network.checked_shr(shift)
        };
        table.iter().filter(holds).max_by_key(|(_, _, bits, _)| *bits).map(|row| row.3)
    }

    #[test]
    fn every_address_has_the_reputation_of_its_kind_of_network() {
        let table = table();
        for n in 0..20_000 {
            let (pool, host) = (mix(1, n), mix(2, n));
            let place = usize::try_from(n % 12).unwrap();
            let of = |address| (address, score(&table, address));
            let (address, found) = of(office(place, host));
            assert!(found.is_some_and(|s| (0.02..=0.1).contains(&s)), "{address} {found:?}");
            let (address, found) = of(super::address(Class::Home, pool, host));
            assert!(found.is_some_and(|s| s > 0.1 && s <= 0.4), "{address} {found:?}");
            let (address, found) = of(super::address(Class::Hostile, pool, host));
            assert!(found.is_some_and(|s| (0.7..=0.98).contains(&s)), "{address} {found:?}");
            let (address, found) = of(super::address(Class::Unlisted, pool, host));
            assert_eq!(found, None, "{address}");
        }
    }

    #[test]
    fn the_sample_table_has_nested_networks_of_both_families_and_no_duplicates() {
        let table = table();
        let of_v6 = |wanted| table.iter().filter(|row| row.1 == wanted).count();
        assert!(of_v6(false) >= 25 && of_v6(true) >= 5, "{} rows", table.len());
        let nested = table.iter().filter(|(network, v6, bits, own)| {
            let shift = if *v6 { 128 } else { 32 };
            table.iter().any(|(outer, outer_v6, outer_bits, score)| {
                let shift = u32::saturating_sub(shift, *outer_bits);
                v6 == outer_v6
                    && outer_bits < bits
                    && network.checked_shr(shift) == outer.checked_shr(shift)
                    && (score - own).abs() > 0.5
            })
        });
        assert!(nested.count() >= 2, "a bad network in a good one, and a good one in a bad one");
        for (at, row) in table.iter().enumerate() {
            let same = |r: &&(u128, bool, u32, f64)| (r.0, r.1, r.2) == (row.0, row.1, row.2);
            assert_eq!(table.iter().position(|r| same(&r)), Some(at));
        }
    }
}
