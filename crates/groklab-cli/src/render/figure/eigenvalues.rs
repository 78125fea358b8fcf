//! The eigenvalues of one weight matrix by rank, both axes logarithmic: the tail that a power law describes, the edge
//! that noise would have.

use super::{
    axes::{Panel, Scale},
    scene::{Scene, Side},
    theme::{ACCURACY, CURVE, FAINT, GROKKED, HAIR, INK, LAR, SMALL, TEXT},
};

const LEFT: f64 = 54.0;
const TOP: f64 = 14.0;
const SIZE: (f64, f64) = (420.0, 220.0);
const RIGHT: f64 = 130.0;
const BOTTOM: f64 = 40.0;
/// Points that are drawn; more cannot be told apart.
const POINTS: usize = 240;
/// From one label to the next.
const LINE: f64 = 11.0;
const DASH: (f64, f64) = (5.0, 3.0);

/// The spectrum of a matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Eigenvalues {
    /// λ = s², descending; what is not positive has no place and is not drawn.
    pub values: Vec<f64>,
    /// Where the power law begins, and its exponent.
    pub tail: Option<(f64, f64)>,
    /// Upper edge of the noise.
    pub edge: Option<f64>,
}

/// The page; None without two different positive values.
pub fn page(spectrum: &Eigenvalues) -> Option<Scene> {
    let values: Vec<f64> = spectrum.values.iter().copied().take_while(|v| *v > 0.0).collect();
    let (largest, least) = (*values.first()?, *values.last()?);
    if largest <= least {
        return None;
    }
    let mut scene = Scene::new(LEFT + SIZE.0 + RIGHT, TOP + SIZE.1 + BOTTOM);
    let x = Scale::Log(0.8, 1.25 * values.len() as f64);
    let y = Scale::Log(least / 1.5, largest * 1.5);
    let panel = Panel { left: LEFT, top: TOP, width: SIZE.0, height: SIZE.1, x };
    let ticks = y.ticks(5);
    panel.grid(&mut scene, y, ticks.iter().map(|(value, _)| *value));
    panel.frame(&mut scene);
    panel.bottom_axis(&mut scene, 5, true);
    panel.side_axis(&mut scene, y, &ticks, false, Some(INK));
    scene.text((panel.middle().0, panel.bottom() + 30.0), "rank", TEXT, INK, Side::Middle);
    scene.text_upwards((13.0, panel.middle().1), "eigenvalue of WᵀW", TEXT, INK);

    let place = |rank: usize| panel.at(y, (rank as f64, values[rank - 1]));
    scene.line(ranks(values.len()).into_iter().map(place).collect(), LAR, CURVE);
    let marks = [
        (spectrum.tail.map(|(x_min, _)| x_min), "tail begins", GROKKED),
        (spectrum.edge, "noise ends", ACCURACY),
    ];
    let mut above: Option<f64> = None;
    for (value, label, color) in marks {
        let Some(height) = value.map(|value| panel.at(y, (1.0, value)).1) else { continue };
        if !(TOP..=panel.bottom()).contains(&height) {
            continue;
        }
        scene.dashes(((LEFT, height), (panel.right(), height)), DASH, color, HAIR);
        // not one label over the other
        let near = above.filter(|above| (height - above).abs() < LINE);
        let at = near.map_or(height, |above| if height < above { above - LINE } else { above + LINE });
        scene.text((panel.right() + 6.0, at + 0.36 * SMALL), label, SMALL, color, Side::Left);
        above = Some(at);
    }
    if let Some((x_min, alpha)) = spectrum.tail {
        // of n values above x, n falls as x^(1 − α): a straight line of rank and value
        let count = values.iter().filter(|v| **v >= x_min).count() as f64;
        let top = x_min * count.powf(1.0 / (alpha - 1.0));
        let [from, to] = [(1.0, top), (count, x_min)].map(|point| panel.at(y, point));
        // cut at the frame
        let from =
            if from.1 < TOP { (to.0 + (from.0 - to.0) * (to.1 - TOP) / (to.1 - from.1), TOP) } else { from };
        scene.dashes((from, to), DASH, FAINT, CURVE);
    }
    Some(scene)
}

/// The ranks that are drawn: all, or as many as can be told apart, evenly in their logarithms.
fn ranks(count: usize) -> Vec<usize> {
    if count <= POINTS {
        return (1..=count).collect();
    }
    let at = |i: usize| (count as f64).powf(i as f64 / (POINTS - 1) as f64).round() as usize;
    let mut ranks: Vec<usize> = (0..POINTS).map(|i| at(i).clamp(1, count)).collect();
    ranks.dedup();
    ranks
}

#[cfg(test)]
mod tests {
    use super::super::svg;
    use super::*;

    #[test]
    fn tail_and_edge_are_marked_where_they_are() {
        let values: Vec<f64> = (1..=500).map(|i| 100.0 / i as f64).collect();
        let spectrum = Eigenvalues { values, tail: Some((1.0, 2.0)), edge: Some(10.0) };
        let drawn = svg(&page(&spectrum).unwrap()).unwrap();
        assert!(drawn.contains("tail begins") && drawn.contains("noise ends"));
        // outside of the values there is nothing to mark
        let drawn = svg(&page(&Eigenvalues { edge: Some(1e9), tail: None, ..spectrum }).unwrap()).unwrap();
        assert!(!drawn.contains("tail begins") && !drawn.contains("noise ends"));
    }

    #[test]
    fn first_and_last_rank_are_drawn_and_none_twice() {
        for count in [1, 2, 240, 241, 5_000] {
            let ranks = ranks(count);
            assert_eq!((ranks.first(), ranks.last()), (Some(&1), Some(&count)));
            assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]) && ranks.len() <= POINTS);
        }
    }

    #[test]
    fn without_a_spectrum_there_is_no_figure() {
        for values in [vec![], vec![0.0; 3], vec![2.0; 3], vec![1.0, 0.0]] {
            assert!(page(&Eigenvalues { values, ..Eigenvalues::default() }).is_none());
        }
    }
}
