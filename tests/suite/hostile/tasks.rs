//! Task files and tables.

use super::{Case, Node};
use std::io::{self, Write};

const MODULAR: &str = "title = 't'\nmodulus = 97\n";
const GROUP: &str = "title = 't'\ngroup = 'S5'\n";

/// A file `t.toml` under `tasks check`.
fn check(text: impl Into<Vec<u8>>, says: &str) -> Case {
    Case::new(format!("task file: {says}"), &["tasks", "check", "t.toml"], &[says]).text("t.toml", text)
}

/// A table `rows.csv` of the task `t.toml`.
fn table(rows: impl Into<Vec<u8>>, says: &str) -> Case {
    rows_of(Node::Text(rows.into()), says)
}

fn long_table(write: fn(&mut dyn Write) -> io::Result<()>, says: &str) -> Case {
    rows_of(Node::Long(write), says).large()
}

fn rows_of(node: Node, says: &str) -> Case {
    Case::new(format!("table: {says}"), &["tasks", "check", "t.toml"], &[says])
        .text("t.toml", "title = 't'\ntable = 'rows.csv'\n")
        .node("rows.csv", node)
}

/// A million rows, and then `end`.
fn million(out: &mut dyn Write, end: &str) -> io::Result<()> {
    out.write_all(b"x,y,z\n")?;
    for row in 0..1_000_000 {
        writeln!(out, "{},{},{}", row / 1000, row % 1000, row % 997)?;
    }
    out.write_all(end.as_bytes())
}

/// A header, `times` the same, and then `end`.
fn repeated(out: &mut dyn Write, what: &str, times: usize, end: &[u8]) -> io::Result<()> {
    out.write_all(b"x,y,z\n")?;
    for _ in 0..times {
        out.write_all(what.as_bytes())?;
    }
    out.write_all(end)
}

pub fn cases() -> Vec<Case> {
    [text(), definitions(), expressions(), tables()].into_iter().flatten().collect()
}

/// What is not even text, or not TOML.
fn text() -> Vec<Case> {
    let utf16: Vec<u8> = "\u{feff}title = 't'\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16_big: Vec<u8> = "\u{feff}title = 't'\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    vec![
        check("", "t.toml:1:1: missing field `title`"),
        check("\0", "t.toml:1:1: a NUL byte"),
        check(format!("{MODULAR}expression = 'x\0'"), "t.toml:3:16: a NUL byte"),
        check(*b"title = '\xff'", "t.toml:1:10: not UTF-8"),
        check(*b"title = '\xed\xa0\x80'", "t.toml:1:10: not UTF-8"),
        check(utf16, "save the file as UTF-8"),
        check(utf16_big, "this looks like UTF-16"),
        check(format!("\u{feff}{MODULAR}expression = 'x + z'"), "t.toml:3:19: unknown name `z`"),
        check("\u{feff}\u{feff}title = 't'", "t.toml:1:"),
        check("title = 't'\r\nmodulus = 97\r\nexpression = 'x + z'\r\n", "t.toml:3:19: unknown name `z`"),
        check("title = 't'\rmodulus = 97\r", "t.toml:1:"),
        check("title = 't", "t.toml:1:"),
        check("[".repeat(60_000), "t.toml:1:3: unquoted keys cannot be empty"),
        check(format!("a = {}", "[".repeat(60_000)), "nested too deep"),
        check(format!("a = {}", "{a=".repeat(20_000)), "nested too deep"),
        check(format!("{}a = 1", "a.".repeat(30_000)), "nested too deep"),
        check(format!("title = '{}'", "\u{1b}[2J".repeat(10_000)), "t.toml:1:"),
        check(format!("{} = 1", "k".repeat(60_000)), "unknown field"),
        check("a = 1\n".repeat(10_000), "t.toml:2:1: duplicate key"),
        check("#".repeat(70_000), "at most 65536 are read"),
    ]
}

/// Keys that contradict, and numbers out of range.
fn definitions() -> Vec<Case> {
    let modulus = |m: &str, says| check(format!("title = 't'\nmodulus = {m}\nexpression = 'x'\n"), says);
    let title = |t: &str, says| check(format!("title = {t}\nmodulus = 97\nexpression = 'x'\n"), says);
    vec![
        modulus("0", "t.toml:2:11: modulus 0: at least 2"),
        modulus("1", "t.toml:2:11: modulus 1: at least 2"),
        modulus("-97", "t.toml:2:11: modulus -97: at least 2"),
        modulus("1025", "t.toml:2:11: modulus 1025 gives 1050625 rows"),
        modulus("9223372036854775807", "t.toml:2:11: modulus 9223372036854775807"),
        modulus("-9223372036854775808", "t.toml:2:11: modulus -9223372036854775808"),
        modulus("9223372036854775808", "t.toml:2:11: "),
        modulus("18446744073709551616", "t.toml:2:11: "),
        modulus(&"9".repeat(50_000), "t.toml:2:11: "),
        modulus("97.0", "t.toml:2:11: "),
        modulus("nan", "t.toml:2:11: "),
        modulus("inf", "t.toml:2:11: "),
        modulus("1e300", "t.toml:2:11: "),
        modulus("[97]", "t.toml:2:11: "),
        modulus("97\nmodulus = 98", "t.toml:3:1: duplicate key"),
        modulus("97\ngroup = 'S5'", "t.toml:3:9: only one of"),
        title("\"\"", "t.toml:1:9: the title"),
        title("\"a\\nb\"", "t.toml:1:9: the title"),
        title("\"\\u001b]0;owned\\u0007\"", "t.toml:1:9: the title"),
        title("\"\\u202egnirts\"", "t.toml:1:9: the title"),
        title(&format!("'{}'", "x".repeat(50_000)), "t.toml:1:9: the title"),
        check("title = 't'\ngroup = 'S20'\nexpression = 'x'", "t.toml:2:9: unknown group `S20`"),
        check("title = 't'\ntable = '/dev/zero'\n", "/dev/zero is a pipe, socket or device"),
        check("title = 't'\ntable = ''\n", "t.toml:2:9: the table's path is empty"),
        check("title = 't'\ntable = '.'\n", "is a directory"),
        check("title = 't'\ntable = 't.toml'\n", "t.toml:1:1: the table has no column"),
        check("title = 't'\ntable = '../../nowhere/rows.csv'\n", "failed to read ../../nowhere/rows.csv"),
        check(format!("title = 't'\ntable = '{}'\n", "d/".repeat(20_000)), "failed to read"),
        check("title = 't'\ntable = \"a\\u001b[31m.csv\"\n", "failed to read a"),
        check("title = 't'\ntable = 'a.csv'\nsymbols = -1", "t.toml:3:11: -1 symbols"),
        check("title = 't'\ntable = 'a.csv'\nsymbols = 9223372036854775807", "t.toml:3:11: "),
    ]
}

fn expressions() -> Vec<Case> {
    let modular = |e: &str, says| check(format!("{MODULAR}expression = '{e}'"), says);
    let wide = |e: &str, says| check(format!("title = 't'\nmodulus = 1024\nexpression = '{e}'"), says);
    let group = |e: &str, says| check(format!("{GROUP}expression = '{e}'"), says);
    let huge_power = "x^18446744073709551615";
    vec![
        modular("", "t.toml:3:15: the text ends here"),
        modular("x / y", "at x = 0, y = 0: 0 has no inverse modulo 97"),
        wide("1 / (x*y - 1023*1023)", "0 has no inverse modulo 1024"),
        modular("x + 18446744073709551616", "t.toml:3:19: an integer beyond 2^64"),
        modular(&format!("x + {}", "9".repeat(50_000)), "t.toml:3:19: an integer beyond 2^64"),
        modular(&format!("{}x", "(".repeat(50_000)), "nested deeper than 32 levels"),
        modular(&"if x odd then y else ".repeat(2_000), "nested deeper than 32 levels"),
        modular(&format!("{}x", "-".repeat(50_000)), "longer than 1000 tokens"),
        modular(&format!("x{}", "+1".repeat(20_000)), "longer than 1000 tokens"),
        modular(&format!("x^{}2", "(".repeat(50_000)), "longer than 1000 tokens"),
        modular(&"é".repeat(20_000), "t.toml:3:15: unknown name"),
        modular("x + \u{202e}y", "t.toml:3:19: unknown character"),
        wide(&vec![huge_power; 250].join("*"), "operations; 67108864 are the most"),
        group(&vec!["x^59"; 240].join("*"), "operations; 67108864 are the most"),
        group("x + y", "+ has no meaning in S5"),
        modular("if x then y else x", "a value stands where a condition is needed"),
    ]
}

fn tables() -> Vec<Case> {
    vec![
        long_table(|out| million(out, "1000,1\n"), "rows.csv:1000002:7: the row ends before the column `z`"),
        long_table(
            |out| million(out, "0,0,0\n"),
            "rows.csv:1000002:1: x = 0, y = 0 has a row already, at line 2",
        ),
        long_table(|out| million(out, "1000,1,"), "rows.csv:1000002:8: `` is not a symbol"),
        long_table(
            |out| repeated(out, "0,0,0\n", (1 << 20) + 1, b""),
            "the table has more than 1048576 rows",
        ),
        long_table(|out| repeated(out, "0", 25 << 20, b""), "at most 25165824 are read"),
        long_table(|out| repeated(out, "0", 20 << 20, b""), "rows.csv:2:20971521: the row ends before"),
        long_table(|out| repeated(out, ",", 20 << 20, b""), "rows.csv:2:1: `` is not a symbol"),
        long_table(|out| repeated(out, "\n", 20 << 20, b""), "rows.csv:1:1: the table holds no rows"),
        long_table(|out| repeated(out, "\n", 20 << 20, b"\xff"), "rows.csv:20971522:1: not UTF-8"),
        table("", "rows.csv:1:1: the table holds no rows"),
        table("x,y\n0,1\n", "rows.csv:1:1: the table's header lacks the column `z`"),
        table("x,y,z,w\n0,1,1,1\n", "rows.csv:1:7: the table has no column `w`"),
        table("x,x,z\n", "rows.csv:1:3: the column `x` stands twice"),
        table("x,y,z\r\n0,1,1\r\n0,2", "rows.csv:3:4: the row ends before the column `z`"),
        table("x,y,z\n0,65536,1\n", "rows.csv:2:3: symbol `65536` is out of range"),
        table("x,y,z\n0,18446744073709551616,1\n", "rows.csv:2:3: symbol"),
        table("x,y,z\n0,-1,1\n", "rows.csv:2:3: `-1` is not a symbol"),
        table("x,y,z\n0,nan,1\n", "rows.csv:2:3: `nan` is not a symbol"),
        table("x,y,z\n0,\u{1b}[31m,1\n", "rows.csv:2:3: "),
        table(*b"x,y,z\n0,0,\xff\n", "rows.csv:2:5: not UTF-8"),
        table("x,y,z\n0,0,\0\n", "rows.csv:2:5: a NUL byte"),
    ]
}
