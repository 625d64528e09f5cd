//! Addresses as servers and proxies write them.
//!
//! A list (`X-Forwarded-For`) is no address, unless the job says which of its addresses to believe:
//! what stands on the left is what the client wrote.

use super::coerce::{Converted, Misfit};
use crate::plan::{Pick, ReadOptions};
use crate::value::parse_address;
use std::net::IpAddr;

/// The address that `text` is, without white space around it.
pub(super) fn read(text: &str, reading: &ReadOptions) -> Result<Converted<'static>, Misfit> {
    if !reading.coerce {
        return parse_address(text).map(Converted::Ip).ok_or(Misfit::Type);
    }
    match &reading.pick {
        None => one(text),
        Some(Pick::First) => one(text.split(',').next().unwrap_or(text)),
        Some(Pick::Last) => one(text.rsplit(',').next().unwrap_or(text)),
        Some(Pick::LastUntrusted(trusted)) => {
            for element in text.rsplit(',') {
                match one(element)? {
                    Converted::Ip(address)
                        if trusted.iter().any(|network| holds(*network, address)) => {}
                    // What cannot be read is nobody's: to its left everything is hearsay.
                    given => return Ok(given),
                }
            }
            one(text.split(',').next().unwrap_or(text))
        }
    }
}

/// Whether a network, by the address it begins with and its length in bits, holds an address.
fn holds((network, length): (IpAddr, u8), address: IpAddr) -> bool {
    let (differ, bits) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(network.to_bits() ^ address.to_bits()), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits() ^ address.to_bits(), 128),
        _ => return false,
    };
    // The bits behind the network's are free.
    differ.checked_shr(bits - u32::from(length).min(bits)).unwrap_or(0) == 0
}

/// One address, or one of the words for none.
fn one(text: &str) -> Result<Converted<'static>, Misfit> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    if let Some(address) = parse_address(text) {
        return Ok(Converted::Ip(address));
    }
    let none = ["", "-", "unknown", "null"];
    if none.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(Converted::Null);
    }
    decorated(text).map(Converted::Ip).ok_or(Misfit::Type)
}

/// An address in brackets, with a port or with a zone.
fn decorated(text: &str) -> Option<IpAddr> {
    let (address, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let (address, after) = inner.split_once(']')?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            return v6(address).filter(|_| port.is_none_or(is_port));
        }
        None if text.contains('%') => return v6(text),
        None => text.split_once(':')?,
    };
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(IpAddr::V4(address))
}

/// An IPv6 address; which network it is of (`%eth0`) is known to its host only.
fn v6(text: &str) -> Option<IpAddr> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: std::net::Ipv6Addr = address.parse().ok()?;
    zone.is_none_or(is_zone).then(|| IpAddr::V6(address).to_canonical())
}

/// What interfaces are called; never what separates an address from the next of a list.
fn is_zone(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b",;%[]".contains(&b))
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, pick: Option<Pick>) -> String {
        let text = text.trim();
        match read(text, &ReadOptions { pick, ..ReadOptions::default() }) {
            Ok(Converted::Ip(address)) => address.to_string(),
            Ok(Converted::Null) => "null".to_owned(),
            Err(Misfit::Type) => "!".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_are_read_as_servers_write_them() {
        for (text, address) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:51034", "192.0.2.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
            ("unknown", "null"),
            ("Unknown", "null"),
            ("-", "null"),
            ("null", "null"),
            ("", "null"),
            ("192.0.2.9, 10.0.0.1", "!"),
            ("192.0.2.7:", "!"),
            ("192.0.2.7:70000", "!"),
            ("192.0.2.7:+80", "!"),
            ("192.0.2.256", "!"),
            ("192.000.002.007", "!"),
            ("[192.0.2.7]", "!"),
            ("[::1]x", "!"),
            ("[::1", "!"),
            ("fe80::1%", "!"),
            ("fe80::1%eth0, 192.0.2.7", "!"),
            ("fe80::1%eth0;192.0.2.7", "!"),
            ("[fe80::1%a,b]:80", "!"),
            ("fe80::1%eth 0", "!"),
            ("192.0.2.7%eth0", "!"),
            ("::1:", "!"),
            ("_hidden", "!"),
            ("localhost", "!"),
        ] {
            assert_eq!(shown(text, None), address, "{text}");
        }
    }

    #[test]
    fn of_a_list_the_job_says_whom_to_believe() {
        let trusted = [("10.0.0.0", 8), ("2001:db8::", 32)];
        let trusted = trusted.map(|(network, length)| (network.parse().unwrap(), length));
        let last = Pick::LastUntrusted(trusted.to_vec());
        for (list, first, last_one, untrusted) in [
            ("192.0.2.9, 10.0.0.1", "192.0.2.9", "10.0.0.1", "192.0.2.9"),
            (
                "1.1.1.1,192.0.2.9 , 10.0.0.1,[2001:db8::7]:80",
                "1.1.1.1",
                "2001:db8::7",
                "192.0.2.9",
            ),
            ("10.0.0.2, 10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"),
            ("1.1.1.1, x, 10.0.0.1", "1.1.1.1", "10.0.0.1", "!"),
            ("1.1.1.1, unknown", "1.1.1.1", "null", "null"),
            ("192.0.2.9", "192.0.2.9", "192.0.2.9", "192.0.2.9"),
            ("::ffff:10.1.1.1", "10.1.1.1", "10.1.1.1", "10.1.1.1"),
        ] {
            assert_eq!(shown(list, Some(Pick::First)), first, "{list}");
            assert_eq!(shown(list, Some(Pick::Last)), last_one, "{list}");
            assert_eq!(shown(list, Some(last.clone())), untrusted, "{list}");
        }
    }
}
