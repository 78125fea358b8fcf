//! Experiment files under `sweep`.

use super::Case;

fn sweep(text: impl Into<Vec<u8>>, says: &[&str]) -> Case {
    Case::new(format!("experiment: {says:?}"), &["sweep", "e.toml"], says).text("e.toml", text)
}

/// A sound experiment with one of its four lines replaced.
fn with(line: usize, text: &str, says: &str) -> Case {
    let mut lines = ["title = 't'", "tasks = ['add']", "train_fractions = [0.5]", "seeds = [0]"];
    lines[line - 1] = text;
    sweep(lines.join("\n"), &[says])
}

/// A sound experiment and more keys, from line 5 on.
fn and(text: &str, says: &str) -> Case {
    with(4, &format!("seeds = [0]\n{text}"), says)
}

pub fn cases() -> Vec<Case> {
    [text(), lists(), keys(), sizes()].into_iter().flatten().collect()
}

fn text() -> Vec<Case> {
    vec![
        sweep("", &["e.toml:1:1: missing field `title`"]),
        sweep("title = '\0'", &["e.toml:1:10: a NUL byte"]),
        sweep(*b"title = '\xc3\x28'", &["e.toml:1:10: not UTF-8"]),
        sweep(*b"\xff\xfet\0i\0", &["this looks like UTF-16"]),
        sweep("[".repeat(60_000), &["e.toml:1:3: "]),
        sweep(format!("set = {}", "[".repeat(60_000)), &["nested too deep"]),
        sweep(format!("set = {}", "{a=".repeat(20_000)), &["nested too deep"]),
        sweep("#".repeat(2 << 20), &["e.toml", "at most 65536 are read"]),
        sweep(format!("title = '{}", "x".repeat(60_000)), &["e.toml:1:"]),
        with(1, "title = \"a\\u001b[31m\"", "e.toml:1:9: the title"),
        with(1, "title = \"a\\nb\"", "e.toml:1:9: the title"),
        with(1, &format!("title = '{}'", "t".repeat(60_000)), "e.toml:1:9: the title"),
        and("seeds = [1]", "e.toml:5:1: duplicate key"),
        and(&format!("{} = 1", "k".repeat(50_000)), "e.toml:5:1: unknown key"),
        and("preset = 'other'", "e.toml:5:10: operations has no preset `other`"),
    ]
}

fn lists() -> Vec<Case> {
    vec![
        with(2, "tasks = []", "e.toml:2:9: the experiment has no tasks"),
        with(2, "tasks = 'add'", "e.toml:2:9: "),
        with(2, "tasks = ['add', 'add']", "e.toml:2:17: `add` stands twice"),
        with(2, "tasks = ['add', 'nosuch']", "e.toml:2:17: there is no task `nosuch`"),
        with(2, "tasks = ['../nowhere.toml']", "e.toml:2:10: failed to read ../nowhere.toml"),
        with(2, "tasks = ['/dev/zero']", "e.toml:2:10: /dev/zero is a pipe, socket or device"),
        with(2, "tasks = ['']", "e.toml:2:10: there is no task"),
        with(2, "tasks = ['..']", "e.toml:2:10: there is no task `..`"),
        with(2, "tasks = [\"\\u001b[31m\"]", "e.toml:2:10: there is no task"),
        with(2, &format!("tasks = ['{}']", "n".repeat(60_000)), "e.toml:2:10: there is no task `nnn"),
        with(2, &format!("tasks = ['{}.toml']", "n".repeat(60_000)), "e.toml:2:10: failed to read"),
        with(3, "train_fractions = []", "e.toml:3:19: the experiment has no train_fractions"),
        with(3, "train_fractions = [nan]", "e.toml:3:20: train_fraction = NaN is out of range"),
        with(3, "train_fractions = [inf]", "e.toml:3:20: train_fraction = inf is out of range"),
        with(3, "train_fractions = [0]", "e.toml:3:20: train_fraction = 0.0 is out of range"),
        with(3, "train_fractions = [0.5, 1]", "e.toml:3:25: train_fraction = 1.0 is out of range"),
        with(3, "train_fractions = [-0.5]", "e.toml:3:20: train_fraction = -0.5 is out of range"),
        with(3, "train_fractions = [1e-300]", "e.toml:3:20: train_fraction = 1e-300 leaves 0 of 9409"),
        with(3, "train_fractions = [0.9999999999999999]", "leaves 9409 of 9409 equations for training and 0"),
        with(3, "train_fractions = [0.5, 0.50]", "e.toml:3:25: `0.5` stands twice"),
        with(3, "train_fractions = ['half']", "e.toml:3:20: "),
        with(4, "seeds = []", "e.toml:4:9: the experiment has no seeds"),
        with(4, "seeds = [3, 1, 3]", "e.toml:4:16: `3` stands twice"),
        with(4, "seeds = [-1]", "e.toml:4:10: "),
        with(4, "seeds = [0.5]", "e.toml:4:10: "),
        with(4, "seeds = [9223372036854775808]", "e.toml:4:10: "),
        with(4, "seeds = [18446744073709551615]", "e.toml:4:10: "),
        with(4, "seeds = [18446744073709551616]", "e.toml:4:10: "),
        with(4, "seeds = [1979-05-27]", "e.toml:4:10: "),
    ]
}

fn keys() -> Vec<Case> {
    vec![
        and("[set]\n\"model.depth\" = 3", "e.toml:6:17: unknown config key `model.depth`"),
        and("[set.model]\ndepth = 3", "e.toml:6:9: unknown config key `model.depth`"),
        and("[set]\ntask = 'sub'", "e.toml:6:8: unknown config key `task`"),
        and("[set]\nseed = 3", "e.toml:6:8: `seed` cannot be set here"),
        and("[set]\n\"data.batch_size\" = -1", "e.toml:6:21: data.batch_size = -1"),
        and("[set]\n\"data.batch_size\" = 0", "e.toml:6:21: data.batch_size = 0 is out of range"),
        and("[set]\n\"model.norm\" = 'sideways'", "e.toml:6:16: model.norm = \"sideways\": unknown variant"),
        and("[set]\n\"model.n_heads\" = 3", "e.toml:6:19: model.d_model = 128 with n_heads = 3"),
        and("[set]\n\"optim.epsilon\" = nan", "e.toml:6:19: optim.epsilon = NaN"),
        and("[set]\n\"a\\u001b\" = 1", "e.toml:6:13: unknown config key"),
        and("[grid]\nseed = [1, 2]", "e.toml:6:8: `seed` cannot be set here"),
        and("[grid]\n\"model.norm\" = []", "e.toml:6:16: the experiment has no model.norm"),
        and("[grid]\n\"model.norm\" = 'pre'", "e.toml:6:16: "),
        and("[grid]\n\"model.n_layers\" = [1, 2, 1]", "e.toml:6:27: `1` stands twice"),
        and("[grid]\n\"model.n_layers\" = [1, 65]", "e.toml:6:24: model.n_layers = 65 is out of range"),
        and("[grid]\n\"model.d_model\" = [64, 66]", "e.toml:6:24: model.d_model = 66 with n_heads = 4"),
        and("[grid]\n\"optim.beta1\" = [0, 0.0]", "plans the run"),
        and("[grid]\n\"model.norm\" = ['pre', {a = 1}]", "e.toml:6:24: "),
    ]
}

fn sizes() -> Vec<Case> {
    let list = |n: u32| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let grid = format!("[grid]\n\"optim.warmup_steps\" = [{0}]\n\"probe.every\" = [{0}]", list(5000));
    let keys = ["probe.every", "probe.dense_until", "optim.warmup_steps", "split_seed"];
    let deep: String = keys.iter().map(|key| format!("\"{key}\" = [{}]\n", list(2000))).collect();
    let big = "[set]\n\"model.d_model\" = 16384\n\"model.d_mlp\" = 16384\n\"model.n_layers\" = 64";
    let last = format!("[grid]\n\"optim.warmup_steps\" = [{}, -1]", list(9000));
    let own = (0..5).fold(sweep("", &["e.toml:2:", "the tables up to this task have"]), |case, i| {
        case.text(format!("tasks/w{i}.toml"), "title = 't'\nmodulus = 1024\nexpression = '1'\n")
    });
    let own = own.text(
        "e.toml",
        "title = 't'\ntasks = ['w0', 'w1', 'w2', 'w3', 'w4']\ntrain_fractions = [0.5]\nseeds = [0]",
    );
    let own = own.large(); // four tables of a million rows are made before the fifth is refused
    vec![
        and(&grid, "the experiment plans 25000000 runs; 100000 are the most"),
        and(&format!("[grid]\n{deep}"), "100000 are the most"),
        and(&last, "optim.warmup_steps = -1").large(),
        and(big, "GiB of memory"),
        and(
            "[set]\n\"model.d_model\" = 4611686018427387904",
            "e.toml:6:19: model.d_model = 4611686018427387904",
        ),
        own,
    ]
}
