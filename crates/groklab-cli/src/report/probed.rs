//! The part of the report on a model that was probed by its weights: bars by layer, and the spectrum of each matrix where
//! it is unfolded. It reads without JavaScript.

use super::{ReportError, escaped, page::scroll};
use crate::render::figure::{
    eigenvalues::{Eigenvalues, page},
    svg,
};

/// A model, matrix by matrix.
#[derive(Clone, Debug, Default)]
pub struct Probed {
    /// What it is called: its files.
    pub name: String,
    /// Names of the measures, the same for every matrix, and what each is.
    pub measures: Vec<(&'static str, &'static str)>,
    /// In the order of the files.
    pub matrices: Vec<ProbedMatrix>,
    /// What there is to know of the numbers.
    pub notes: Vec<String>,
    /// Tensors that were not measured, under the reason.
    pub skipped: Vec<(String, Vec<String>)>,
}

/// A matrix of it.
#[derive(Clone, Debug, Default)]
pub struct ProbedMatrix {
    /// Its tensor.
    pub name: String,
    /// Shape and type.
    pub about: String,
    /// Its measures in the order of [`Probed::measures`]: the number and how it is written; None where it is not defined.
    pub measures: Vec<Option<(f64, String)>>,
    /// Its spectrum.
    pub spectrum: Eigenvalues,
}

/// The section as HTML; `at` makes its anchors unlike those of others.
pub(super) fn section(probed: &Probed, at: usize) -> Result<String, ReportError> {
    let mut out = format!("<section class=\"experiment probed\">\n<h2>{}</h2>\n", escaped(&probed.name));
    out.push_str(&bars(probed, at));
    for note in &probed.notes {
        out.push_str(&format!("<p class=\"note\">{}</p>\n", escaped(note)));
    }
    out.push_str("<dl class=\"means\">");
    for (name, means) in &probed.measures {
        out.push_str(&format!("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(means)));
    }
    out.push_str("</dl>\n<h3>Spectra</h3>\n<p class=\"how\">Unfold a matrix for its eigenvalues.</p>\n");
    for (i, matrix) in probed.matrices.iter().enumerate() {
        let figure = match page(&matrix.spectrum) {
            Some(scene) => format!("<div class=\"scroll\">{}</div>", svg(&scene)?),
            None => "<p class=\"note\">There are no two different eigenvalues to draw.</p>".to_owned(),
        };
        out.push_str(&format!(
            "<details id=\"{}\"><summary>{} <small>{}</small></summary>\n{figure}\n</details>\n",
            anchor(at, i),
            escaped(&matrix.name),
            escaped(&matrix.about)
        ));
    }
    if !probed.skipped.is_empty() {
        out.push_str("<h3>Not measured</h3>\n<dl>");
        for (reason, names) in &probed.skipped {
            out.push_str(&format!("<dt>{}</dt><dd>{}</dd>", escaped(reason), escaped(&names.join(", "))));
        }
        out.push_str("</dl>\n");
    }
    out.push_str("</section>\n");
    Ok(out)
}

/// A row a matrix, a bar a measure: its length is the share of the longest in the column, or of the range from the
/// least negative one.
fn bars(probed: &Probed, at: usize) -> String {
    let ranges: Vec<(f64, f64)> = (0..probed.measures.len())
        .map(|column| {
            let of = probed.matrices.iter().filter_map(|m| m.measures.get(column)?.as_ref());
            of.fold((0.0, 0.0), |(low, high): (f64, f64), (value, _)| (low.min(*value), high.max(*value)))
        })
        .collect();
    let heads: String =
        probed.measures.iter().map(|(name, _)| format!("<th scope=\"col\">{}</th>", escaped(name))).collect();
    let rows: String = probed
        .matrices
        .iter()
        .enumerate()
        .map(|(i, matrix)| {
            let cells: String =
                matrix.measures.iter().zip(&ranges).map(|(m, range)| cell(m.as_ref(), *range)).collect();
            let name = escaped(&matrix.name);
            format!("<tr><th scope=\"row\"><a href=\"#{}\">{name}</a></th>{cells}</tr>\n", anchor(at, i))
        })
        .collect();
    format!(
        "<h3>By layer</h3>\n{}<table class=\"bars\">\n<thead><tr><th scope=\"col\">matrix</th>{heads}</tr></thead>\n<tbody>\n\
         {rows}</tbody>\n</table></div>\n",
        scroll("by layer")
    )
}

fn cell(measure: Option<&(f64, String)>, (low, high): (f64, f64)) -> String {
    let Some((value, written)) = measure else { return "<td>–</td>".into() };
    let share = |value: f64| if high > low { 100.0 * (value - low) / (high - low) } else { 0.0 };
    let (left, right) = (share(value.min(0.0)), share(value.max(0.0)));
    format!(
        "<td><span class=\"track\"><i style=\"margin-left:{left:.1}%;width:{:.1}%\"></i></span> {}</td>",
        right - left,
        escaped(written)
    )
}

fn anchor(at: usize, i: usize) -> String {
    format!("probed-{at}-{i}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed() -> Probed {
        let matrix = |name: &str, alpha: Option<f64>, log: f64| ProbedMatrix {
            name: name.into(),
            about: "[4, 2] F32".into(),
            measures: vec![alpha.map(|a| (a, format!("{a}"))), Some((log, format!("{log}")))],
            spectrum: Eigenvalues { values: vec![4.0, 1.0], tail: None, edge: None },
        };
        Probed {
            name: "<model> & co".into(),
            measures: vec![("alpha", "exponent"), ("log_norm", "log of a norm")],
            matrices: vec![
                matrix("a", Some(2.0), -1.0),
                matrix("<b>", Some(4.0), 3.0),
                matrix("c", None, 1.0),
            ],
            notes: vec!["a < b".into()],
            skipped: vec![("has 1 dimensions".into(), vec!["norm".into()])],
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_share_and_begins_at_zero() {
        let html = section(&probed(), 0).unwrap();
        let bar = |left: &str, width: &str, written: &str| {
            let bar = format!("margin-left:{left}%;width:{width}%\"></i></span> {written}</td>");
            assert!(html.contains(&bar), "{bar}: {html}");
        };
        bar("0.0", "50.0", "2");
        bar("0.0", "100.0", "4");
        // from −1 to 3, with 0 at a quarter
        bar("0.0", "25.0", "-1");
        bar("25.0", "75.0", "3");
        bar("25.0", "25.0", "1");
        assert_eq!(html.matches("<td>–</td>").count(), 1);
    }

    #[test]
    fn every_matrix_has_its_spectrum_folded_and_names_are_text() {
        let html = section(&probed(), 7).unwrap();
        assert_eq!((html.matches("<details id=\"probed-7-").count(), html.matches("<svg").count()), (3, 3));
        assert!(html.contains("href=\"#probed-7-1\">&lt;b&gt;</a>") && !html.contains("<b>"));
        assert!(html.contains("&lt;model&gt; &amp; co") && html.contains("has 1 dimensions"));
    }
}
