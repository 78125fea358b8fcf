//! `groklab probe` on the files of `tests/oracle/probe_trials`: the right value, by NumPy, or the right refusal.

use super::{groklab, succeed, text};
use serde_json::Value;
use std::{fs, path::PathBuf};

fn trials() -> PathBuf {
    crate::root().join("tests/oracle/probe_trials")
}

fn expected() -> Value {
    serde_json::from_str(&fs::read_to_string(trials().join("expected.json")).unwrap()).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&succeed(&trials(), &[&["probe", "--json"], args].concat())).unwrap()
}

fn one(weights: &str, activations: &str) -> Value {
    json(&["--weights", weights, "--activations", activations])
}

fn notes(found: &Value) -> String {
    found["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note.as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Standard error of a refusal with code 3, as one line.
fn refusal(args: &[&str]) -> String {
    let output = groklab(&trials(), &[&["probe"], args].concat());
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{args:?}: {message}{}", text(&output.stdout));
    assert!(output.stdout.is_empty() && !message.contains('\u{1b}'), "{args:?}");
    // miette wraps long lines
    message.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

#[test]
fn the_right_matrix_is_read_the_right_way_round() {
    let expected = expected();
    let cases = expected["lar"].as_object().unwrap();
    assert!(cases.len() >= 13);
    for (case, lar) in cases {
        let (weights, activations) = case.split_once(' ').unwrap();
        let found = one(weights, activations);
        let (a, b) = (found["probe"]["lar"].as_f64().unwrap(), lar.as_f64().unwrap());
        assert!((a - b).abs() < 1e-10, "{case}: {a}, NumPy says {b}");
    }
}

#[test]
fn names_decide_and_a_guess_is_said_to_be_one() {
    // square: only the name, and c_attn beside it, can tell
    let found = one("gpt2.safetensors:h.0.attn.c_proj.weight", "xc.npy");
    assert_eq!(
        (&found["weights"]["layout"], &found["weights"]["layout_from"]),
        (&"(inputs, outputs)".into(), &"name".into())
    );
    let found = one("attnoutput.safetensors:transformer.h.0.attn.output.weight", "x.npy");
    assert_eq!(
        (&found["weights"]["layout"], &found["weights"]["layout_from"]),
        (&"(outputs, inputs)".into(), &"name".into())
    );
    let shown = succeed(&trials(), &["probe", "--weights", "w.npz", "--activations", "x.npy"]);
    assert!(
        shown.contains("by the width of the activations") && shown.contains("its name does not say"),
        "{shown}"
    );
    // what fits the wrong side is not turned round in silence
    for (weights, activations) in
        [("base.safetensors", "logits.npy"), ("tfcolon.safetensors:dense_1/kernel:0", "x.npy")]
    {
        let message = refusal(&["--weights", weights, "--activations", activations]);
        assert!(message.contains("fit its outputs") && message.contains("--layout"), "{message}");
    }
    let args = ["--weights", "base.safetensors", "--activations", "logits.npy", "--layout", "in-out"];
    assert_eq!(json(&args)["weights"]["layout_from"], "asked");
}

#[test]
fn heads_of_something_else_are_not_taken() {
    for (file, head) in [
        ("mtp.safetensors", "model.embed_tokens.weight"),
        ("attnoutput.safetensors", "transformer.embedding.weight"),
    ] {
        let found = one(file, "x.npy");
        assert_eq!(found["weights"]["tensor"], head);
        assert!(found["weights"]["tied"] == true && notes(&found).contains("tied heads"), "{file}");
    }
}

#[test]
fn an_index_decides_which_shard_counts() {
    let found = one("ov.safetensors.index.json", "x.npy");
    assert!(found["weights"]["file"].as_str().unwrap().ends_with("ov-overlay.safetensors"));
    let skipped = found["skipped"].to_string();
    assert!(skipped.contains("the index takes it from ov-overlay.safetensors"), "{skipped}");
}

#[test]
fn files_that_are_not_what_they_say_are_refused_by_what_they_are() {
    for (file, says) in [
        ("dupkeys.safetensors", "names `w` twice"),
        ("lfs.safetensors", "a Git LFS pointer"),
        ("meta_only.safetensors", "holds no tensors"),
        ("ghost.safetensors", "the tensor `lm_head.weight` has shape [] and type ``, but 0 bytes"),
    ] {
        let message = refusal(&["--weights", file, "--all"]);
        assert!(message.contains(says), "{file}: {message}");
    }
    assert!(refusal(&["--weights", "lfs.safetensors", "--all"]).contains("git lfs pull"));
}

#[test]
fn names_out_of_a_file_forge_no_line_and_steer_no_terminal() {
    for form in [&["--json"][..], &["--csv"], &[]] {
        let shown =
            succeed(&trials(), &[&["probe", "--all", "--weights", "names.safetensors"], form].concat());
        assert!(
            !shown.contains('\u{1b}') && !shown.lines().any(|line| line.starts_with("forged")),
            "{shown}"
        );
        // 300 letters of a name do not push the numbers off the screen
        assert!(shown.lines().all(|line| line.chars().count() < 330) || !form.is_empty(), "{shown}");
    }
}

#[test]
fn every_matrix_of_a_model_is_measured_or_explained() {
    let expected = expected();
    for (file, matrices) in expected["all"].as_object().unwrap() {
        let found = json(&["--all", "--weights", file]);
        let found = found["matrices"].as_array().unwrap();
        assert_eq!(found.len(), matrices.as_object().unwrap().len(), "{file}");
        for measured in found {
            let name = measured["tensor"].as_str().unwrap();
            for (key, value) in matrices[name].as_object().unwrap_or_else(|| panic!("{file}: {name}")) {
                let (a, b) = (measured[key].as_f64().unwrap(), value.as_f64().unwrap());
                assert!((a - b).abs() < 1e-6 * b.abs(), "{file}: {key} of {name} is {a}, NumPy says {b}");
            }
        }
    }
    let shown = succeed(&trials(), &["probe", "--all", "--weights", "moe.safetensors"]);
    for says in [
        "a slice of [4, 12, 8]",
        "kernel [6, 3, 3, 3] of a convolution, reshaped to (outputs, inputs·kernel)",
    ] {
        assert!(shown.contains(says), "{says}: {shown}");
    }
    // scales that fit no documented layout: both are left alone, for one reason
    let found = json(&["--all", "--weights", "fp8.safetensors"]);
    assert_eq!(found["matrices"], serde_json::json!([]));
    let skipped = found["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 2);
    assert!(
        skipped.iter().all(|s| s["reason"].as_str().unwrap().contains("scales of shape [2, 2]")),
        "{skipped:?}"
    );
}

#[test]
fn zero_is_a_norm_and_has_no_rank() {
    let found = json(&["--all", "--weights", "lora0.safetensors"]);
    let zero = &found["matrices"][1];
    assert_eq!((&zero["tensor"], &zero["frobenius_norm"]), (&"base.lora_B.weight".into(), &0.0.into()));
    assert!(zero["stable_rank"].is_null() && zero["effective_rank"].is_null() && zero["tail"].is_null());
    assert!(found["matrices"][0]["frobenius_norm"].as_f64().unwrap() > 1.0);
}

#[test]
fn what_a_null_space_or_equal_rows_decide_is_not_given() {
    let found = one("r1.npy", "x.npy");
    assert_eq!(found["rank"], 1);
    assert!(found["probe"]["pearson"].is_null() && found["probe"]["spearman"].is_null());
    assert!(notes(&found).contains("null space"), "{}", notes(&found));
    let found = one("base.safetensors", "xconst.npy");
    assert!(found["probe"]["k95"].is_null() && notes(&found).contains("all rows of X are the same"));
}

#[test]
fn k95_of_few_rows_says_how_many_there_were() {
    let dir = tempfile::tempdir().unwrap();
    // the first 12 rows of x.npy, 8 wide, f32
    let x = fs::read(trials().join("x.npy")).unwrap();
    let header = String::from_utf8(x[10..128].to_vec()).unwrap().replace("(200, 8)", "(12, 8) ");
    let few = [&x[..10], header.as_bytes(), &x[128..128 + 12 * 8 * 4]].concat();
    let path = dir.path().join("few.npy");
    fs::write(&path, few).unwrap();
    let found = one("base.safetensors", path.to_str().unwrap());
    let k95 = &found["probe"]["k95"];
    assert!(notes(&found).contains(&format!("k95 = {k95} comes from 12 rows")), "{}", notes(&found));
}

#[test]
fn the_only_plain_matrix_among_experts_and_kernels_is_not_taken_for_the_head() {
    let message = refusal(&["--weights", "moe.safetensors", "--activations", "x.npy"]);
    assert!(
        message.contains("holds 7 that could be taken") && message.contains("gate_up_proj[3]"),
        "{message}"
    );
    // scales that are not read are nothing to choose from either
    let message = refusal(&["--weights", "fp8.safetensors", "--activations", "x.npy"]);
    assert!(message.contains("holds no matrix"), "{message}");
}

#[test]
fn a_report_of_a_model_has_a_bar_for_each_measure_and_a_spectrum_for_each_matrix() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.html");
    let out = out.to_str().unwrap();
    succeed(&trials(), &["probe", "--all", "--weights", "moe.safetensors", "--report", out]);
    let page = fs::read_to_string(out).unwrap();
    let names =
        ["conv.weight", "model.layers.0.mlp.gate.weight", "model.layers.0.mlp.experts.gate_up_proj[3]"];
    for name in names {
        assert!(page.contains(&format!("<summary>{name} ")), "{name}");
    }
    assert_eq!((page.matches("<details id=").count(), page.matches("</details>").count()), (7, 7));
    assert!(page.contains("7 matrices of weights"));
    assert!(page.contains("<th scope=\"col\">stable rank</th>") && page.contains("class=\"track\""));
    assert!(
        page.contains("too few values for a power law")
            && page.contains("reshaped to (outputs, inputs·kernel)")
    );
    // names that steer are shown harmless here too
    succeed(&trials(), &["probe", "--all", "--weights", "names.safetensors", "--report", out]);
    let page = fs::read_to_string(out).unwrap();
    assert!(!page.contains('\u{1b}') && !page.lines().any(|line| line.starts_with("forged")));
    // with activations: LAR beside, for the layers that have some
    let args = ["probe", "--all", "--weights", "base.safetensors", "--activations", "x.npy", "--report", out];
    succeed(&trials(), &args);
    assert!(fs::read_to_string(out).unwrap().contains("<th scope=\"col\">LAR</th>"));
}
