//! The script against bash itself: it parses, and every word comes back as it went in.

use super::*;
use proptest::prelude::*;
use std::process::Command;

fn job() -> JobArray {
    JobArray {
        program: "/opt/grok lab/bin/groklab".into(),
        directory: "/home/o'hara/my study".into(),
        experiment: "experiments/depth.toml".into(),
        name: "depth".into(),
        out: "results".into(),
        results: "results/depth".into(),
        tasks: NonZeroUsize::new(4).unwrap(),
        jobs: NonZeroUsize::new(8),
        shard: false,
        max_epochs: None,
        gpu: false,
        compute: Vec::new(),
        time: Some("12:00:00".parse().unwrap()),
        partition: Some("cpu".parse().unwrap()),
        account: Some("lab".parse().unwrap()),
        memory: Some("16G".parse().unwrap()),
        warn_before: 60,
    }
}

fn bash(args: &[&str]) -> Vec<u8> {
    let output = Command::new("bash").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The script without what the tasks do: its options and its words.
fn head(job: &JobArray) -> String {
    script(job).unwrap().strip_suffix(BODY).unwrap().to_owned()
}

#[test]
fn a_job_array_with_everything_set() {
    insta::assert_snapshot!(head(&job()));
}

#[test]
fn a_job_array_with_nothing_set_takes_whole_nodes() {
    let (time, partition, account, memory) = (None, None, None, None);
    let job = JobArray {
        jobs: None,
        time,
        partition,
        account,
        memory,
        shard: true,
        max_epochs: Some(3000),
        ..job()
    };
    insta::assert_snapshot!(head(&job));
}

#[test]
fn a_job_array_of_devices() {
    let compute = ["--device cuda", "--replicas 80"].map(str::to_owned).to_vec();
    let job = JobArray { shard: true, gpu: true, compute, ..job() };
    insta::assert_snapshot!(head(&job));
}

#[test]
fn nasty_words_are_read_back_as_they_were() {
    let nasty =
        ["", " ", "a b", "o'hara", "'", "''", "\"", "$(exit 9)", "`id`", "\\", "a\\'b", "*", "~", "-n"];
    for text in nasty.iter().chain(&["#SBATCH --x", "${x}", "ü ✓", "a\tb", "!", "x;rm y", "&", "%j"]) {
        let job = JobArray {
            program: (*text).into(),
            directory: (*text).into(),
            experiment: (*text).into(),
            out: (*text).into(),
            results: (*text).into(),
            name: (*text).into(),
            ..job()
        };
        let show = r#"printf '%s\0' "$program" "$directory" "$experiment" "$out" "$results""#;
        let printed = bash(&["-c", &format!("{}{show}", head(&job))]);
        assert_eq!(printed, format!("{text}\0").repeat(5).as_bytes(), "{text:?}");
        bash(&["-n", "-c", &script(&job).unwrap()]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_text_is_one_word(text in "[^\\x00]{0,40}") {
        prop_assert_eq!(bash(&["-c", &format!("printf %s {}", quoted(&text))]), text.as_bytes());
    }
}

#[test]
fn every_option_stands_before_the_first_command() {
    // sbatch reads options up to the first line that is neither empty nor a comment
    for name in ["depth", "a b\"c", "x\n#SBATCH --wrap=y"] {
        let text = script(&JobArray { name: name.into(), ..job() }).unwrap();
        let at = |line: &str| line.starts_with("#SBATCH");
        let head = text.lines().take_while(|line| line.is_empty() || line.starts_with('#'));
        assert_eq!(head.filter(|line| at(line)).count(), text.lines().filter(|line| at(line)).count());
        assert!(text.lines().filter(|line| at(line)).all(|line| line.split(' ').count() == 2), "{text}");
    }
}

#[test]
fn line_breaks_and_limits_without_time_are_refused() {
    let refused = |job: JobArray| script(&job).unwrap_err().to_string();
    assert!(refused(JobArray { out: "a\nb".into(), ..job() }).contains("out has a line break"));
    assert!(refused(JobArray { program: "a\rb".into(), ..job() }).contains("program has a line break"));
    let short = JobArray { time: Some("1".parse().unwrap()), ..job() };
    assert!(refused(short.clone()).contains("60 s ahead"));
    assert!(script(&JobArray { warn_before: 59, ..short }).is_ok());
}
