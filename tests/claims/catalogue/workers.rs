//! One, two and three workers give the same bytes: sealed lines, final online rows, dead letters.

use super::Subject;
use super::histories::random;
use crate::memory::{Run, replay};
use tidemark::engine::Online;

fn gives_the_same_bytes(subject: &Subject) {
    for seed in 0..4 {
        let history = random(subject.shape(2_000 + seed, 1_000), subject.write);
        let one = replay(&subject.plan, &history.log, &Run::default());
        assert!(!one.sealed.is_empty());
        for workers in [1, 2, 3] {
            let online = if workers == 2 { Online::EveryStep } else { Online::AtEnd };
            let run = Run { workers, seed: 7 * seed + 1, online, ..Run::default() };
            let other = replay(&subject.plan, &history.log, &run);
            assert!(other == one, "{}, seed {seed}, {workers} workers", subject.job.name);
        }
    }
}

#[test]
fn fraud_gives_the_same_bytes() {
    gives_the_same_bytes(&Subject::fraud());
}

#[test]
fn personalization_gives_the_same_bytes() {
    gives_the_same_bytes(&Subject::personalization());
}

#[test]
fn behavior_gives_the_same_bytes() {
    gives_the_same_bytes(&Subject::behavior());
}
