//! What other systems aggregate and this one does not: what comes nearest to it.
//!
//! A name that only looks like it (`decay` is near `delay`, `last_k` near `last`) would mislead:
//! who writes one of these knows what it is, and is told that it is not there.

use crate::document::Table;

/// Names of one thing that is not there, and what is nearest to it.
struct Absent {
    names: &'static [&'static str],
    instead: &'static str,
}

const DECAY: &str = "nothing is weighed by its age: the nearest are \"sum\" or \"count\" over several \
     windows, such as 5m, 1h and 24h; in each an event counts whole until it is as old as the window";
const LAST_K: &str = "no list of the last events is kept: the nearest are \"latest\" (a field of the \
     newest event), \"previous\" (of the one before it) and aggregates over a short window";

const ABSENT: [Absent; 8] = [
    Absent {
        names: &[
            "decay",
            "decayed",
            "decayed_sum",
            "decayed_count",
            "decay_sum",
            "decay_count",
            "exp_decay",
            "exponential_decay",
            "time_decay",
            "half_life",
            "halflife",
            "ewma",
            "ema",
            "ewm",
            "ewm_mean",
        ],
        instead: DECAY,
    },
    Absent {
        names: &[
            "last_k",
            "last_n",
            "lastk",
            "lastn",
            "last_",
            "first_k",
            "first_n",
            "recent",
            "collect",
            "collect_list",
            "collect_set",
            "array_agg",
            "list",
            "history",
            "approx_last_k",
        ],
        instead: LAST_K,
    },
    Absent {
        names: &["top_k", "top_n", "topk", "topn", "top_", "mode", "most_frequent", "most_common"],
        instead: "the most frequent values are not kept: the nearest are \"distinct\", \"entropy\" \
                  and a \"ratio\" whose \"where\" names the value",
    },
    Absent {
        names: &[
            "median",
            "percentile",
            "percentiles",
            "quantile",
            "quantiles",
            "approx_percentile",
            "p",
            "p_",
        ],
        instead: "there are no percentiles: the nearest are \"max\", \"min\", \"avg\" and \"stddev\"",
    },
    Absent {
        names: &["variance", "var", "var_pop"],
        instead: "the nearest is \"stddev\", its root: an expression can multiply it by itself",
    },
    Absent {
        names: &["lag", "shift"],
        instead: "the nearest is \"previous\", of the event before the latest one; \"previous_gap\" is \
                  the time between the two",
    },
    Absent {
        names: &["rate", "frequency", "velocity"],
        instead: "the nearest is \"count\" over a window; an expression can divide it by the length",
    },
    Absent {
        names: &[
            "count_distinct",
            "nunique",
            "unique",
            "unique_count",
            "cardinality",
            "approx_count_distinct",
            "hll",
        ],
        instead: "the nearest is \"distinct\", which counts exactly",
    },
];

/// What comes nearest to an aggregate that is not there, if it is one that others have.
pub(crate) fn instead_of(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    // `last_10`, `p95`: the number says which, not what.
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let mut absent = ABSENT.iter();
    absent.find(|it| it.names.contains(&stem)).map(|it| it.instead)
}

/// Records keys of a feature that would belong to aggregates which are not there.
pub(crate) fn refuse_absent_keys(feature: &mut Table<'_>) {
    for key in ["decay", "half_life", "halflife", "alpha"] {
        feature.unknown(key, DECAY);
    }
    for key in ["k", "n", "top", "last"] {
        feature.unknown(key, LAST_K);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_called_absent_that_is_there() {
        let absent = ABSENT.iter().flat_map(|it| it.names);
        for name in absent {
            assert!(crate::aggregate::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_number_behind_the_name_says_which_not_what() {
        assert_eq!(instead_of("last_10"), instead_of("last_k"));
        assert_eq!(instead_of("P95"), instead_of("median"));
        assert_eq!(instead_of("sum"), None);
        assert_eq!(instead_of("9"), None);
    }
}
