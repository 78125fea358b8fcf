//! The built-in tasks against sources outside this code: Python's recorded tables, 128-bit arithmetic with
//! Fermat's inverse, and what is known of S5.

use super::{Equation, Symbols, Task, builtin_names};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Recorded {
    rows: usize,
    sha256: String,
    digest: String,
}

fn built_in(name: &str) -> Task {
    Task::find(name).unwrap()
}

#[test]
fn tables_are_those_of_the_python_script() {
    let recorded: BTreeMap<String, Recorded> =
        serde_json::from_str(include_str!("../../../../tests/oracle/tasks.json")).unwrap();
    let names: Vec<&str> = recorded.keys().map(String::as_str).collect();
    let mut built_in_names = builtin_names().to_vec();
    built_in_names.sort_unstable();
    assert_eq!(names, built_in_names);
    for (name, expected) in recorded {
        let task = built_in(&name);
        let mut hasher = Sha256::new();
        for Equation { x, y, answer } in &task.equations {
            hasher.update(format!("{x},{y},{answer}\n"));
        }
        let sha256: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(task.equations.len(), expected.rows, "{name}");
        assert_eq!(sha256, expected.sha256, "{name}");
        assert_eq!(task.digest(), expected.digest, "{name}");
    }
}

#[test]
fn row_counts_are_the_papers() {
    for &name in builtin_names() {
        let task = built_in(name);
        let expected = match name {
            "add_31" => 961,
            "add_1009" => 1_018_081,
            "div" | "div_or_sub" => 9_312,
            name if name.starts_with("s5") => 14_400,
            _ => 9_409,
        };
        assert_eq!(task.equations.len(), expected, "{name}");
        let symbols = match name {
            "add_31" => 31,
            "add_1009" => 1_009,
            name if name.starts_with("s5") => 120,
            _ => 97,
        };
        assert_eq!(task.n_symbols, symbols, "{name}");
    }
}

#[test]
fn modular_answers_follow_the_formulas() {
    let p = 97i128;
    // Fermat: y^(p−2) is the inverse of y modulo a prime p
    let inverse = |y: i128| (0..p - 2).fold(1, |power, _| power * y % p);
    type Formula<'a> = &'a dyn Fn(i128, i128) -> i128;
    let formulas: [(&str, Formula); 9] = [
        ("add", &|x, y| x + y),
        ("sub", &|x, y| x - y),
        ("div", &|x, y| x * inverse(y)),
        ("div_or_sub", &|x, y| if y % 2 == 1 { x * inverse(y) } else { x - y }),
        ("x2_y2", &|x, y| x * x + y * y),
        ("x2_xy_y2", &|x, y| x * x + x * y + y * y),
        ("x2_xy_y2_x", &|x, y| x * x + x * y + y * y + x),
        ("x3_xy", &|x, y| x * x * x + x * y),
        ("x3_xy2_y", &|x, y| x * x * x + x * y * y + y),
    ];
    for (name, formula) in formulas {
        for Equation { x, y, answer } in built_in(name).equations {
            let expected = formula(i128::from(x), i128::from(y)).rem_euclid(p);
            assert_eq!(i128::from(answer), expected, "{name} at {x}, {y}");
        }
    }
}

/// `table[x][y]` of an S5 task.
fn table(name: &str) -> Vec<Vec<u16>> {
    built_in(name).equations.chunks(120).map(|row| row.iter().map(|e| e.answer).collect()).collect()
}

/// Lengths of the cycles of an element of S5, largest first, from its label.
fn cycle_type(label: &str) -> Vec<usize> {
    let images: Vec<usize> = label.bytes().map(|digit| usize::from(digit - b'1')).collect();
    let mut seen = [false; 5];
    let mut lengths = Vec::new();
    for start in 0..5 {
        let (mut at, mut length) = (start, 0);
        while !seen[at] {
            seen[at] = true;
            at = images[at];
            length += 1;
        }
        if length > 0 {
            lengths.push(length);
        }
    }
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    lengths
}

#[test]
fn s5_is_a_group() {
    let product = table("s5_mul");
    for a in 0..120usize {
        assert_eq!((product[a][0], product[0][a]), (a as u16, a as u16), "0 is the identity");
        let mut row = product[a].clone();
        row.sort_unstable();
        assert_eq!(row, (0..120).collect::<Vec<u16>>(), "row {a} holds every element once");
        for b in 0..120usize {
            for c in 0..120usize {
                let ab_c = product[usize::from(product[a][b])][c];
                let a_bc = product[a][usize::from(product[b][c])];
                assert_eq!(ab_c, a_bc, "({a}·{b})·{c}");
            }
        }
    }
}

#[test]
fn s5_has_the_known_orders_and_sixty_even_elements() {
    let (task, product) = (built_in("s5_mul"), table("s5_mul"));
    let mut of_order = BTreeMap::new();
    let mut of_type = BTreeMap::new();
    for a in 0..120u16 {
        let (mut power, mut order) = (a, 1);
        while power != 0 {
            power = product[usize::from(power)][usize::from(a)];
            order += 1;
        }
        *of_order.entry(order).or_insert(0) += 1;
        *of_type.entry(cycle_type(&task.label(a))).or_insert(0) += 1;
    }
    assert_eq!(of_order, BTreeMap::from([(1, 1), (2, 25), (3, 20), (4, 30), (5, 24), (6, 20)]));
    let classes = [
        (vec![1; 5], 1),
        (vec![2, 1, 1, 1], 10),
        (vec![2, 2, 1], 15),
        (vec![3, 1, 1], 20),
        (vec![3, 2], 20),
        (vec![4, 1], 30),
        (vec![5], 24),
    ];
    assert_eq!(of_type, BTreeMap::from(classes));
    // a cycle of even length is an odd permutation
    let is_even = |kind: &[usize]| kind.iter().filter(|&&length| length % 2 == 0).count() % 2 == 0;
    let even: i32 = of_type.iter().filter(|(kind, _)| is_even(kind)).map(|(_, count)| count).sum();
    assert_eq!(even, 60);
}

#[test]
fn conjugation_keeps_the_cycle_type_and_has_seven_classes() {
    let task = built_in("s5_conj");
    let mut classes = vec![std::collections::BTreeSet::new(); 120];
    for Equation { x, y, answer } in &task.equations {
        assert_eq!(cycle_type(&task.label(*answer)), cycle_type(&task.label(*y)), "{x}·{y}·{x}⁻¹");
        classes[usize::from(*y)].insert(*answer);
    }
    classes.sort();
    classes.dedup();
    assert_eq!(classes.len(), 7);
}

#[test]
fn the_right_factor_acts_first_and_labels_are_one_line() {
    let task = built_in("s5_mul");
    assert!(matches!(&task.symbols, Symbols::Permutations(group) if group.degree() == 5));
    assert_eq!([task.label(0), task.label(1), task.label(119)], ["12345", "12354", "54321"]);
    let number = |label: &str| (0..120).find(|&symbol| task.label(symbol) == label).unwrap();
    // (1 2)·(2 3) with the right factor first sends 1 → 2, 2 → 3, 3 → 1
    let row = usize::from(number("21345")) * 120 + usize::from(number("13245"));
    assert_eq!(task.label(task.equations[row].answer), "23145");
}

#[test]
fn rows_are_x_major() {
    for &name in builtin_names() {
        let pairs: Vec<_> = built_in(name).equations.iter().map(|e| (e.x, e.y)).collect();
        assert!(pairs.is_sorted_by(|a, b| a < b), "{name}");
    }
}
