//! What a view's features are without any event: computed as a row is.

use super::values::value;
use std::sync::Arc;
use tidemark_operators::expression::Program;
use tidemark_operators::plan::{Read, ViewPlan};
use tidemark_operators::value::{Column, Value};
use tidemark_operators::zone::Zone;

/// One value a feature, in job order: what a missing row reads as.
pub fn values(view: &ViewPlan, zone: &Arc<Zone>) -> Vec<Value> {
    let mut columns: Vec<Column> = view.reads.iter().map(|read| one(&empty(*read))).collect();
    for expr in &view.derived {
        let mut column = Column::default();
        Program::new(expr, Arc::clone(zone)).eval(&columns, 1, &mut column);
        columns.push(column);
    }
    let features = view.features.iter();
    features
        .map(|feature| match columns.get(feature.column) {
            Some(column) => value(column, feature.ty, 0),
            None => Value::Null,
        })
        .collect()
}

fn one(value: &Value) -> Column {
    let mut column = Column::default();
    column.push_value(value);
    column
}

/// What is read from the state of an entity that has none.
fn empty(read: Read) -> Value {
    match read {
        Read::Count { .. } | Read::Distinct { .. } => Value::Int(0),
        Read::Sum { .. } | Read::Entropy { .. } | Read::Ratio { .. } | Read::SessionSum { .. } => {
            Value::Double(0.0)
        }
        Read::Avg { .. }
        | Read::Stddev { .. }
        | Read::Extreme { .. }
        | Read::HourShare { .. }
        | Read::Latest { .. }
        | Read::LatestTime { .. }
        | Read::Gap { .. } => Value::Null,
    }
}
