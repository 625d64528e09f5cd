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
pub(super) enum ShopStep {
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

impl ShopStep {
    pub fn event_type(self) -> &'static str {
        match self {
            ShopStep::View(_) => "page_view",
            ShopStep::Search => "search",
            ShopStep::Open(_) | ShopStep::Look => "click",
            ShopStep::Add(_) => "cart_add",
            ShopStep::Remove(_) => "cart_remove",
            ShopStep::Purchase(_) => "purchase",
        }
    }

    /// The product it is about, on `page`.
    pub fn product(self, page: Page) -> Option<u32> {
        match (self, page) {
            (
                ShopStep::Open(p) | ShopStep::Add(p) | ShopStep::Remove(p) | ShopStep::Purchase(p),
                _,
            )
            | (ShopStep::View(Page::Product(p)), _)
            | (ShopStep::Look, Page::Product(p)) => Some(p),
            _ => None,
        }
    }

    /// How long until something else is done: median, and deviation of the logarithm.
    pub fn time(self) -> (Millis, f64) {
        match self {
            ShopStep::View(page) => {
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
            ShopStep::Look => (5 * SECOND, 0.7),
            ShopStep::Search | ShopStep::Open(_) => (600, 0.4),
            ShopStep::Add(_) | ShopStep::Remove(_) | ShopStep::Purchase(_) => (1_500, 0.5),
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
    pub(super) fn go_on(&mut self, random: &mut Random, products: &Zipf) -> Option<ShopStep> {
        let next = self.choose(random, products);
        if next.is_none() && self.hunter && random.chance(0.85) {
            // On to the next bargain.
            return Some(ShopStep::View(Page::Product(products.sample(random))));
        }
        next
    }

    fn choose(&mut self, random: &mut Random, products: &Zipf) -> Option<ShopStep> {
        let dice = random.below(100);
        match self.doing {
            ShopStep::View(Page::Home) => match dice {
                0..34 => Some(ShopStep::Search),
                34..80 => Some(ShopStep::View(category(random))),
                _ => None,
            },
            ShopStep::Search => Some(ShopStep::View(Page::Results)),
            ShopStep::View(Page::Results | Page::Category(_)) => match dice {
                0..62 => Some(ShopStep::Open(products.sample(random))),
                62..73 => Some(ShopStep::Search),
                73..84 => Some(ShopStep::View(category(random))),
                _ => None,
            },
            ShopStep::Open(product) => Some(ShopStep::View(Page::Product(product))),
            ShopStep::View(Page::Product(product)) => match dice {
                0..14 => Some(self.add(product)),
                14..34 => Some(ShopStep::Look),
                _ => self.on_from_product(dice, random, products),
            },
            ShopStep::Look => match (dice, self.page) {
                (0..24, Page::Product(product)) => Some(self.add(product)),
                _ => self.on_from_product(dice, random, products),
            },
            ShopStep::Add(_) => match dice {
                0..55 => Some(ShopStep::View(Page::Cart)),
                55..86 => Some(ShopStep::View(category(random))),
                _ => None,
            },
            ShopStep::View(Page::Cart) => match dice {
                0..12 => Some(self.remove()),
                12..58 => Some(ShopStep::View(Page::Checkout)),
                58..80 => Some(ShopStep::View(category(random))),
                _ => None,
            },
            ShopStep::Remove(_) => match dice {
                0..60 if self.in_cart > 0 => Some(ShopStep::View(Page::Cart)),
                0..45 => Some(ShopStep::View(category(random))),
                _ => None,
            },
            ShopStep::View(Page::Checkout) => match dice {
                0..62 => {
                    self.in_cart = 0;
                    Some(ShopStep::Purchase(self.wanted))
                }
                62..74 => Some(ShopStep::View(Page::Cart)),
                _ => None,
            },
            ShopStep::Purchase(_) => (dice < 88).then_some(ShopStep::View(Page::Order)),
            ShopStep::View(Page::Order) => (dice < 12).then_some(ShopStep::View(Page::Home)),
        }
    }

    fn on_from_product(&self, dice: u64, random: &mut Random, products: &Zipf) -> Option<ShopStep> {
        match dice {
            // Who has something in the cart comes back to it.
            34..46 if self.in_cart > 0 => Some(ShopStep::View(Page::Cart)),
            0..62 => Some(ShopStep::View(category(random))),
            62..80 => Some(ShopStep::View(Page::Product(products.sample(random)))),
            _ => None,
        }
    }

    fn add(&mut self, product: u32) -> ShopStep {
        self.in_cart += 1;
        self.wanted = product;
        ShopStep::Add(product)
    }

    fn remove(&mut self) -> ShopStep {
        self.in_cart = self.in_cart.saturating_sub(1);
        ShopStep::Remove(self.wanted)
    }
}
