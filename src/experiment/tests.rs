//! Experiment files: what is expanded, what is refused, and where a fault stands.

use super::*;
use crate::run::{Budget, Planned, leaf};

fn parse(text: &str) -> Result<Experiment, ExperimentError> {
    Experiment::from_str("t", text, Path::new("t.toml"))
}

#[test]
fn the_shipped_experiments_have_the_papers_sizes() {
    for (name, runs) in [("binary-ops", 60), ("add-fractions", 20)] {
        let plan = Experiment::find(name).unwrap().plan(&[]).unwrap();
        assert_eq!(plan.len(), runs, "{name}");
        assert!(plan.iter().all(|r| r.budget() == Budget { max_epochs: 50_000, patience: 2_000 }));
    }
    // lens: 12 runs a seed; two stages of 7 and 6 rates; 12 of a family; six combinations
    for (name, runs) in [
        ("lens-stages", 36),
        ("lens-batch", 65),
        ("lens-early", 60),
        ("lens-untie", 18),
        ("lens-full", 12),
        ("regularisation-quick", 35),
        ("regularisation", 300),
        ("regularisation-30", 50),
        ("regularisation-decay", 60),
        ("regularisation-jacobian", 30),
        ("regularisation-text", 90),
        ("batch-dip-paper", 25),
        ("batch-dip-1009", 24),
    ] {
        assert_eq!(Experiment::find(name).unwrap().plan(&[]).unwrap().len(), runs, "{name}");
    }
    for name in ["batch-dip", "quick"] {
        assert!(!Experiment::find(name).unwrap().plan(&[]).unwrap().is_empty());
    }
}

#[test]
fn a_grid_is_expanded_with_seeds_innermost() {
    let text = r#"
        title = "t"
        tasks = ["add", "sub"]
        train_fractions = [0.5]
        seeds = [4, 5]
        [set.optim]
        beta2 = 0.9
        [grid]
        "data.batch_size" = [64, 128]
    "#;
    let plan = parse(text).unwrap().plan(&[]).unwrap();
    let value = |run: &dyn Planned, key: &str| leaf(&run.recipe(), key).unwrap().to_string();
    let keys = ["task", "data.batch_size", "seed"];
    let got: Vec<_> = plan.iter().map(|run| keys.map(|key| value(run.as_ref(), key)).join(" ")).collect();
    assert_eq!(got[..4], ["\"add\" 64 4", "\"add\" 64 5", "\"add\" 128 4", "\"add\" 128 5"]);
    assert_eq!(got.len(), 8);
    assert!(plan.iter().all(|run| value(run.as_ref(), "optim.beta2") == "0.9"));
    assert!(plan.iter().all(|run| value(run.as_ref(), "split_seed") == value(run.as_ref(), "seed")));
}

#[test]
fn cases_change_keys_together_and_win_over_what_is_set() {
    let text = r#"
        title = "t"
        tasks = ["add"]
        train_fractions = [0.5]
        seeds = [4]
        [set]
        "optim.beta2" = 0.9
        [grid]
        "data.batch_size" = [64, 128]
        [[cases]]
        "optim.beta1" = 0.8
        "optim.beta2" = 0.99
        [[cases]]
        optim.beta1 = 0.7
        train.max_epochs = 5
    "#;
    let plan = parse(text).unwrap().plan(&[]).unwrap();
    let value = |run: &dyn Planned, key: &str| leaf(&run.recipe(), key).unwrap().to_string();
    let keys = ["optim.beta1", "optim.beta2", "data.batch_size"];
    let got: Vec<_> = plan.iter().map(|run| keys.map(|key| value(run.as_ref(), key)).join(" ")).collect();
    assert_eq!(got, ["0.8 0.99 64", "0.8 0.99 128", "0.7 0.9 64", "0.7 0.9 128"]);
    assert_eq!(plan.iter().map(|run| run.budget().max_epochs).collect::<Vec<_>>()[1..3], [50_000, 5]);
    let fails = |change: [&str; 2]| {
        let text = text.replace(change[0], change[1]);
        let failure = parse(&text).and_then(|e| e.plan(&[])).err().unwrap();
        format!("{:?}", miette::Report::new(failure))
    };
    // said at the key of the case
    let wrong = fails(["optim.beta1 = 0.7", "optim.beta1 = 7.0"]);
    assert!(wrong.contains("optim.beta1 = 7") && wrong.contains("t.toml:14"), "{wrong}");
    assert!(fails(["optim.beta1 = 0.7", "seed = 1"]).contains("cannot be set here"));
    assert!(fails(["optim.beta1 = 0.7", "data.batch_size = 1"]).contains("a case sets this key too"));
    let same = "optim.beta1 = 0.8\noptim.beta2 = 0.99";
    assert!(fails(["optim.beta1 = 0.7", same]).contains("twice"));
    let option = parse(text).unwrap().plan(&[("optim.beta1".to_owned(), Value::Float(0.5))]);
    assert!(option.err().unwrap().to_string().contains("an option sets this key too"));
}

#[test]
fn a_split_that_one_case_sets_still_follows_the_seed_in_the_others() {
    let text = r#"
        title = "t"
        tasks = ["add"]
        train_fractions = [0.5]
        seeds = [4, 5]
        [[cases]]
        "optim.beta1" = 0.8
        [[cases]]
        split_seed = 7
    "#;
    let plan = parse(text).unwrap().plan(&[]).unwrap();
    let splits: Vec<_> =
        plan.iter().map(|run| leaf(&run.recipe(), "split_seed").unwrap().to_string()).collect();
    assert_eq!(splits, ["4", "5", "7", "7"]);
}

#[test]
fn mistakes_are_named() {
    let fails = |text: &str| match parse(text).and_then(|e| e.plan(&[])) {
        Ok(_) => panic!("accepted: {text}"),
        Err(e) => e.to_string(),
    };
    let base = "title = \"t\"\ntasks = [\"add\"]\ntrain_fractions = [0.5]\n";
    assert!(fails(&format!("{base}seeds = [1, 1]")).contains("twice"));
    assert!(fails(&format!("{base}seeds = []")).contains("no seeds"));
    assert!(fails(&format!("{base}seeds = [1]\ncolour = 3")).contains("colour"));
    let twice = "seeds = [1]\n[set]\n\"optim.beta2\" = 0.9\n[set.optim]\nbeta2 = 0.8";
    assert!(fails(&format!("{base}{twice}")).contains("`optim.beta2` is set twice"));
    let twice = "seeds = [1]\n[[cases]]\n\"optim.beta2\" = 0.9\noptim.beta2 = 0.8";
    assert!(fails(&format!("{base}{twice}")).contains("`optim.beta2` is set twice"));
    let near = parse(&format!("{}seeds = [1]", base.replace("tasks", "task"))).err();
    let near = near.map(|e| format!("{:?}", miette::Report::new(e))).unwrap_or_default();
    assert!(near.contains("did you mean `tasks`?"), "{near}");
    assert!(fails(&format!("{base}seeds = [1]\n[grid]\nseed = []")).contains("no seed"));
    assert!(fails(base).contains("seeds"));
}
