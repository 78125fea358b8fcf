//! How much memory a run takes, before it takes any: what cannot be had should be refused in one line.

use super::{
    EVALUATION_ROWS, Shape,
    cpu::{ROWS_AT_ONCE, rows::Counts},
};
use crate::{
    kinds::operations::config::{Activation, RunConfig, train_rows},
    kinds::operations::model::ParamLayout,
    kinds::operations::task::Equation,
};

/// Bytes that the run allocates at least: parameters, gradients, both moments, a copy to write, and the weights of the
/// linear layers packed for both directions; the factored engine's activations for one batch; the probe's f64 matrices. The plain engine takes more.
/// `rows` is the size of the task's table.
pub fn footprint(config: &RunConfig, n_symbols: usize, rows: usize) -> u64 {
    let model = &config.model;
    let (v, d, m) = (n_symbols, model.d_model, model.d_mlp);
    let batch =
        config.data.batch_size.min(train_rows(rows, config.train_fraction)).max(EVALUATION_ROWS.min(rows));
    let hidden = if model.activation == Activation::Gelu { 2 * m } else { m };
    let some = batch.min(ROWS_AT_ONCE);
    // by input row: norm, query, key and value, and in the first layer projected values; in the last layer the norm alone.
    // By output row: weights of 4 positions, two sums, norm, MLP, and between the first and the last layer what was attended
    let layer = |(l, c): (usize, Counts)| {
        let (first, last) = (l == 0, l + 1 == model.n_layers);
        let by_input = if first { (4 + model.n_heads) * d } else { [4 * d, d][usize::from(last)] };
        let by_output = 3 * d + 4 * model.n_heads + hidden + if first || last { 0 } else { d };
        c.inputs * by_input + if last { some } else { c.outputs } * by_output
    };
    let activations: usize =
        Counts::of_layers(model.n_layers, model.sequence, [v, batch]).enumerate().map(layer).sum();
    let backward = Counts::new(model.sequence, [v, batch], (false, false)).inputs * 3 * d;
    let head = some * (2 * d + v);
    let packed = 2 * (model.n_layers * (4 * d * d + 2 * d * m) + v * d);
    let parameters = 5 * ParamLayout::new(model, v).len() + packed;
    let probe = 4 * d * d + 3 * v * d;
    4 * (parameters + activations + backward + head) as u64 + 8 * probe as u64
}

/// Bytes that the host allocates for a run on a device: parameters, both moments and a copy of them to write; the two
/// sides of the split and an epoch's batches; one probe's f64 matrices.
pub fn footprint_beside_device(shape: &Shape) -> u64 {
    let (v, d) = (shape.n_symbols, shape.model.d_model);
    let parameters = 6 * ParamLayout::new(&shape.model, v).len();
    let rows = 4 * shape.table * size_of::<Equation>();
    let probe = 4 * d * d + 3 * v * d;
    (4 * parameters + rows + 8 * probe) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kinds::operations::config::{PlannedRun, Preset, RunConfig},
        kinds::operations::task::Task,
    };

    fn bytes(set: &[&str]) -> u64 {
        let pairs: Vec<_> =
            set.iter().map(|s| crate::kinds::operations::config::parse_override(s).unwrap()).collect();
        let config: RunConfig =
            crate::kinds::operations::config::apply_overrides(&Preset::Paper.config("add", 0.5, 0), &pairs)
                .unwrap();
        footprint(&config, 97, 9409)
    }

    #[test]
    fn wide_models_take_their_parameters_seven_times() {
        // 4 d² for attention, 2 d m for the MLP, in each layer
        let (d, m, layers) = (4096_u64, 8192, 4);
        let weights = layers * (4 * d * d + 2 * d * m);
        let got = bytes(&["model.d_model=4096", "model.d_mlp=8192", "model.n_layers=4"]);
        assert!(got > 4 * 7 * weights && got < 4 * 8 * weights, "{got} bytes for {weights} weights");
    }

    #[test]
    fn a_batch_counts_no_more_rows_than_there_are() {
        assert_eq!(bytes(&["data.batch_size=4704"]), bytes(&["data.batch_size=1048576"]));
        assert!(bytes(&["data.batch_size=4704"]) > 2 * bytes(&["data.batch_size=512"]));
    }

    #[test]
    fn a_run_beside_a_device_takes_its_state_and_a_copy() {
        let run = |d_model: usize| {
            let mut config = Preset::Paper.config("add", 0.5, 0);
            config.model.d_model = d_model;
            footprint_beside_device(&Shape::of(&PlannedRun::new(config, Task::find("add").unwrap().into())))
        };
        // the paper's model: embeddings 103 d, two layers of 4 d² + 2 d·512, five norms, an unembedding 97 d
        let parameters = |d: u64| (99 + 4) * d + 2 * (4 * d * d + 2 * d * 512) + 5 * 2 * d + 97 * d;
        for d in [128, 1024] {
            let got = run(d as usize);
            assert!(got > 24 * parameters(d), "{got}");
            assert!(got < 24 * parameters(d) + 64 * (d * d + 97 * d + 97 * 97), "{got}");
        }
    }

    #[test]
    fn the_largest_config_that_passes_its_checks_does_not_overflow() {
        let largest =
            ["model.d_model=16384", "model.d_mlp=16384", "model.n_layers=64", "model.n_heads=16384"];
        assert!(bytes(&largest) > 1 << 40);
    }
}
