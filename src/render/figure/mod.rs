//! Figures as SVG and PNG, from one drawing: [`lar`] (the paper's Fig. 1) and [`k95`] (its Fig. 3).

mod axes;
mod backend;
pub mod k95;
pub mod lar;
mod scene;
mod theme;

pub use backend::{FigureError, png, svg};
pub use scene::Scene;

use crate::analysis::{Group, paper::task_title};

use super::tables::percent;

/// What tells a group from the others of its experiment, as a heading: task, and whatever else varies.
fn title(group: &Group<'_>, groups: &[Group<'_>]) -> String {
    let mut parts = vec![task_title(&group.task).to_owned()];
    if groups.iter().any(|other| other.train_fraction != group.train_fraction) {
        parts.push(percent(group.train_fraction));
    }
    for setting in group.variant.split_whitespace() {
        // the last word of a dotted key says enough
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        parts.push(format!("{} {value}", key.rsplit('.').next().unwrap_or(key).replace('_', " ")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{
        backend::text_width,
        scene::{Mark, Side},
        *,
    };
    use crate::{
        analysis::{groups, rmse_rows, summarize},
        store::{Experiment, RunState, made::MadeRun},
    };

    const TASKS: [&str; 12] = [
        "add",
        "sub",
        "div",
        "div_or_sub",
        "x2_y2",
        "x2_xy_y2",
        "x2_xy_y2_x",
        "x3_xy",
        "x3_xy2_y",
        "s5_mul",
        "s5_conj",
        "s5_aba",
    ];

    fn experiment(name: &str, made: Vec<MadeRun>) -> Experiment {
        Experiment { name: name.into(), runs: made.iter().map(MadeRun::record).collect() }
    }

    /// One of every kind of experiment a reader may have.
    fn experiments() -> Vec<Experiment> {
        let all = TASKS.iter().flat_map(|task| {
            (0..5).map(|seed| MadeRun::new(task, 0.5, seed).grokked(40, 120).shift(0.01 * seed as f64))
        });
        vec![
            experiment("binary-ops", all.collect()),
            experiment("add-fractions", [0.05, 0.1, 0.2, 0.3].map(|f| MadeRun::new("add", f, 0)).to_vec()),
            experiment(
                "batch-dip",
                [64, 512, 4704].map(|n| MadeRun::new("add", 0.5, 0).batch_size(n)).to_vec(),
            ),
            experiment("one", vec![MadeRun::new("a_task_of_mine_with_quite_a_long_name_indeed", 0.5, 0)]),
            experiment("never", vec![MadeRun::new("x3_xy", 0.5, 0), MadeRun::new("x3_xy", 0.5, 1)]),
            experiment(
                "broken",
                vec![
                    MadeRun::new("add", 0.5, 0).diverged(0),
                    MadeRun::new("sub", 0.5, 0).grokked(40, 100).diverged(120),
                    MadeRun::new("div", 0.5, 0).state(RunState::Running),
                    MadeRun::new("s5_mul", 0.5, 0).state(RunState::Failed),
                    MadeRun::new("s5_conj", 0.5, 0).grokked(40, 100).collapsed(140),
                ],
            ),
        ]
    }

    fn scenes(experiment: &Experiment) -> [Scene; 2] {
        let groups = groups(experiment);
        let cells = rmse_rows(&experiment.name, &summarize(experiment));
        [lar::figure(&groups), k95::figure(&groups, &cells)]
    }

    /// Left, top, right, bottom.
    type Box = (f64, f64, f64, f64);

    fn bounds(mark: &Mark) -> Box {
        let around = |points: &[(f64, f64)], margin: f64| {
            points.iter().fold((f64::MAX, f64::MAX, f64::MIN, f64::MIN), |b, p| {
                (b.0.min(p.0 - margin), b.1.min(p.1 - margin), b.2.max(p.0 + margin), b.3.max(p.1 + margin))
            })
        };
        match mark {
            Mark::Line { points, width, .. } => around(points, width / 2.0),
            Mark::Area { points, .. } => around(points, 0.0),
            Mark::Disc { at, radius, .. } => around(&[*at], *radius),
            Mark::Text { at, text, size, bold, side, upwards, .. } => {
                let width = text_width(text, *size, *bold);
                let before = match side {
                    Side::Left => 0.0,
                    Side::Middle => width / 2.0,
                    Side::Right => width,
                };
                // ascender and descender of the letters in use
                let (up, down) = (0.76 * size, 0.2 * size);
                if *upwards {
                    (at.0 - up, at.1 - (width - before), at.0 + down, at.1 + before)
                } else {
                    (at.0 - before, at.1 - up, at.0 + width - before, at.1 + down)
                }
            }
        }
    }

    #[test]
    fn nothing_is_cut_at_the_border() {
        for experiment in experiments() {
            for scene in scenes(&experiment) {
                for mark in &scene.marks {
                    let (left, top, right, bottom) = bounds(mark);
                    let inside = left >= 0.0 && top >= 0.0 && right <= scene.width && bottom <= scene.height;
                    assert!(inside, "{}: {mark:?}", experiment.name);
                }
            }
        }
    }

    #[test]
    fn no_text_stands_on_another() {
        for experiment in experiments() {
            for scene in scenes(&experiment) {
                let texts: Vec<_> = scene.marks.iter().filter(|m| matches!(m, Mark::Text { .. })).collect();
                for (i, a) in texts.iter().enumerate() {
                    for b in &texts[..i] {
                        let (p, q) = (bounds(a), bounds(b));
                        let apart = p.2 <= q.0 || q.2 <= p.0 || p.3 <= q.1 || q.3 <= p.1;
                        assert!(apart, "{}: {a:?} on {b:?}", experiment.name);
                    }
                }
            }
        }
    }

    #[test]
    fn the_same_runs_give_the_same_bytes() {
        for experiment in experiments().into_iter().skip(3) {
            let [once, again] = [scenes(&experiment), scenes(&experiment)];
            for (a, b) in once.iter().zip(&again) {
                assert_eq!(svg(a).unwrap(), svg(b).unwrap());
                assert_eq!(png(a).unwrap(), png(b).unwrap());
            }
        }
    }

    #[test]
    fn a_png_has_two_pixels_a_point() {
        let bytes = png(&Scene::new(120.0, 50.0)).unwrap();
        let info = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap().info().clone();
        assert_eq!((info.width, info.height), (240, 100));
    }

    #[test]
    fn an_svg_is_shown_at_its_size_in_points() {
        let text = svg(&Scene::new(120.0, 50.0)).unwrap();
        assert!(text.starts_with("<svg width=\"120\" height=\"50\" viewBox=\"0 0 480 200\""), "{text}");
    }

    #[test]
    fn the_embedded_font_has_every_character_in_use() {
        let glyph = |c: char| {
            let mut scene = Scene::new(20.0, 20.0);
            scene.text((4.0, 15.0), &c.to_string(), 12.0, (0, 0, 0), Side::Left);
            png(&scene).unwrap()
        };
        let missing = glyph('一');
        let mut used: Vec<char> = experiments()
            .iter()
            .flat_map(scenes)
            .flat_map(|scene| scene.marks)
            .filter_map(|mark| if let Mark::Text { text, .. } = mark { Some(text) } else { None })
            .flat_map(|text| text.chars().collect::<Vec<_>>())
            .chain("10⁴10⁵10⁶10⁷10⁸10⁹".chars())
            .collect();
        used.sort_unstable();
        used.dedup();
        assert!(used.len() > 40);
        for c in used.into_iter().filter(|c| *c != ' ') {
            assert!(glyph(c) != missing, "{c}");
        }
    }
}
