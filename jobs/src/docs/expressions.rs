//! The reference of the expression language. Functions, their signatures, types of results and
//! nullability come from the code that checks expressions; examples are evaluated as rows are.

mod examples;
mod operators;
#[cfg(test)]
mod tests;

use super::markdown::{Rows, code, codes, prose};
use super::page::{Page, Section};
use super::values::shown;
use crate::expression::{
    DEPTH_MAX, FunctionDoc, GRAMMAR, LENGTH_MAX, NESTING_MAX, NODES_MAX, functions,
};
use crate::report::thousands;
use examples::{Evaluated, NAMES, evaluated, named_value};
use operators::{LEVELS, OperatorDoc};
use tidemark_operators::expression::Arithmetic;
use tidemark_operators::value::Type;

const NUMBERS: [Type; 4] = [Type::Int, Type::Decimal(2), Type::DECIMAL, Type::Double];

/// The page of the expression language.
pub fn expressions_page() -> Page {
    let lead = "Filters, definitions and derived features of a job file are written in one small \
                typed language. Every expression is checked before a job starts: an unknown name, \
                a misspelt function or types that do not fit are errors, with the column and the \
                nearest right name. An expression cannot fail while the job runs: what has no \
                result is null.\n\nThis page is written by `tidemark docs --expressions` from the \
                code that checks and evaluates expressions; the values of its examples are \
                computed by it.";
    let section = |title: &str, body: String| Section::new(2, title, None, body);
    let mut sections = vec![
        section("Where expressions stand", where_they_stand()),
        section("Names in the examples", names()),
        section("Types", types()),
        section("Literals", literals()),
        section("Null", null()),
        section("Operators", operators_body()),
        section("Types of results", results()),
        section("Functions", functions_body()),
    ];
    for function in functions() {
        sections.push(Section::new(3, "Function", Some(function.name), function_body(function)));
    }
    let grammar = format!(
        "```text\n{}```\n\nA comparison does not chain: write `1 < x and x < 5`. \
        Letters and digits are those of ASCII. White space, line ends included, separates and means \
        nothing else.\n",
        GRAMMAR
    );
    sections.push(section("Grammar", grammar));
    sections.push(section("Bounds", bounds()));
    Page { title: "The expression language".to_owned(), lead: lead.to_owned(), sections }
}

fn where_they_stand() -> String {
    "\
| Key | What it is | Names in it |
| --- | --- | --- |
| `[sources.x.define]` `name = '..'` | a name for an expression over the fields of a record | fields of the source, definitions, `event_time` |
| `where = '..'`, `over = '..'` of a feature, `where` of a view | a bool: which events count; null counts as false | fields of the source, definitions, `event_time` |
| `expression = '..'` of a feature | a feature computed from others | features of the view; `view.feature` of another view of the same entity; fields, what is looked up for an event, and definitions, as of the entity's latest event; `event_time` |

`event_time` is the time of the event, whatever field and unit its source has it in: a timestamp, \
never null, corrected where it lies further ahead of its arrival than `max_ahead` allows. It also goes by \
the last part of its path (`at` where `time = { field = \"meta.at\" }`), where all sources of the view call \
it so and no field has that name. A field may be declared over the same path and keeps what the record \
says. Otherwise, where a name could be a feature or a field it is the feature.

In TOML, single quotes around an expression leave double quotes in it alone: \
`where = 'status = \"declined\"'`. Three single quotes let it go over several lines.
"
    .to_owned()
}

fn names() -> String {
    let mut rows = Rows::new(&["Name", "Type", "Value"]);
    for name in NAMES {
        rows.push([code(name.name), code(&shown_type(name.ty, name.null)), named_value(&name)]);
    }
    format!(
        "The examples on this page name these; a `?` marks a type whose value may be null. The job's \
         time zone is UTC there.\n\n{}",
        rows.finish()
    )
}

fn types() -> String {
    let mut rows = Rows::new(&["Type", "Values", "As a literal"]);
    let all =
        [Type::Bool, Type::Int, Type::DECIMAL, Type::Double, Type::Text, Type::Timestamp, Type::Ip];
    for ty in all {
        let (values, literal) = type_doc(ty);
        rows.push([code(ty.name()), values.to_owned(), literal.to_owned()]);
    }
    format!(
        "{}A decimal feature is shown as a double. Ints, decimals and doubles are **numbers**: they \
         may meet in arithmetic and comparisons. Nothing else is converted: a string is never a \
         number.\n",
        rows.finish()
    )
}

fn type_doc(ty: Type) -> (&'static str, &'static str) {
    match ty {
        Type::Bool => ("true or false", "`true`, `false`"),
        Type::Int => ("whole numbers of 64 bits, exact", "`42`"),
        Type::Decimal(_) => (
            "numbers with up to 6 decimals, exact, of 18 digits in all: amounts, seconds, fractions; \
             `decimal(2)` is one with 2 decimals, and they may have 0 to 12",
            "`12.5`",
        ),
        Type::Double => ("floating point, IEEE 754 with 64 bits", "`0.3`, beside a double"),
        Type::Text => (
            "texts, compared by their bytes, which is the order of code points",
            "`\"DE\"` or `'DE'`, with `\\\"` `\\'` `\\\\` `\\n` `\\r` `\\t`",
        ),
        Type::Timestamp => {
            ("moments, to the millisecond", "`\"2024-05-01T12:30:00.250Z\"`, beside a timestamp")
        }
        Type::Ip => (
            "addresses, IPv4 or IPv6; `::ffff:10.0.0.7` is `10.0.0.7`",
            "`\"10.0.0.7\"`, beside an ip",
        ),
    }
}

fn literals() -> String {
    let mut out = "A literal takes its type from what stands beside it. A number stays the exact \
                   decimal it is written as until then: compared with an int or a decimal it compares \
                   exactly, beside a double it is the nearest double. In arithmetic with ints and \
                   decimals it is an int when it is written without point and exponent, else a \
                   decimal of 6 decimals, or more where it is written with more, up to 12. A string beside a timestamp is RFC 3339, beside \
                   an ip an address. There is no literal for null: ask with `is_null(x)`.\n\n"
        .to_owned();
    out.push_str(&example_rows(&[
        "count > 2.5",
        "count = 2.5",
        "amount >= 1e2",
        "at > \"2024-01-01T00:00:00Z\"",
        "address = \"10.0.0.7\"",
    ]));
    out
}

fn null() -> String {
    let mut out = "Null means that there is no value: a field that the record does not have, an \
                   average over nothing, a division by 0. It goes through every operation: where an \
                   operand is null, so is the result. The exceptions are\n\n\
                   - `and`, `or` and `not`, by which null means \"unknown\": `false and x` is false \
                   and `true or x` is true, whatever x is;\n\
                   - `if`, which takes a null condition for false;\n\
                   - `is_null` and `coalesce`, which look at it.\n\n\
                   A filter that is null does not match. A comparison with null is null, never true: \
                   `x != \"DE\"` does not match events without x; `is_null(x) or x != \"DE\"` does.\n\n"
        .to_owned();
    out.push_str(&example_rows(&[
        "previous_amount + 1",
        "city = \"Lyon\"",
        "city != \"Lyon\"",
        "flag and false",
        "flag or true",
        "not flag",
        "is_null(city) or city != \"Lyon\"",
    ]));
    out
}

fn operators_body() -> String {
    let mut out =
        "Loosest first: what stands further down binds more tightly. Operators of one row \
                   group from left to right. Parentheses go first.\n\n"
            .to_owned();
    let mut rows = Rows::new(&["Operator", "Takes", "Gives", "Null"]);
    let mut all = Vec::new();
    for OperatorDoc { written, takes, gives, nulls, examples } in LEVELS {
        let written = codes(written.iter().copied());
        rows.push([written, takes.to_owned(), gives.to_owned(), nulls.to_owned()]);
        all.extend_from_slice(examples);
    }
    out.push_str(&rows.finish());
    out.push_str(&example_rows(&all));
    out
}

fn results() -> String {
    let mut out = String::from(
        "Int and decimal arithmetic is exact. A result outside ±(2^63 − 1), for a decimal in units of its \
         last place, is null. Where two decimals meet, the result has as many decimals as the one with \
         more of them; a product is rounded to that, half to even. Comparisons are exact. \
         As soon as a double is involved everything is a double, one operation at a time from left \
         to right; a result that is not a finite number is null. `/` always gives a double, so \
         `7 / 2` is 3.5.\n\n",
    );
    let mut rows = Rows::new(&["Left", "Right", "`+` `-` `*`", "`/`"]);
    for left in NUMBERS {
        for right in NUMBERS {
            let cell =
                |op: Arithmetic| op.result(left, right).map_or(String::new(), |ty| code(ty.name()));
            rows.push([
                code(left.name()),
                code(right.name()),
                cell(Arithmetic::Add),
                cell(Arithmetic::Divide),
            ]);
        }
    }
    out.push_str(&rows.finish());
    out.push_str(
        "The difference of two timestamps is an int, in milliseconds; nothing else is defined for \
         them but comparisons, `min`, `max`, `hour` and `weekday`. `if`, `coalesce`, `min` and `max` \
         give the type that holds all their values, as `+` does for numbers.\n\n",
    );
    out.push_str(&example_rows(&[
        "count * 2",
        "count + amount",
        "amount * score",
        "7 / 2",
        "at - \"2024-02-03T22:00:00Z\"",
        "9223372036854775807 + count",
    ]));
    out
}

fn functions_body() -> String {
    let mut rows = Rows::new(&["Function", "Meaning"]);
    for function in functions() {
        let anchor = super::anchor(&format!("Function {}", function.name));
        rows.push([format!("[{}](#{anchor})", code(function.name)), prose(function.doc)]);
    }
    format!(
        "T stands for one type, the same wherever it is written in a signature; numbers of different \
         types count as one type that holds them all.\n\n{}",
        rows.finish()
    )
}

fn function_body(function: &FunctionDoc) -> String {
    let mut out = format!("{}\n\n", code(function.signature));
    out.push_str(&format!("- **Gives:** {}\n", prose(function.doc)));
    if let Some(rule) = examples::null_rule(function.name) {
        out.push_str(&format!("- **Null:** {rule}\n"));
    }
    out.push('\n');
    out.push_str(&example_rows(examples::of_function(function.name)));
    out
}

fn bounds() -> String {
    let mut rows = Rows::new(&["What", "At most"]);
    let all: [(&str, usize); 4] = [
        ("bytes of an expression", LENGTH_MAX),
        ("values, operators, calls and members of sets, definitions included", NODES_MAX),
        ("parentheses, calls and signs inside of another", NESTING_MAX),
        ("operators from the whole to one of its values; `and` and `or` count once", DEPTH_MAX),
    ];
    for (what, most) in all {
        rows.push([what.to_owned(), thousands(u64::try_from(most).unwrap_or(u64::MAX))]);
    }
    format!("An expression beyond one of these is an error of the job file.\n\n{}", rows.finish())
}

/// A table of examples, their values and types.
fn example_rows(texts: &[&str]) -> String {
    let mut rows = Rows::new(&["Example", "Value", "Type"]);
    for text in texts {
        let ty = evaluated(text)
            .map_or_else(|error| error.to_string(), |it| code(&shown_type(it.ty, it.nullable)));
        rows.push([code(text), example_value(text), ty]);
    }
    rows.finish()
}

fn example_value(text: &str) -> String {
    // A test sees to it that no example is wrong.
    evaluated(text)
        .map_or_else(|error| error.to_string(), |Evaluated { value, .. }| code(&shown(&value)))
}

fn shown_type(ty: Type, nullable: bool) -> String {
    format!("{}{}", ty.name(), if nullable { "?" } else { "" })
}
