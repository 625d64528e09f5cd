//! A click as a line of JSON, right or damaged.

use super::Page;
use crate::generator::damage::{Damage, write_number, write_time_and_end};
use crate::generator::sessions::write_user;
use std::io::Write;
use tidemark_operators::time::EventTime;

/// Something done in the shop.
#[derive(Clone, Copy, Debug)]
pub(in crate::generator) struct Click {
    pub user: u32,
    pub session: Option<u64>,
    pub event_type: &'static str,
    pub page: Page,
    pub product: Option<u32>,
    /// Time on the page in tenths of a second.
    pub dwell: Option<u64>,
    /// In hundredths of the page.
    pub scroll: Option<u32>,
    /// Whether there is something in the cart.
    pub planted: bool,
}

impl Click {
    /// Appends the click with this number, without a line end. What is not known is left out, but
    /// for the session, which is null.
    pub fn write(&self, number: u64, at: EventTime, damage: Option<Damage>, into: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = write!(into, "{{\"event_id\":\"clk_{number:011}\"");
        if damage != Some(Damage::NoKey) {
            into.extend_from_slice(b",\"user_id\":\"");
            write_user(self.user, into);
            into.push(b'"');
        }
        let _ = match self.session {
            Some(session) => write!(into, ",\"session_id\":\"visit_{session:016x}\""),
            None => into.write_all(b",\"session_id\":null"),
        };
        let _ = write!(into, ",\"event_type\":\"{}\",\"page\":\"", self.event_type);
        self.write_page(into);
        into.push(b'"');
        if let Some(product) = self.product {
            let _ = write!(into, ",\"product_id\":\"prd_{product:05}\"");
        }
        let dwell = self.dwell.or_else(|| damage.filter(|d| d.is_of_number()).map(|_| 125));
        if let Some(tenths) = dwell {
            into.extend_from_slice(b",\"dwell_time_sec\":");
            write_number(format_args!("{}.{}", tenths / 10, tenths % 10), damage, into);
        }
        if let Some(hundredths) = self.scroll {
            let (whole, hundredths) = (hundredths / 100, hundredths % 100);
            let _ = write!(into, ",\"scroll_depth\":{whole}.{hundredths:02}");
        }
        write_time_and_end(at, damage, into);
    }

    fn write_page(&self, into: &mut Vec<u8>) {
        let _ = match self.page {
            Page::Home => into.write_all(b"/"),
            Page::Results => into.write_all(b"/search"),
            Page::Category(name) => write!(into, "/category/{name}"),
            Page::Product(product) => write!(into, "/product/prd_{product:05}"),
            Page::Cart => into.write_all(b"/cart"),
            Page::Checkout => into.write_all(b"/checkout"),
            Page::Order => into.write_all(b"/order"),
        };
    }
}
