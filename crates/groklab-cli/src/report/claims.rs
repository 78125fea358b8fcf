//! The claims of the paper and what the runs say to them, as a section of the report.

use super::escaped;
use crate::render::claims::{ClaimRow, ClaimSet};

/// The section; empty without claims.
pub(super) fn section(sets: &[ClaimSet]) -> String {
    if sets.iter().all(|set| set.claims.is_empty()) {
        return String::new();
    }
    let mut out = String::from("<section class=\"claims\">\n<h3>The paper’s claims</h3>\n");
    for ClaimSet { heading, claims } in sets {
        if !heading.is_empty() {
            out.push_str(&format!("<h4>{}</h4>\n", escaped(heading)));
        }
        out.push_str(&list(claims));
    }
    out + "</section>\n"
}

fn list(claims: &[ClaimRow]) -> String {
    let mut out = String::from("<ul>\n");
    for claim in claims {
        // the look of an answer; any other word has the plain one
        let kind = match claim.verdict.as_str() {
            kind @ ("yes" | "no" | "mixed") => kind,
            _ => "open",
        };
        let source = match claim.source.as_str() {
            "" => String::new(),
            source => format!(" <small>{}</small>", escaped(source)),
        };
        let numbers: String =
            claim.numbers.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
        let numbers = if numbers.is_empty() { numbers } else { format!("<ul>{numbers}</ul>") };
        out.push_str(&format!(
            "<li><span class=\"verdict {kind}\">{}</span><div><p>{}{source}</p>{numbers}</div></li>\n",
            escaped(&claim.verdict),
            escaped(&claim.title),
        ));
    }
    out + "</ul>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_claim_no_section() {
        assert_eq!(section(&[]), "");
    }

    #[test]
    fn an_answer_stands_beside_its_claim_and_its_numbers() {
        let claim = ClaimRow {
            title: "LAR < ½ & rising".into(),
            source: "Fig. 1".into(),
            verdict: "mixed".into(),
            numbers: vec!["add: 3 of 5 runs".into(), "mean <0.5>".into()],
        };
        let claims = vec![claim.clone(), ClaimRow { verdict: "not enough data".into(), ..claim }];
        let text = section(&[ClaimSet { heading: "batch <64>".into(), claims }]);
        assert!(text.contains("<h4>batch &lt;64&gt;</h4>"), "{text}");
        assert!(text.contains("<p>LAR &lt; ½ &amp; rising <small>Fig. 1</small></p>"), "{text}");
        assert!(text.contains("<ul><li>add: 3 of 5 runs</li><li>mean &lt;0.5&gt;</li></ul>"), "{text}");
        assert!(
            text.contains("\"verdict mixed\">mixed<") && text.contains("\"verdict open\">not enough data<")
        );
    }
}
