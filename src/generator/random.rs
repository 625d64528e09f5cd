//! Randomness with the same bits on every machine and in every release: same seed, same traffic.
//!
//! Why this way: `rand`'s small generator may change between its releases and between platforms,
//! and a workload that does is not comparable. This is xoshiro256++ seeded by SplitMix64;
//! transcendental functions come from `libm`.

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: [u64; 4],
}

/// A number that depends on all bits of its parts: attributes of cards and merchants by number.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Maps all of `u64` evenly onto `0..n`.
pub(super) fn reduce(random: u64, n: u64) -> u64 {
    // The upper half of a 128-bit product is below `n`.
    u64::try_from((u128::from(random) * u128::from(n)) >> 64).unwrap_or(0)
}

impl Random {
    pub fn new(seed: u64) -> Self {
        let seed = mix(seed, 0);
        Self { state: [mix(seed, 1), mix(seed, 2), mix(seed, 3), mix(seed, 4) | 1] }
    }

    pub fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// From 0 to `n - 1`; 0 when `n` is.
    pub fn below(&mut self, n: u64) -> u64 {
        reduce(self.next(), n)
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

/// Ranks from 0 to `n - 1`, rank `k` with weight `(k + 1)^-exponent`, by rejection-inversion
/// (Hörmann and Derflinger 1996): constant time, no table.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    n: f64,
    exponent: f64,
    first: f64,
    last: f64,
    squeeze: f64,
}

impl Zipf {
    /// The exponent must not be 1.
    pub fn new(n: u32, exponent: f64) -> Self {
        let mut zipf =
            Self { n: f64::from(n.max(1)), exponent, first: 0.0, last: 0.0, squeeze: 0.0 };
        zipf.first = zipf.integral(1.5) - 1.0;
        zipf.last = zipf.integral(zipf.n + 0.5);
        zipf.squeeze = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    pub fn sample(&self, random: &mut Random) -> u32 {
        loop {
            let u = self.last + random.unit() * (self.first - self.last);
            let x = self.inverse(u);
            let k = libm::round(x).clamp(1.0, self.n);
            if k - x <= self.squeeze || u >= self.integral(k + 0.5) - self.weight(k) {
                return k as u32 - 1;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        libm::exp(-self.exponent * libm::log(x))
    }

    fn integral(&self, x: f64) -> f64 {
        let s = 1.0 - self.exponent;
        (libm::exp(s * libm::log(x)) - 1.0) / s
    }

    fn inverse(&self, y: f64) -> f64 {
        let s = 1.0 - self.exponent;
        libm::exp(libm::log(1.0 + y * s) / s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_in_every_release() {
        let mut random = Random::new(7);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        let mut again = Random::new(7);
        assert_eq!(first, (0..3).map(|_| again.next()).collect::<Vec<_>>());
        assert_ne!(first[0], Random::new(8).next());
    }

    #[test]
    fn ranks_follow_the_power_law() {
        let (n, draws) = (50_u32, 200_000_u32);
        let zipf = Zipf::new(n, 0.8);
        let mut random = Random::new(1);
        let mut counts = vec![0_u32; 50];
        for _ in 0..draws {
            counts[usize::try_from(zipf.sample(&mut random)).unwrap()] += 1;
        }
        let total: f64 = (1..=n).map(|k| f64::from(k).powf(-0.8)).sum();
        for (k, count) in (1..=n).zip(counts) {
            let expected = f64::from(draws) * f64::from(k).powf(-0.8) / total;
            let sigma = expected.sqrt();
            assert!((f64::from(count) - expected).abs() < 5.0 * sigma, "{k}: {count} {expected}");
        }
        assert_eq!(Zipf::new(1, 0.8).sample(&mut random), 0);
    }
}
