//! The kinds beside binary operations through the program: swept, listed, asked, drawn.

use std::{fs, path::Path};

fn sweep(dir: &Path, experiment: &str) -> String {
    fs::write(dir.join("e.toml"), experiment).unwrap();
    super::succeed(dir, &["sweep", "e.toml"]);
    let status = super::succeed(dir, &["status", "results/e"]);
    assert!(status.contains(" done"), "{status}");
    let verified = super::succeed(dir, &["verify", "results/e"]);
    super::succeed(dir, &["plot", "results/e"]);
    super::succeed(dir, &["report", "results/e"]);
    assert!(fs::read_to_string(dir.join("report.html")).unwrap().contains("<svg"));
    verified
}

#[test]
fn classifiers_are_swept_over_their_scale_and_the_study_answers() {
    let root = tempfile::tempdir().unwrap();
    let verified = sweep(
        root.path(),
        "title = 't'\nkind = 'vectors'\nstudy = 'strength'\npreset = 'strength-digits'\nseeds = [0, 1]\n\
         [set]\n'model.depth' = 2\n'model.width' = 8\n'train.max_epochs' = 3\n\
         [grid]\n'model.output_scale' = [0.0625, 1.0, 16.0]\n",
    );
    assert!(verified.contains("6 of 6 runs are whole"), "{verified}");
    let claims = super::succeed(root.path(), &["claims", "results/e"]);
    assert!(claims.contains("arXiv 2602.00827") && claims.contains("c* = 2^0"), "{claims}");
    assert!(root.path().join("plots/e-accuracy.svg").exists());
}

#[test]
fn language_models_are_swept_over_their_tokens_and_the_study_answers() {
    let root = tempfile::tempdir().unwrap();
    let verified = sweep(
        root.path(),
        "title = 't'\nkind = 'text'\nstudy = 'pretraining'\nseeds = [0]\n\
         [set]\n'model.d_model' = 8\n'model.d_mlp' = 8\n'model.n_heads' = 2\n'model.n_layers' = 1\n'model.n_ctx' = 8\n\
         'data.batch_size' = 2\n'data.held_out' = 4\n'probe.tokens' = 64\n'probe.every' = 2\n\
         'optim.schedule_steps' = 6\n'optim.warmup_steps' = 1\n'train.max_epochs' = 6\n\
         [grid]\n'data.tokens' = [0, 64]\n",
    );
    assert!(verified.contains("2 of 2 runs are whole"), "{verified}");
    let claims = super::succeed(root.path(), &["claims", "results/e"]);
    assert!(claims.contains("LAR at step 0") && claims.contains("2 runs"), "{claims}");
    let more = super::succeed(root.path(), &["sweep", "e.toml", "--max-steps", "8"]);
    assert!(more.contains("2 of 2 runs finished"), "{more}");
    let status = super::succeed(root.path(), &["status", "results/e"]);
    assert!(status.contains("step 8 of 8"), "{status}");
}

/// Two stages in cases, two seeds, spectra at every evaluation, a target that is not reached.
#[test]
fn the_toy_of_spectral_lens_is_swept_by_stages_and_the_study_answers() {
    let root = tempfile::tempdir().unwrap();
    let verified = sweep(
        root.path(),
        "title = 't'\nkind = 'text'\nstudy = 'lens'\npreset = 'lens-small'\nseeds = [0, 1]\n\
         [set]\n'model.d_model' = 16\n'model.d_mlp' = 16\n'model.n_heads' = 2\n'model.n_ctx' = 8\n'data.tokens' = 512\n\
         'data.held_out' = 16\n'data.batch_size' = 32\n'probe.tokens' = 64\n'probe.every' = 1\n'train.max_epochs' = 4\n'target.val_loss' = 0.1\n\
         'probe.activations.sequences' = 64\n'probe.gradients.sequences' = 4\n\
         [[cases]]\n'model.tied' = true\n'model.zero_head' = false\n'model.normalised_embedding' = false\n\
         'optim.muon.learning_rate' = 1.697e-3\n\
         [[cases]]\n'optim.muon.learning_rate' = 1.2e-3\n",
    );
    assert!(verified.contains("4 of 4 runs are whole"), "{verified}");
    let claims = super::succeed(root.path(), &["claims", "results/e"]);
    assert!(claims.contains("arXiv 2605.05683") && claims.contains("muon − untied"), "{claims}");
    assert!(root.path().join("plots/e-slopes.svg").exists());
    let status = super::succeed(root.path(), &["status", "results/e"]);
    assert!(status.contains("step 4 of 4"), "{status}");
}
