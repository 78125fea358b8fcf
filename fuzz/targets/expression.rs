//! The expressions of task files against big integers: a tree drawn from the fuzzer's bytes is printed with any
//! spacing and parentheses and goes through groklab; the tree itself is evaluated over the integers, and reduced
//! only where the language says so. A group's tree is evaluated on lists of images.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use groklab::kinds::operations::task::Task;
use groklab_fuzz::{integers, permutations, tree::Tree};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

#[derive(Debug)]
struct Input {
    /// Modulus, or the degree of a group.
    size: Size,
    tree: Tree,
    text: String,
}

#[derive(Debug)]
enum Size {
    Modulus(u16),
    Degree(usize),
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let group = u.ratio(1, 4)?;
        let size = match group {
            true => Size::Degree(u.int_in_range(3..=4)?),
            false => Size::Modulus(u.int_in_range(2..=40)?),
        };
        let tree = if group { Tree::group(u, 4)? } else { Tree::value(u, 5)? };
        let mut text = String::new();
        tree.print(u, &mut text)?;
        Ok(Self { size, tree, text })
    }
}

fuzz_target!(|input: Input| {
    let symbols = match input.size {
        Size::Modulus(m) => format!("modulus = {m}"),
        Size::Degree(n) => format!("group = 'S{n}'"),
    };
    let file = format!("title = 't'\n{symbols}\nexpression = '''{}'''\n", input.text);
    let ours = Task::from_str("fuzz", &file, Path::new("fuzz.toml"));
    let theirs = match input.size {
        Size::Modulus(m) => integers::table(&input.tree, m),
        Size::Degree(n) => Some(permutations::table(&input.tree, n)),
    };
    match (ours, theirs) {
        (Ok(task), Some(table)) => {
            let answers: Vec<u16> = task.equations.iter().map(|e| e.answer).collect();
            assert_eq!(answers, table, "{file}");
        }
        (Err(error), None) => {
            assert!(error.to_string().contains("has no inverse"), "{error}\n{file}");
        }
        (Ok(_), None) => panic!("accepted, but a row has no inverse\n{file}"),
        // the limits on length, depth and work are ours alone
        (Err(error), Some(_)) => {
            let message = error.to_string();
            let limit = ["longer than", "nested deeper", "operations"].iter().any(|l| message.contains(l));
            assert!(limit, "{error}\n{file}");
        }
    }
});
