//! Progress as a terminal shows it: in 80 columns, though it had more.

use std::{
    fs::{self, File},
    io::Read,
    os::fd::FromRawFd,
    path::Path,
    process::{Command, Stdio},
};

/// More than what is promised: lines that are too long are not cut, and seen.
const COLUMNS: usize = 160;

/// What `groklab ARGS` writes to a terminal of [`COLUMNS`] that is its standard error.
fn on_a_terminal(dir: &Path, args: &[&str]) -> String {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: 24, ws_col: COLUMNS as u16, ws_xpixel: 0, ws_ypixel: 0 };
    let none = std::ptr::null_mut();
    // SAFETY: openpty(3) writes two descriptors, which nobody else owns, and reads the size
    let (mut ours, theirs) = unsafe {
        assert_eq!(
            libc::openpty(
                &mut ours,
                &mut theirs,
                none,
                std::ptr::null_mut(),
                std::ptr::from_ref(&size).cast_mut()
            ),
            0
        );
        (File::from_raw_fd(ours), File::from_raw_fd(theirs))
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_groklab"));
    command.args(args).current_dir(dir).stdout(Stdio::null()).stderr(theirs);
    command.env("TERM", "xterm-256color").env_remove("COLUMNS");
    let mut child = command.spawn().unwrap();
    // the command holds the other end too
    drop(command);
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    // a terminal whose other end is closed gives an error
    while let Ok(count) = ours.read(&mut part) {
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&part[..count]);
    }
    assert!(child.wait().unwrap().success(), "{}", super::text(&seen));
    super::text(&seen)
}

/// Without what steers the terminal: ESC [ … letter.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, code)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = code.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest);
    }
    out + rest
}

#[test]
fn no_line_of_any_kind_is_wider_than_80_columns() {
    let grid = format!(
        "{}\n[grid]\n\"data.batch_size\" = [64, 512]\n",
        super::two_runs().replace("max_epochs\" = 3", "max_epochs\" = 40")
    );
    let vectors = "title = 't'\nkind = 'vectors'\npreset = 'strength-digits'\nseeds = [0]\n\
         [set]\n'model.depth' = 2\n'model.width' = 8\n'train.max_epochs' = 30\n'probe.every' = 1\n\
         [grid]\n'model.output_scale' = [0.0625, 1.0]\n";
    let text = "title = 't'\nkind = 'text'\nseeds = [0]\n\
         [set]\n'model.d_model' = 8\n'model.d_mlp' = 8\n'model.n_heads' = 2\n'model.n_layers' = 1\n'model.n_ctx' = 8\n\
         'data.batch_size' = 2\n'data.held_out' = 4\n'probe.tokens' = 64\n'probe.every' = 1\n\
         'optim.schedule_steps' = 30\n'optim.warmup_steps' = 1\n'train.max_epochs' = 30\n'data.tokens' = 131072\n";
    for (experiment, followed) in [(&*grid, " acc "), (vectors, " acc "), (text, " loss ")] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("e.toml"), experiment).unwrap();
        let shown = plain(&on_a_terminal(dir.path(), &["sweep", "e.toml", "--jobs", "1"]));
        // lines are filled up to the terminal's width, and follow each other without a break
        let rows = |text: &str| -> Vec<String> {
            let text: Vec<char> = text.chars().collect();
            text.chunks(COLUMNS).map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
        };
        let lines: Vec<String> = shown.split(['\r', '\n']).flat_map(rows).collect();
        let wide = lines.iter().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None);
        // name, bar, round, number and its curve, LAR and its curve, time left
        let is_run = |line: &&String| {
            line.contains(followed.trim_end()) && line.contains(" LAR") && line.contains('█')
        };
        let of_runs: Vec<_> = lines.iter().filter(is_run).collect();
        assert!(of_runs.iter().any(|line| line.ends_with('s')), "{shown}");
        assert!(shown.contains(" runs, ") && shown.contains(" left at most"), "{shown}");

        // the same lines where there is no terminal
        let output = super::groklab(dir.path(), &["sweep", "e.toml", "--out", "again"]);
        let told = super::text(&output.stderr);
        let of_runs: Vec<_> = told.lines().filter(|line| line.contains(" LAR")).collect();
        assert!(!of_runs.is_empty(), "{told}");
        assert!(of_runs.iter().all(|line| line.chars().count() <= 80), "{of_runs:#?}");
    }
}
