//! What the reference says about operators, loosest first.

/// Operators that bind alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct OperatorDoc {
    /// How they are written.
    pub(super) written: &'static [&'static str],
    /// What they stand between, or before.
    pub(super) takes: &'static str,
    /// The type of the result.
    pub(super) gives: &'static str,
    /// When the result is null.
    pub(super) nulls: &'static str,
    /// At least one for each way of writing.
    pub(super) examples: &'static [&'static str],
}

pub(super) const LEVELS: [OperatorDoc; 9] = [
    OperatorDoc {
        written: &["or"],
        takes: "bools",
        gives: "bool",
        nulls: "when one is null and none is true",
        examples: &["approved or flag", "count > 9 or flag"],
    },
    OperatorDoc {
        written: &["and"],
        takes: "bools",
        gives: "bool",
        nulls: "when one is null and none is false",
        examples: &["approved and count > 5", "count > 9 and flag"],
    },
    OperatorDoc {
        written: &["not"],
        takes: "a bool after it",
        gives: "bool",
        nulls: "when the operand is",
        examples: &["not approved"],
    },
    OperatorDoc {
        written: &["=", "==", "!="],
        takes: "numbers, or two values of one type",
        gives: "bool",
        nulls: "when an operand is",
        examples: &["country = \"DE\"", "country == 'FR'", "amount != 120.5"],
    },
    OperatorDoc {
        written: &["<", "<=", ">", ">="],
        takes: "numbers, strings or timestamps",
        gives: "bool",
        nulls: "when an operand is",
        examples: &["score < 0.5", "count <= 7", "amount > count", "country >= \"E\""],
    },
    OperatorDoc {
        written: &["in", "not in"],
        takes: "a value before, literals in braces after it; no bools",
        gives: "bool",
        nulls: "when the value before it is",
        examples: &["country in {\"DE\", \"FR\"}", "count not in {1, 2, 3}", "city in {\"Lyon\"}"],
    },
    OperatorDoc {
        written: &["+", "-"],
        takes: "numbers; `-` also two timestamps",
        gives: "see below",
        nulls: "when an operand is, or the result is out of range",
        examples: &["amount + 0.25", "count - 10"],
    },
    OperatorDoc {
        written: &["*", "/"],
        takes: "numbers",
        gives: "`*` see below, `/` double",
        nulls: "when an operand is, or the result is out of range; `/` also when the divisor is 0",
        examples: &["amount * 2", "amount / count", "amount / (count - 7)"],
    },
    OperatorDoc {
        written: &["-"],
        takes: "a number after it",
        gives: "its type",
        nulls: "when the operand is",
        examples: &["-amount", "2 * -count"],
    },
];
