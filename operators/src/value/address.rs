//! Addresses as texts and as bytes.

use std::net::IpAddr;

/// The address that `text` is; `None` when it is none.
///
/// All texts of one address give one value: letters of either case, leading zeros and `::` of IPv6,
/// and an IPv4 address inside of an IPv6 one (`::ffff:192.0.2.7` or `::ffff:c000:207`) is that IPv4
/// address. `::192.0.2.7` is an address of its own: nothing maps it to one of IPv4.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    if let Some(octets) = v4(text.as_bytes()) {
        return Some(octets.into());
    }
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// The octets of an IPv4 address, which nearly all are; `None` for anything else.
#[inline]
fn v4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut rest = text;
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let digits = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let (number, after) = rest.split_at_checked(digits)?;
        // Nobody knows whether zeros in front mean octal.
        *octet = match number {
            [a] => a - b'0',
            [a @ b'1'..=b'9', b] => (a - b'0') * 10 + (b - b'0'),
            [a @ b'1'..=b'2', b, c] => {
                ((a - b'0') * 100).checked_add((b - b'0') * 10 + (c - b'0'))?
            }
            _ => return None,
        };
        rest = after;
    }
    rest.is_empty().then_some(octets)
}

/// The bytes that stand for an address in columns, dictionaries and tables: 4, also for an IPv4
/// address inside of an IPv6 one, or 16.
pub fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The address that 4 or 16 bytes stand for.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Column, Value};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_ipv4_address_is_read_as_by_the_standard_library(
            text in prop_oneof![
                "[0-9]{1,3}(\\.[0-9]{1,3}){3}",
                "(25[0-9]|2[0-4][0-9]|1?[0-9]{1,2})(\\.(25[0-6]|2[0-4][0-9]|1?[0-9]?[0-9])){2,4}",
                "[0-9.]{0,16}",
                any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
            ],
        ) {
            prop_assert_eq!(v4(text.as_bytes()), text.parse().ok().map(|ip: std::net::Ipv4Addr| ip.octets()), "{}", text);
        }
    }

    #[test]
    fn every_octet_is_read_in_every_place() {
        let numbers = (0..1_000).map(|n| n.to_string());
        for number in
            numbers.chain(["", "00", "01", "000", "0000", "1000", "+1", " 1"].map(str::to_owned))
        {
            for place in 0..4 {
                let mut parts = ["1", "20", "255", "0"];
                parts[place] = &number;
                let text = parts.join(".");
                let octets = text.parse().ok().map(|ip: std::net::Ipv4Addr| ip.octets());
                assert_eq!(v4(text.as_bytes()), octets, "{text}");
            }
        }
    }

    /// Texts of one address, a line each.
    const SAME: [&[&str]; 5] = [
        &[
            "192.0.2.7",
            "::ffff:192.0.2.7",
            "::FFFF:192.0.2.7",
            "::ffff:c000:207",
            "::ffff:C000:0207",
            "0:0:0:0:0:ffff:c000:207",
            "0000:0000:0000:0000:0000:ffff:192.0.2.7",
        ],
        &[
            "2001:db8::1",
            "2001:DB8::1",
            "2001:0db8::0001",
            "2001:db8:0:0:0:0:0:1",
            "2001:db8::0:0:1",
            "2001:db8::0.0.0.1",
        ],
        &["::192.0.2.7", "::c000:207", "0::C000:0207"],
        &["64:ff9b::192.0.2.7", "64:ff9b::c000:207"],
        &["::1", "0:0:0:0:0:0:0:1", "::0.0.0.1"],
    ];

    #[test]
    fn an_address_is_one_value_however_it_is_written() {
        let mut seen = Vec::new();
        for texts in SAME {
            let address = parse_address(texts[0]).unwrap();
            assert!(!seen.contains(&address), "{address} is two of the table's lines");
            seen.push(address);
            for text in texts {
                assert_eq!(parse_address(text), Some(address), "{text}");
                // Not every caller parses: what is handed over as it was read is the same bytes.
                let raw: IpAddr = text.parse().unwrap();
                let mut column = Column::default();
                column.push_ip(raw);
                column.push_value(&Value::Ip(raw));
                let bytes = address_bytes(address);
                assert_eq!(column.bytes(0), Some(&bytes[..]), "{text}");
                assert_eq!(column.bytes(1), Some(&bytes[..]), "{text}");
                assert_eq!(address_bytes(raw), bytes, "{text}");
                assert_eq!(super::address(&bytes), Some(address), "{text}");
            }
        }
    }

    #[test]
    fn what_may_be_read_as_two_addresses_is_none() {
        // Leading zeros are octal to some readers; a zone says of which network, not who.
        for text in ["192.000.002.007", "192.0.2", "0xc0000207", "fe80::1%eth0", " ::1", "::1 ", ""]
        {
            assert_eq!(parse_address(text), None, "{text:?}");
        }
    }
}
