//! Spectra of many runs as one Parquet file: a row a direction, `spectra.csv` with the run's task, fraction and seed.
//! Uncompressed; runs follow one another, each value as exact as in the CSV; the same runs give the same bytes.

use std::sync::Arc;

use ::parquet::{
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::Result,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use crate::store::SpectrumRow;

/// Runs in a row group: half a million rows at n = 128 and four checkpoints.
const GROUP_RUNS: usize = 1024;

/// The columns in their order; their names are those of the CSV files.
const SCHEMA: &str = "message spectra {
    required binary run (STRING);
    required binary task (STRING);
    required double train_fraction;
    required int64 seed (INTEGER(64, false));
    required int64 split_seed (INTEGER(64, false));
    required binary checkpoint (STRING);
    required int64 epoch;
    required int64 i;
    required double singular_value;
    required double p;
    required double q;
    required double covariance_eigenvalue;
}";

/// The spectra of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpectra {
    /// Task name.
    pub task: String,
    /// Share of the table used for training.
    pub train_fraction: f64,
    /// Seed of parameters and batch order.
    pub seed: u64,
    /// Seed of the split.
    pub split_seed: u64,
    /// The rows of its `spectra.csv`.
    pub rows: Vec<SpectrumRow>,
}

/// The bytes of a Parquet file with the spectra of `runs`, in their order.
pub fn spectra_file(runs: &[RunSpectra]) -> Result<Vec<u8>> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let creator = concat!("groklab version ", env!("CARGO_PKG_VERSION"));
    let properties = WriterProperties::builder().set_created_by(creator.to_owned()).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    for runs in runs.chunks(GROUP_RUNS) {
        let rows: Vec<(&RunSpectra, &SpectrumRow)> =
            runs.iter().flat_map(|run| run.rows.iter().map(move |row| (run, row))).collect();
        let mut group = writer.next_row_group()?;
        column::<ByteArrayType>(&mut group, rows.iter().map(|(_, row)| text(&row.run)))?;
        column::<ByteArrayType>(&mut group, rows.iter().map(|(run, _)| text(&run.task)))?;
        column::<DoubleType>(&mut group, rows.iter().map(|(run, _)| run.train_fraction))?;
        // unsigned numbers are stored as the signed ones of the same bits
        column::<Int64Type>(&mut group, rows.iter().map(|(run, _)| run.seed as i64))?;
        column::<Int64Type>(&mut group, rows.iter().map(|(run, _)| run.split_seed as i64))?;
        column::<ByteArrayType>(&mut group, rows.iter().map(|(_, row)| text(&row.checkpoint)))?;
        column::<Int64Type>(&mut group, rows.iter().map(|(_, row)| row.epoch as i64))?;
        column::<Int64Type>(&mut group, rows.iter().map(|(_, row)| row.i as i64))?;
        column::<DoubleType>(&mut group, rows.iter().map(|(_, row)| row.singular_value))?;
        column::<DoubleType>(&mut group, rows.iter().map(|(_, row)| row.p))?;
        column::<DoubleType>(&mut group, rows.iter().map(|(_, row)| row.q))?;
        column::<DoubleType>(&mut group, rows.iter().map(|(_, row)| row.covariance_eigenvalue))?;
        group.close()?;
    }
    writer.into_inner()
}

/// Writes the next column of the group.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: impl Iterator<Item = T::T>,
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        let values: Vec<T::T> = values.collect();
        column.typed::<T>().write_batch(&values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn text(text: &str) -> ByteArray {
    text.as_bytes().to_vec().into()
}
