//! Things of the file system that are not files, or not small, or not there.

use super::{Case, Node};

/// The three ways to name a file to the program.
const COMMANDS: [&[&str]; 3] = [&["tasks", "check"], &["train"], &["sweep"]];

fn each(name: &str, says: &str, node: impl Fn() -> Option<Node>) -> Vec<Case> {
    let case = |command: &&[&str]| {
        let args = [*command, &["f.toml"]].concat();
        let case = Case::new(format!("{name}: {}", args.join(" ")), &args, &["f.toml", says]);
        match node() {
            Some(node) => case.node("f.toml", node),
            None => case,
        }
    };
    COMMANDS.iter().map(case).collect()
}

pub fn cases() -> Vec<Case> {
    let not_a_file = "is a pipe, socket or device, not a regular file";
    // SAFETY: it only asks.
    let root = unsafe { libc::geteuid() } == 0;
    let forbidden = || each("forbidden", "Permission denied", || Some(Node::Forbidden));
    let nodes = [
        each("absent", "No such file", || None),
        each("directory", "is a directory, not a regular file", || Some(Node::Directory)),
        each("pipe", not_a_file, || Some(Node::Pipe)),
        each("socket", not_a_file, || Some(Node::Socket)),
        each("endless device", not_a_file, || Some(Node::Link("/dev/zero"))),
        each("full device", not_a_file, || Some(Node::Link("/dev/full"))),
        each("terminal", not_a_file, || Some(Node::Link("/dev/tty"))),
        each("loop of links", "symbolic link", || Some(Node::Link("f.toml"))),
        each("dangling link", "No such file", || Some(Node::Link("nowhere"))),
        each("1 GiB of nothing", "has 1073741824 bytes; at most 65536", || Some(Node::Sparse(1 << 30))),
        each("a file that says it is empty", "f.toml:", || Some(Node::Link("/proc/self/status"))),
        // root may read it
        if root { Vec::new() } else { forbidden() },
    ];
    let table = |name: &str, node, says: &str| {
        Case::new(format!("table: {name}"), &["tasks", "check", "t.toml"], &["rows.csv", says])
            .text("t.toml", "title = 't'\ntable = 'rows.csv'\n")
            .node("rows.csv", node)
    };
    let tables = vec![
        table("directory", Node::Directory, "is a directory"),
        table("pipe", Node::Pipe, not_a_file),
        table("socket", Node::Socket, not_a_file),
        table("device", Node::Link("/dev/zero"), not_a_file),
        table("loop of links", Node::Link("rows.csv"), "symbolic link"),
        table("1 GiB of nothing", Node::Sparse(1 << 30), "at most 25165824 are read"),
        table("zeros", Node::Sparse(20 << 20), "rows.csv:1:1: a NUL byte"),
    ];
    let places = vec![
        Case::new("tasks is a pipe", &["train", "nosuch"], &["there is no task `nosuch`"])
            .node("tasks", Node::Pipe),
        Case::new("tasks links to itself", &["train", "nosuch"], &["there is no task `nosuch`"])
            .node("tasks", Node::Link("tasks")),
        Case::new("a task of one's own is a pipe", &["train", "add"], &["tasks/add.toml", not_a_file])
            .node("tasks/add.toml", Node::Pipe),
        Case::new("the standard input", &["sweep", "/dev/stdin"], &["/dev/stdin", not_a_file]),
        Case::new("a directory's directory", &["tasks", "check", "f.toml/g.toml"], &["Not a directory"])
            .text("f.toml", ""),
    ];
    nodes.into_iter().flatten().chain(tables).chain(places).collect()
}
