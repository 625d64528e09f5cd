//! The HTTP server.

use crate::config::keys::Keys;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// The address it listens on; default 127.0.0.1, as it has no authentication.
    pub bind: IpAddr,
    /// Its port; 0 takes any free one; default 8088.
    pub port: u16,
    /// A worker that has not stepped for so long is stalled; default 30 s.
    pub stall_after: Duration,
    /// Whether `/metrics` has what the operators of each worker do; default true.
    pub operator_metrics: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8_088,
            stall_after: Duration::from_secs(30),
            operator_metrics: true,
        }
    }
}

impl HttpSettings {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        let mut bind = self.bind.to_string();
        keys.text("bind", &address, &mut bind);
        if let Ok(address) = bind.parse() {
            self.bind = address;
        }
        keys.port("port", 0, &mut self.port);
        let bounds = Duration::from_secs(2)..=Duration::from_secs(3_600);
        keys.duration("stall_after", bounds, &mut self.stall_after);
        keys.flag("operator_metrics", &mut self.operator_metrics);
    }
}

/// Whether a text is an address to listen on.
pub(super) fn address(text: &str) -> Result<(), String> {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err("must be an IP address: 127.0.0.1, or 0.0.0.0 for every network".to_owned()),
    }
}
