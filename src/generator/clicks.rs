//! Visits to a shop.
//!
//! ```text
//!             ┌─> search ─> results ──┐          ┌─> details ─┐
//!  landing ───┤                       ├─> product ────────────┼─> cart <─> removed
//!             └─> category ───────────┘    ↑ └───── another ──┘    │
//!                    ↑                     └── back to a list ─────┤
//!                    └─────────────────────────────────────────────┴─> checkout ─> purchase
//! ```
//!
//! A visit ends where somebody drops off, mostly before the cart. Times on a page are log-normal,
//! and they are the gaps after page views: none of a visit reaches 25 minutes. Between visits of
//! a user lies an hour at least, unless the rate leaves no other. One user in fifty hunts bargains,
//! quickly and for long; one in twenty has no session id.

mod funnel;
mod line;

pub(super) use line::Click;

use super::random::{Random, Zipf, mix, reduce};
use super::schedule;
use super::sessions::{Rests, World, exponential, log_normal};
use super::{Cast, Members};
use funnel::{Page, ShopStep};
use tidemark_operators::time::{EventTime, HOUR, MINUTE, Millis};

/// How many products there are.
const PRODUCTS: u32 = 20_000;
/// The longest that a page is looked at.
const DWELL_MAX: Millis = 20 * MINUTE;

/// How long the regular of a story stays away: less than the gap that ends a session.
const REGULAR_REST: Millis = 10 * MINUTE;

/// The shop and its users.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    members: Members,
    users: Zipf,
    products: Zipf,
    cast: Cast,
}

/// A user's visit.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    user: u32,
    /// `None`: the user does not let itself be recognised.
    id: Option<u64>,
    /// What is done next.
    doing: ShopStep,
    page: Page,
    in_cart: u32,
    /// What was put into the cart last.
    wanted: u32,
    /// How slow the user is, in hundredths.
    pace: u64,
    hunter: bool,
}

impl Shop {
    pub fn new(members: Members, cast: Cast) -> Self {
        let users = Zipf::new(members.count, 0.8);
        Self { members, users, products: Zipf::new(PRODUCTS, 0.9), cast }
    }

    fn visit(&self, user: u32, now: EventTime, random: &mut Random) -> Visit {
        let seed = self.members.seed;
        let of_user = |what: u64, n: u64| reduce(mix(seed ^ what, u64::from(user)), n);
        let hunter = of_user(0x6875, 50) == 0;
        let pace = if hunter { 35 } else { 60 + of_user(0x7061, 90) };
        let id = (of_user(0x616e, 20) != 0).then(|| mix(mix(seed, u64::from(user)), now));
        let page = funnel::landing(random, &self.products);
        let doing = ShopStep::View(page);
        Visit { user, id, doing, page, in_cart: 0, wanted: 0, pace, hunter }
    }
}

impl World for Shop {
    type Session = Visit;
    type Event = Click;

    fn begin(&self, now: EventTime, rests: &Rests, random: &mut Random) -> Option<(u32, Visit)> {
        let hour = schedule::hour_of_day(now);
        let shift =
            |user: u32| reduce(mix(self.members.seed ^ 0x7368_6966, u64::from(user)), 7) + 21;
        let percent = |user| schedule::busy(hour + shift(user));
        let user = rests.choose(now, random, |random| self.users.sample(random), percent)?;
        Some((user, self.visit(self.members.number(user), now, random)))
    }

    fn step(
        &self,
        visit: &mut Visit,
        _: EventTime,
        random: &mut Random,
    ) -> (Click, Option<Millis>) {
        let doing = visit.doing;
        if let ShopStep::View(page) = doing {
            visit.page = page;
        }
        let (median, deviation) = doing.time();
        let time = log_normal(median * visit.pace / 100, deviation, DWELL_MAX, random);
        let mut click = Click {
            user: visit.user,
            // Now and then the id gets lost.
            session: visit.id.filter(|_| !random.chance(0.01)),
            event_type: doing.event_type(),
            page: visit.page,
            product: doing.product(visit.page),
            dwell: None,
            scroll: None,
            planted: visit.in_cart > 0,
        };
        if let ShopStep::View(page) = doing {
            click.dwell = (!random.chance(0.04)).then_some(time / 100);
            click.scroll = (page.scrolls() && !random.chance(0.1)).then(|| scroll(random));
        }
        let next = visit.go_on(random, &self.products);
        visit.doing = next.unwrap_or(doing);
        (click, next.map(|_| time.max(200)))
    }

    fn regular(&self, now: EventTime, random: &mut Random) -> Option<Visit> {
        (self.cast == Cast::Story).then(|| self.visit(self.members.number(0), now, random))
    }

    fn rest(&self, user: u32, random: &mut Random) -> Millis {
        if self.cast == Cast::Story && user == 0 {
            return REGULAR_REST;
        }
        HOUR + exponential(2 * HOUR, random)
    }
}

/// How far down a page was scrolled, in hundredths: rarely to the end.
fn scroll(random: &mut Random) -> u32 {
    let u = random.unit().min(random.unit() + 0.3);
    (5.0 + 95.0 * u) as u32
}
