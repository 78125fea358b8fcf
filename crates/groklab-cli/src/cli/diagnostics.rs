//! `groklab diagnostics`: what can be recorded besides the probe, and what it costs.

use super::print;
use crate::probe::registry::{ALL, Cost, DIAGNOSTICS};
use std::fmt::Write as _;

/// Prints the registry.
///
/// # Errors
/// Output that cannot be written.
pub fn run() -> miette::Result<()> {
    print(&listing())
}

fn listing() -> String {
    let mut text = String::from(
        "What a run records in diagnostics.csv, one row an evaluation. Choose by name or by group:\n\
         --set 'probe.diagnostics=[\"cheap\", \"matrix_lar\"]'; the default is [\"cheap\"], [] records nothing.\n\n\
         W is the unembedding (m, n), X its inputs over the training rows, p, q, s as in metrics.csv,\n\
         λ the eigenvalues of the centred covariance of X. docs/diagnostics.md has the times.\n\n",
    );
    for (group, takes) in [
        (Cost::Cheap.name(), "small matrix products and one eigenvalue decomposition"),
        (Cost::Forward.name(), "one forward pass of the plain model over the training rows, for all of them"),
        (Cost::Pairs.name(), "one forward pass of the plain model over all pairs of operands"),
        (Cost::Jacobian.name(), "one backward pass of the plain model for each symbol, over some rows"),
        (ALL, "everything"),
    ] {
        let _ = writeln!(text, "{group:<8} {takes}");
    }
    for diagnostic in &DIAGNOSTICS {
        let (cost, needs) = (diagnostic.cost.name(), diagnostic.needs.text());
        let _ = writeln!(text, "\n{}  ({cost}; {needs})\n  {}", diagnostic.name, diagnostic.source);
        for column in diagnostic.columns {
            let unit = if column.unit == "1" { String::new() } else { format!(" [{}]", column.unit) };
            let _ = writeln!(text, "    {:<24} {}{unit}", column.name, column.formula);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_diagnostic_stands_with_its_columns_and_its_source() {
        let text = listing();
        for diagnostic in &DIAGNOSTICS {
            assert!(text.contains(&format!("\n{}  (", diagnostic.name)) && text.contains(diagnostic.source));
            for column in diagnostic.columns {
                assert!(text.contains(column.name) && text.contains(column.formula), "{}", column.name);
            }
        }
    }
}
