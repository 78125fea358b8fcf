//! A table as text, Markdown, CSV or LaTeX.

/// How the cells of a column are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Cells ready to be set; every row has one cell a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// One line above.
    pub title: String,
    /// Heads of the columns.
    pub columns: Vec<(String, Align)>,
    /// Rows from top to bottom.
    pub rows: Vec<Vec<String>>,
    /// Remarks below, one a line.
    pub notes: Vec<String>,
}

/// Format of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for a terminal.
    #[default]
    Text,
    /// GitHub's Markdown.
    Md,
    /// Comma-separated values.
    Csv,
    /// A LaTeX `tabular` between booktabs rules, in a `table`.
    Latex,
}

/// Sets `table` as aligned text.
pub fn text(table: &Table) -> String {
    let mut out = format!("{}\n\n", table.title);
    let widths = widths(table);
    let rule = widths.iter().map(|width| "─".repeat(*width)).collect();
    let head = aligned(table, &widths, &heads(table));
    let rows = table.rows.iter().map(|row| aligned(table, &widths, row));
    for cells in [head, rule].into_iter().chain(rows) {
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    for (i, note) in table.notes.iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { "" });
        out.push_str(&format!("{note}\n"));
    }
    out
}

/// Sets `table` as Markdown.
pub fn markdown(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let escaped = |cells: &[String]| cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>();
    let mut out = format!("**{}**\n\n", table.title);
    out.push_str(&line(escaped(&heads(table))));
    out.push_str(&line(
        table
            .columns
            .iter()
            .map(|(_, align)| if *align == Align::Right { "---:" } else { ":---" }.to_owned())
            .collect(),
    ));
    for row in &table.rows {
        out.push_str(&line(escaped(row)));
    }
    for note in &table.notes {
        out.push_str(&format!("\n{note}\n"));
    }
    out
}

/// Sets `table` for LaTeX; needs the package booktabs.
pub fn latex(table: &Table) -> String {
    let line = |cells: &[String]| {
        format!("    {} \\\\\n", cells.iter().map(|c| latex_escaped(c)).collect::<Vec<_>>().join(" & "))
    };
    let columns: String =
        table.columns.iter().map(|(_, align)| if *align == Align::Right { 'r' } else { 'l' }).collect();
    let mut out = format!(
        "\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n",
        latex_escaped(&table.title)
    );
    out.push_str(&line(&heads(table)));
    out.push_str("    \\midrule\n");
    for row in &table.rows {
        out.push_str(&line(row));
    }
    out.push_str("    \\bottomrule\n  \\end{tabular}\n");
    for note in &table.notes {
        out.push_str(&format!("  \\par\\small {}\n", latex_escaped(note)));
    }
    out.push_str("\\end{table}\n");
    out
}

fn heads(table: &Table) -> Vec<String> {
    table.columns.iter().map(|(head, _)| head.clone()).collect()
}

/// Characters of the widest cell of each column.
fn widths(table: &Table) -> Vec<usize> {
    let width = |text: &String| text.chars().count();
    let cells = |i: usize| table.rows.iter().filter_map(move |row| row.get(i));
    table
        .columns
        .iter()
        .enumerate()
        .map(|(i, (head, _))| cells(i).chain([head]).map(width).max().unwrap_or(0))
        .collect()
}

fn aligned(table: &Table, widths: &[usize], row: &[String]) -> Vec<String> {
    let cells = widths.iter().copied().zip(&table.columns).zip(row);
    cells
        .map(|((width, (_, align)), cell)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        })
        .collect()
}

fn latex_escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!("\\{c}"),
            '\\' => "\\textbackslash{}".into(),
            '^' => "\\^{}".into(),
            '~' => "\\~{}".into(),
            '±' => "$\\pm$".into(),
            '−' => "$-$".into(),
            '√' => "$\\surd$".into(),
            '→' => "$\\to$".into(),
            '–' => "--".into(),
            _ => c.to_string(),
        })
        .collect()
}

/// With so many decimals, and no minus before nothing but zeros.
pub fn decimals(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| matches!(c, '0' | '.')) => zero.to_owned(),
        _ => text,
    }
}

/// Share as a percentage without needless digits: 0.5 is `50 %`.
pub fn percent(share: f64) -> String {
    // 0.07 · 100 is not 7 in binary
    format!("{} %", (share * 1e8).round() / 1e6)
}

/// With a comma between thousands: `10,000`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            title: "RMSE of k95 & k_pred, 50 %".into(),
            columns: vec![("task".into(), Align::Left), ("x_y ±".into(), Align::Right)],
            rows: vec![vec!["a|b".into(), "1.00 ± 0.50".into()], vec!["x^2 {y} \\".into(), "–".into()]],
            notes: vec!["one run".into(), "another".into()],
        }
    }

    #[test]
    fn text_is_aligned() {
        insta::assert_snapshot!(text(&table()));
    }

    #[test]
    fn markdown_escapes_bars() {
        insta::assert_snapshot!(markdown(&table()));
    }

    #[test]
    fn latex_escapes_what_it_would_read_as_commands() {
        insta::assert_snapshot!(latex(&table()));
    }

    #[test]
    fn percentages_have_no_needless_digits() {
        assert_eq!(
            [-0.0004, 0.0004, -0.0006, -0.0].map(|value| decimals(value, 3)),
            ["0.000", "0.000", "-0.001", "0.000"]
        );
        for (share, set) in [(0.5, "50 %"), (0.07, "7 %"), (0.123, "12.3 %"), (1.0, "100 %")] {
            assert_eq!(percent(share), set);
        }
        assert_eq!((thousands(10_000), thousands(999)), ("10,000".into(), "999".into()));
    }
}
