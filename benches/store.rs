//! What a checkpoint costs: a run of the study made to last, digests, syncs and all. By default there is one a minute.
#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros; and a bench may stop

use criterion::{Criterion, criterion_group, criterion_main};
use groklab::{
    kinds::operations::config::{PlannedRun, Preset},
    kinds::operations::engine::{self, EngineChoice},
    kinds::operations::task::Task,
    kinds::operations::train::Trainer,
    program::Program,
    run::{Mark, Part, State},
    store::{Manifest, Provenance, RunWriter},
};

fn bench(c: &mut Criterion) {
    let task = Task::find("add").unwrap();
    let run = PlannedRun::new(Preset::Paper.config("add", 0.5, 0), task.into());
    let device = candle_core::Device::Cpu;
    let (mut engine, name) = engine::build(
        EngineChoice::Auto,
        engine::Precision::F32,
        &run.config.model,
        run.task.n_symbols,
        &device,
    )
    .unwrap();
    let mut trainer = Trainer::new(&run).unwrap();
    let (row, _) = trainer.measure(engine.as_mut()).unwrap();
    // beside the build, on the disk where results would be: a temporary directory may be memory
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let by = Provenance {
        from_epoch: 0,
        program: Program::this(),
        engine: name,
        precision: "f32".to_owned(),
        processor: engine::instruction_set().to_owned(),
    };
    let manifest = Manifest::fresh(&run, trainer.layout.len(), by);
    let mut writer = RunWriter::create(dir.path(), &run, manifest).unwrap();
    c.bench_function(&format!("checkpoint of {} parameters", trainer.layout.len()), |b| {
        b.iter(|| {
            trainer.course.step += 1; // another file each time, as in a run
            writer.metrics(Part::Trajectory, Mark { epoch: 1, step: 10 }, &row).unwrap();
            writer.save(trainer.snapshot().as_ref(), trainer.layout()).unwrap();
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
