//! Where a visit goes next.

use super::Visit;
use crate::generator::random::{Random, Zipf};
use tidemark_operators::time::{Millis, SECOND};

/// Categories of products, by their number.
const CATEGORIES: [&str; 12] = [
    "audio", "bags", "books", "cameras", "coats", "garden", "kitchen", "lamps", "shoes", "sports",
    "toys", "watches",
];

/// A page of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::generator) enum Page {
    Home,
    Results,
    /// The list of a category.
    Category(&'static str),
    Product(u32),
    Cart,
    Checkout,
    Order,
}

impl Page {
    /// Whether there is more of it than fits a screen.
    pub fn scrolls(self) -> bool {
        !matches!(self, Page::Cart | Page::Order)
    }
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    View(Page),
    Search,
    /// A click on a product of a list.
    Open(u32),
    /// A click on a picture or a review.
    Look,
    Add(u32),
    Remove(u32),
    Purchase(u32),
}

impl Doing {
    pub fn event_type(self) -> &'static str {
        match self {
            Doing::View(_) => "page_view",
            Doing::Search => "search",
            Doing::Open(_) | Doing::Look => "click",
            Doing::Add(_) => "cart_add",
            Doing::Remove(_) => "cart_remove",
            Doing::Purchase(_) => "purchase",
        }
    }

    /// The product it is about, on `page`.
    pub fn product(self, page: Page) -> Option<u32> {
        match (self, page) {
            (Doing::Open(p) | Doing::Add(p) | Doing::Remove(p) | Doing::Purchase(p), _)
            | (Doing::View(Page::Product(p)), _)
            | (Doing::Look, Page::Product(p)) => Some(p),
            _ => None,
        }
    }

    /// How long until something else is done: median, and deviation of the logarithm.
    pub fn time(self) -> (Millis, f64) {
        match self {
            Doing::View(page) => {
                let seconds = match page {
                    Page::Home => 8,
                    Page::Results => 14,
                    Page::Category(_) => 16,
                    Page::Product(_) => 26,
                    Page::Cart => 12,
                    Page::Checkout => 50,
                    Page::Order => 9,
                };
                (seconds * SECOND, 0.8)
            }
            Doing::Look => (5 * SECOND, 0.7),
            Doing::Search | Doing::Open(_) => (600, 0.4),
            Doing::Add(_) | Doing::Remove(_) | Doing::Purchase(_) => (1_500, 0.5),
        }
    }
}

/// The page that somebody comes to first.
pub(super) fn landing(random: &mut Random, products: &Zipf) -> Page {
    match random.below(100) {
        0..50 => Page::Home,
        50..68 => category(random),
        68..74 => Page::Results,
        _ => Page::Product(products.sample(random)),
    }
}

fn category(random: &mut Random) -> Page {
    let which = usize::try_from(random.below(CATEGORIES.len() as u64)).unwrap_or(0);
    Page::Category(CATEGORIES.get(which).copied().unwrap_or("toys"))
}

impl Visit {
    /// What is done after what was just done; `None` when the visit is over.
    pub(super) fn go_on(&mut self, random: &mut Random, products: &Zipf) -> Option<Doing> {
        let next = self.choose(random, products);
        if next.is_none() && self.hunter && random.chance(0.85) {
            // On to the next bargain.
            return Some(Doing::View(Page::Product(products.sample(random))));
        }
        next
    }

    fn choose(&mut self, random: &mut Random, products: &Zipf) -> Option<Doing> {
        let dice = random.below(100);
        match self.doing {
            Doing::View(Page::Home) => match dice {
                0..34 => Some(Doing::Search),
                34..80 => Some(Doing::View(category(random))),
                _ => None,
            },
            Doing::Search => Some(Doing::View(Page::Results)),
            Doing::View(Page::Results | Page::Category(_)) => match dice {
                0..62 => Some(Doing::Open(products.sample(random))),
                62..73 => Some(Doing::Search),
                73..84 => Some(Doing::View(category(random))),
                _ => None,
            },
            Doing::Open(product) => Some(Doing::View(Page::Product(product))),
            Doing::View(Page::Product(product)) => match dice {
                0..14 => Some(self.add(product)),
                14..34 => Some(Doing::Look),
                _ => self.on_from_product(dice, random, products),
            },
            Doing::Look => match (dice, self.page) {
                (0..24, Page::Product(product)) => Some(self.add(product)),
                _ => self.on_from_product(dice, random, products),
            },
            Doing::Add(_) => match dice {
                0..55 => Some(Doing::View(Page::Cart)),
                55..86 => Some(Doing::View(category(random))),
                _ => None,
            },
            Doing::View(Page::Cart) => match dice {
                0..12 => Some(self.remove()),
                12..58 => Some(Doing::View(Page::Checkout)),
                58..80 => Some(Doing::View(category(random))),
                _ => None,
            },
            Doing::Remove(_) => match dice {
                0..60 if self.in_cart > 0 => Some(Doing::View(Page::Cart)),
                0..45 => Some(Doing::View(category(random))),
                _ => None,
            },
            Doing::View(Page::Checkout) => match dice {
                0..62 => {
                    self.in_cart = 0;
                    Some(Doing::Purchase(self.wanted))
                }
                62..74 => Some(Doing::View(Page::Cart)),
                _ => None,
            },
            Doing::Purchase(_) => (dice < 88).then_some(Doing::View(Page::Order)),
            Doing::View(Page::Order) => (dice < 12).then_some(Doing::View(Page::Home)),
        }
    }

    fn on_from_product(&self, dice: u64, random: &mut Random, products: &Zipf) -> Option<Doing> {
        match dice {
            // Who has something in the cart comes back to it.
            34..46 if self.in_cart > 0 => Some(Doing::View(Page::Cart)),
            0..62 => Some(Doing::View(category(random))),
            62..80 => Some(Doing::View(Page::Product(products.sample(random)))),
            _ => None,
        }
    }

    fn add(&mut self, product: u32) -> Doing {
        self.in_cart += 1;
        self.wanted = product;
        Doing::Add(product)
    }

    fn remove(&mut self) -> Doing {
        self.in_cart = self.in_cart.saturating_sub(1);
        Doing::Remove(self.wanted)
    }
}
