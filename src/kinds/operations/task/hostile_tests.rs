//! Files that a task must refuse, and how: each with the place, the message and a remedy.

use super::{Fault, Task, TaskError};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use std::fs;
use std::path::Path;

const MODULAR: &str = "title = 't'\nmodulus = 97\n";
const GROUP: &str = "title = 't'\ngroup = 'S5'\n";

fn refuse(text: &str) -> TaskError {
    Task::from_str("bad", text, Path::new("bad.toml")).unwrap_err()
}

fn rendered(error: &TaskError) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    handler.render_report(&mut text, error).unwrap();
    text
}

/// What any refusal must satisfy, however large or strange the file.
fn check_manners(error: &TaskError, case: &str) {
    assert!(error.help().is_some_and(|help| help.to_string().len() > 10), "{case}: no remedy");
    let shown = rendered(error);
    assert!(shown.len() < 2500, "{case}: {} bytes shown", shown.len());
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{case}: control characters shown");
}

#[test]
fn faults_in_a_task_file_are_placed_and_explained() {
    let deep = format!("{MODULAR}expression = '{}x{}'", "(".repeat(10_000), ")".repeat(10_000));
    let deep_if = format!("{MODULAR}expression = '{} x'", "if x odd then y else ".repeat(10_000));
    let chain = format!("{MODULAR}expression = '{}1'", "1+".repeat(100_000));
    let carets = format!("{MODULAR}expression = 'x{}'", "^".repeat(100_000));
    let digits = format!("{MODULAR}expression = 'x + {}'", "9".repeat(100_000));
    let long_name = format!("{MODULAR}expression = '{}'", "a".repeat(100_000));
    let long_key = format!("{MODULAR}{} = 1", "k".repeat(100_000));
    let toml_deep = format!("{MODULAR}expression = {}", "[".repeat(100_000));
    let toml_dotted = format!("{MODULAR}{}k = 1", "a.".repeat(100_000));
    let with = |definition: &str, rest: &str| format!("{definition}{rest}");
    let cases: Vec<(String, &str)> = vec![
        (
            with(MODULAR, "expression = 'x / y'"),
            "bad.toml:3:17: at x = 0, y = 0: 0 has no inverse modulo 97, gcd(0, 97) = 97",
        ),
        (
            "title='t'\nmodulus = 6\nexpression = '1 / (y + 1)'".into(),
            "bad.toml:3:17: at x = 0, y = 1: 2 has no inverse modulo 6, gcd(2, 6) = 2",
        ),
        (with(MODULAR, "expression = 'x * y^-1'"), "bad.toml:3:19: at x = 0, y = 0: 0 has no inverse"),
        (
            with(MODULAR, "expression = 'x'\ndomain = 'x == 1/y'"),
            "bad.toml:4:17: at x = 0, y = 0: 0 has no inverse",
        ),
        ("title = 't'\nmodulus = 1\nexpression = 'x'".into(), "bad.toml:2:11: modulus 1: at least 2"),
        ("title = 't'\nmodulus = -97\nexpression = 'x'".into(), "bad.toml:2:11: modulus -97: at least 2"),
        (
            "title = 't'\nmodulus = 1025\nexpression = 'x'".into(),
            "bad.toml:2:11: modulus 1025 gives 1050625 rows",
        ),
        (
            "title = 't'\nmodulus = 9223372036854775807\nexpression = 'x'".into(),
            "bad.toml:2:11: modulus 9223372036854775807 gives",
        ),
        ("title = 't'\nmodulus = 99999999999999999999\nexpression = 'x'".into(), "bad.toml:2:11: "),
        ("title = 't'\nmodulus = 9.7\nexpression = 'x'".into(), "bad.toml:2:11: "),
        ("title = 't'\ngroup = 'S7'\nexpression = 'x'".into(), "bad.toml:2:9: unknown group `S7`"),
        ("title = 't'\ngroup = 'Q8'\nexpression = 'x'".into(), "bad.toml:2:9: unknown group `Q8`"),
        (with(MODULAR, "expression = 'x + z'"), "bad.toml:3:19: unknown name `z`"),
        (with(MODULAR, "expression = 'x² + xy'"), "bad.toml:3:20: unknown name `xy`"),
        (with(MODULAR, "expression = '2x'"), "bad.toml:3:16: found `x`, but an operator or the end"),
        (with(MODULAR, "expression = 'x = y'"), "bad.toml:3:17: unknown character `=`"),
        (with(MODULAR, "expression = 'x + '"), "bad.toml:3:19: the text ends here"),
        (with(MODULAR, "expression = ''"), "bad.toml:3:15: the text ends here"),
        (with(MODULAR, "expression = '(x'"), "bad.toml:3:17: the text ends here, but an operator or `)`"),
        (with(MODULAR, "expression = 'x)'"), "bad.toml:3:16: found `)`"),
        (with(MODULAR, "expression = 'x^2^3'"), "bad.toml:3:18: found `^`"),
        (with(MODULAR, "expression = 'x^(y+1)'"), "bad.toml:3:19: found `+`"),
        (with(MODULAR, "expression = 'x⁻'"), "bad.toml:3:16: `⁻`, but a raised integer"),
        (with(MODULAR, "expression = 'x == y'"), "bad.toml:3:15: a condition stands where a value"),
        (
            with(MODULAR, "expression = 'if x then y else x'"),
            "bad.toml:3:18: a value stands where a condition",
        ),
        (with(MODULAR, "expression = 'if x odd then y'"), "bad.toml:3:30: the text ends here, but `else`"),
        (with(MODULAR, "expression = 'x'\ndomain = 'y'"), "bad.toml:4:11: a value stands where a condition"),
        (with(MODULAR, "expression = 'x'\ndomain = 'y != y'"), "bad.toml:4:10: the domain holds no pair"),
        (with(MODULAR, "expression = \"x +\\u0020z\""), "bad.toml:3:14: unknown name `z`"),
        (with(MODULAR, "expression = '''\nx + z'''"), "bad.toml:4:5: unknown name `z`"),
        (with(MODULAR, "expression = \"\u{1b}[31mx\""), "bad.toml:3:15: "),
        (with(GROUP, "expression = 'x + y'"), "bad.toml:3:17: + has no meaning in S5"),
        (with(GROUP, "expression = 'if y odd then x else y'"), "bad.toml:3:18: parity has no meaning in S5"),
        (with(GROUP, "expression = 'x'\ndomain = 'y even'"), "bad.toml:4:11: parity has no meaning in S5"),
        (
            with(GROUP, "expression = 'x'\ndomain = 'y != 0'"),
            "bad.toml:4:16: an integer has no meaning in S5",
        ),
        (with(MODULAR, ""), "bad.toml:1:9: the expression is missing"),
        (with(MODULAR, "group = 'S5'\nexpression = 'x'"), "bad.toml:3:9: only one of"),
        (with(MODULAR, "table = 'a.csv'"), "bad.toml:3:9: only one of"),
        (with(MODULAR, "symbols = 5\nexpression = 'x'"), "bad.toml:3:11: the number of symbols"),
        ("title = 't'\nexpression = 'x'".into(), "bad.toml:1:9: neither modulus nor"),
        ("title = 't'\ntable = 'a.csv'\nexpression = 'x'".into(), "bad.toml:3:14: a table and an expression"),
        ("title = 't'\ntable = 'a.csv'\ndomain = 'x odd'".into(), "bad.toml:3:10: a table has no domain"),
        ("title = 't'\ntable = 'a.csv'\nsymbols = 70000".into(), "bad.toml:3:11: 70000 symbols"),
        ("title = ''\nmodulus = 97\nexpression = 'x'".into(), "bad.toml:1:9: the title"),
        ("title = \"a\\u001b[31m\"\nmodulus = 97\nexpression = 'x'".into(), "bad.toml:1:9: the title"),
        (with(MODULAR, "modulo = 97"), "bad.toml:3:1: unknown field `modulo`"),
        (with(MODULAR, "modulus = 97"), "bad.toml:3:1: duplicate key"),
        (String::new(), "bad.toml:1:1: missing field `title`"),
        (deep, "bad.toml:3:47: nested deeper than 32"),
        (deep_if, "nested deeper than 32"),
        (chain, "longer than 1000"),
        (carets, "bad.toml:3:17: found `^`"),
        (digits, "bad.toml:3:19: an integer beyond 2^64"),
        (long_name, "bad.toml:3:15: unknown name"),
        (long_key, "bad.toml:3:1: unknown field"),
        (toml_deep, ": keys or values are nested too deep"),
        (toml_dotted, ": keys or values are nested too deep"),
    ];
    for (text, expected) in cases {
        let case: String = text.chars().take(120).collect();
        let error = refuse(&text);
        let message = error.to_string();
        assert!(message.contains(expected), "{case}\n  said     {message}\n  expected {expected}");
        assert!(matches!(error, TaskError::At(_)), "{case}");
        check_manners(&error, &case);
    }
}

#[test]
fn faults_in_a_table_are_placed_and_explained() {
    let directory = tempfile::tempdir().unwrap();
    let (rows, definition) = (directory.path().join("rows.csv"), directory.path().join("bad.toml"));
    let many = format!("x,y,z\n{}", "0,0,0\n".repeat(super::MAX_ROWS + 1));
    let commas = format!("x,y,z\n{}", ",".repeat(1_000_000));
    let unclosed = format!("x,y,z\n\"{}", "0,0,0\n".repeat(10_000));
    let cases: [(&[u8], &str, &str); 23] = [
        (b"x,y,z\n0,0,0\n1,0,1\n0,0,1\n", "", "rows.csv:4:1: x = 0, y = 0 has a row already, at line 2"),
        (b"x,y,z\n0,0,5\n", "symbols = 5", "rows.csv:2:5: symbol `5` is out of range: the symbols are 0 … 4"),
        (b"x,y,z\n0,65536,1\n", "", "rows.csv:2:3: symbol `65536` is out of range"),
        (b"x,y,z\n0,99999999999999999999999,1\n", "", "rows.csv:2:3: symbol"),
        (b"x,y,z\n0,-1,1\n", "", "rows.csv:2:3: `-1` is not a symbol"),
        (b"x,y,z\n0, one ,1\n", "", "rows.csv:2:4: `one` is not a symbol"),
        (b"x,y,z\n0,1.0,1\n", "", "rows.csv:2:3: `1.0` is not a symbol"),
        (b"x,y,z\n\n0,,1\n", "", "rows.csv:3:3: `` is not a symbol"),
        (b"x,y,z\r\n0,1,1\r\n0,2\r\n", "", "rows.csv:3:4: the row ends before the column `z`"),
        (b"x,y\n0,1\n", "", "rows.csv:1:1: the table's header lacks the column `z`"),
        (b"0,1,1\n1,1,0\n", "", "rows.csv:1:1: the table has no column `0`"),
        (b"x,y,z,x\n0,1,1,1\n", "", "rows.csv:1:7: the column `x` stands twice"),
        (b"x,y,z,note\n0,1,1,a\n", "", "rows.csv:1:7: the table has no column `note`"),
        (b"x,y,z\n0,1,1,1\n", "", "rows.csv:2:7: the row has more fields than the header names"),
        (commas.as_bytes(), "", "rows.csv:2:1: `` is not a symbol"),
        (b"", "", "rows.csv:1:1: the table holds no rows"),
        (b"x,y,z\n", "", "rows.csv:1:1: the table holds no rows"),
        (b"x,y,z\n0,0,0\n", "", "bad.toml:2:9: the table knows the symbol 0 only"),
        (b"x,y,z\n0,0,\xe9\n", "", "rows.csv:2:5: not UTF-8 text"),
        (b"\xff\xfex\0,\0y\0,\0z\0", "", "rows.csv:1:1: not UTF-8 text"),
        (b"x,y,z\n0,\x000,1\n", "", "rows.csv:2:3: a NUL byte"),
        (many.as_bytes(), "", "the table has more than 1048576 rows"),
        (unclosed.as_bytes(), "", "rows.csv:2:1: `\"0` is not a symbol"),
    ];
    for (content, key, expected) in cases {
        fs::write(&rows, content).unwrap();
        fs::write(&definition, format!("title = 't'\ntable = 'rows.csv'\n{key}")).unwrap();
        let error = Task::load(&definition).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(expected), "said {message}\n  expected {expected}");
        check_manners(&error, expected);
    }
}

#[test]
fn what_is_not_a_readable_file_is_refused_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("directory.toml")).unwrap();
    fs::write(path("large.toml"), vec![b'#'; (64 << 10) + 1]).unwrap();
    fs::write(path("latin.toml"), b"title = 'caf\xe9'").unwrap();
    fs::write(path("nul.toml"), b"title = '\0'").unwrap();
    fs::write(path("a b.toml"), MODULAR).unwrap();
    let mut cases = vec![
        ("directory.toml", "is a directory, not a regular file"),
        ("large.toml", "has 65537 bytes; at most 65536 are read"),
        ("latin.toml", "latin.toml:1:13: not UTF-8 text"),
        ("nul.toml", "nul.toml:1:10: a NUL byte"),
        ("a b.toml", "the file's name cannot name a task"),
        ("absent.toml", "failed to read"),
    ];
    #[cfg(unix)]
    {
        let made = std::process::Command::new("mkfifo").arg(path("pipe.toml")).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink("/dev/zero", path("zero.toml")).unwrap();
        std::os::unix::fs::symlink("loop.toml", path("loop.toml")).unwrap();
        cases.push(("pipe.toml", "is a pipe, socket or device"));
        cases.push(("zero.toml", "is a pipe, socket or device"));
        cases.push(("loop.toml", "failed to read"));
    }
    for (name, expected) in cases {
        let error = Task::load(&path(name)).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(expected), "{name}: {message}");
        assert!(message.contains(name), "{name}: {message}");
        assert!(error.help().is_some(), "{name}");
    }
    fs::write(path("pipe-table.toml"), "title = 't'\ntable = 'directory.toml'").unwrap();
    let error = Task::load(&path("pipe-table.toml")).unwrap_err();
    assert!(matches!(error, TaskError::NotAFile { .. }));
}

#[test]
fn unknown_names_get_a_near_one_or_the_list() {
    let hint = |name: &str| match Task::find(name) {
        Err(TaskError::Unknown { hint, .. }) => hint,
        other => panic!("{name}: {other:?}"),
    };
    assert!(hint("ad").contains("did you mean `add`?"));
    assert!(hint("s5_cnj").contains("did you mean `s5_conj`?"));
    assert!(hint("multiplication").contains("x3_xy2_y"));
    for name in ["", ".", "..", "\0", &"n".repeat(100_000), "\u{1b}[31m"] {
        assert!(!hint(name).is_empty());
    }
    assert!(matches!(Task::find("../absent.toml"), Err(TaskError::Read { .. })));
}

#[test]
fn the_report_shows_file_line_and_remedy() {
    let shown = rendered(&refuse("title = 'quotient'\nmodulus = 97\nexpression = 'x / y'\n"));
    for part in ["bad.toml:3:17", "3 │ expression = 'x / y'", "gcd(0, 97) = 97", "domain = \"y != 0\""] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_fault() {
    let text = "\u{feff}title = 't'\r\nmodulus = 97\r\nexpression = 'x + y'\r\n";
    let task = Task::from_str("add", text, Path::new("add.toml")).unwrap();
    assert_eq!(task.equations, Task::find("add").unwrap().equations);
    let error = refuse("\u{feff}title = 't'\r\nmodulus = 97\r\nexpression = 'x + z'\r\n");
    assert!(error.to_string().contains("bad.toml:3:19: unknown name"), "{error}");
    assert!(matches!(error.fault(), Some(Fault::UnknownName { .. })));
}

#[test]
fn tables_take_any_order_of_rows_and_columns() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("rows.csv"), "\u{feff}z, \"y\" ,x\r\n2,1,0\r\n\r\n 1 ,\"0\",0\r\n")
        .unwrap();
    let origin = directory.path().join("own.toml");
    let task = Task::from_str("own", "title = 't'\ntable = 'rows.csv'", &origin).unwrap();
    let rows: Vec<_> = task.equations.iter().map(|e| (e.x, e.y, e.answer)).collect();
    assert_eq!(rows, [(0, 0, 1), (0, 1, 2)]);
    assert_eq!(task.n_symbols, 3);
}
