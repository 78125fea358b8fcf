//! `metrics.csv`: the evaluations of one run, as numbers under the names of its kind's columns.
//!
//! A row is the run's id, the labels that tell it from others, the round (`epoch`; of kinds whose round is a step only
//! `step`), the step, and a number for each column: f64 in their shortest form that reads back exactly, `NaN` where not
//! defined; whole numbers of columns that count, empty where there is none.

use crate::run::{Column, Label, Mark, Planned, Unit};
use serde::Serialize;

/// What comes before the numbers, and how they are written.
#[derive(Clone, Debug)]
pub(super) struct Form {
    run: String,
    labels: Vec<(&'static str, Label)>,
    has_epochs: bool,
    columns: &'static [Column],
}

/// One field of a row.
#[derive(Serialize)]
#[serde(untagged)]
enum Field<'a> {
    Text(&'a str),
    Whole(u64),
    Real(f64),
    None(Option<()>),
}

impl Form {
    pub(super) fn of(run: &dyn Planned) -> Self {
        let kind = run.kind();
        Self {
            run: run.id().to_owned(),
            labels: run.labels(),
            has_epochs: kind.round() != "step",
            columns: kind.columns(),
        }
    }

    /// The bytes of a row, after those of the header if asked for.
    pub(super) fn row(&self, with_header: bool, mark: Mark, values: &[f64]) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        if with_header {
            writer.write_record(self.header())?;
        }
        let mut fields = vec![Field::Text(&self.run)];
        fields.extend(self.labels.iter().map(|(_, label)| match label {
            Label::Text(text) => Field::Text(text),
            Label::Whole(number) => Field::Whole(*number),
            Label::Real(number) => Field::Real(*number),
        }));
        fields.extend(self.has_epochs.then_some(Field::Whole(mark.epoch)));
        fields.push(Field::Whole(mark.step));
        fields.extend(self.columns.iter().zip(values).map(|(column, &value)| match column.unit {
            Unit::Count if value.is_nan() => Field::None(None),
            Unit::Count => Field::Whole(value as u64),
            _ => Field::Real(value),
        }));
        writer.serialize(fields)?;
        writer.into_inner().map_err(|e| e.into_error().into())
    }

    fn header(&self) -> impl Iterator<Item = &str> {
        let labels = self.labels.iter().map(|(name, _)| *name);
        let clock = self.has_epochs.then_some("epoch").into_iter().chain(["step"]);
        let columns = self.columns.iter().map(|column| column.name);
        ["run"].into_iter().chain(labels).chain(clock).chain(columns)
    }
}

/// The bytes of a table of evaluations of a run.
pub fn metrics_csv(run: &dyn Planned, rows: &[(Mark, Vec<f64>)]) -> Result<Vec<u8>, csv::Error> {
    let form = Form::of(run);
    let bytes = rows.iter().enumerate().map(|(i, (mark, values))| form.row(i == 0, *mark, values));
    Ok(bytes.collect::<Result<Vec<_>, _>>()?.concat())
}

/// The evaluations of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    columns: Vec<String>,
    marks: Vec<Mark>,
    /// Row by row.
    values: Vec<f64>,
}

/// One evaluation.
#[derive(Clone, Copy, Debug)]
pub struct MetricsRow<'a> {
    /// When it was.
    pub mark: Mark,
    /// A number for each column, NaN where there is none.
    pub values: &'a [f64],
    columns: &'a [String],
}

impl MetricsRow<'_> {
    /// The number in a column; NaN where the run has no such column.
    pub fn get(&self, column: &str) -> f64 {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|i| self.values.get(i)).copied().unwrap_or(f64::NAN)
    }
}

impl Metrics {
    /// From the bytes of a table of that run.
    pub fn parse(run: &str, bytes: &[u8]) -> Result<Self, String> {
        let told = |(line, what): Wrong| format!("line {line}: {what}");
        super::files::parse_metrics(run, csv::Reader::from_reader(bytes)).map_err(told)
    }

    /// Of columns, without a row.
    pub fn new(columns: Vec<String>) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Names of the columns behind the clock.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of evaluations.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The evaluations in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = MetricsRow<'_>> + ExactSizeIterator {
        (0..self.len()).map(|i| self.row(i))
    }

    /// The last evaluation.
    pub fn last(&self) -> Option<MetricsRow<'_>> {
        self.len().checked_sub(1).map(|i| self.row(i))
    }

    /// The evaluation at `epoch`; epochs increase.
    pub fn at(&self, epoch: u64) -> Option<MetricsRow<'_>> {
        self.marks.binary_search_by_key(&epoch, |mark| mark.epoch).ok().map(|i| self.row(i))
    }

    /// One column over time; nothing if there is none of that name.
    pub fn column(&self, name: &str) -> Option<impl Iterator<Item = (Mark, f64)> + '_> {
        let at = self.columns.iter().position(|column| column == name)?;
        let width = self.columns.len();
        Some(self.marks.iter().enumerate().map(move |(i, mark)| (*mark, self.values[i * width + at])))
    }

    /// Appends an evaluation: a value for each column.
    pub fn push(&mut self, mark: Mark, values: &[f64]) {
        self.marks.push(mark);
        let width = self.columns.len();
        self.values.extend(values.iter().copied().chain(std::iter::repeat(f64::NAN)).take(width));
    }

    /// Drops what comes after `epoch`.
    pub(super) fn cut(&mut self, epoch: u64) {
        let kept = self.marks.partition_point(|mark| mark.epoch <= epoch);
        self.marks.truncate(kept);
        self.values.truncate(kept * self.columns.len());
    }

    /// Appends the evaluations of another part of the same table.
    pub(super) fn extend(&mut self, other: Self) {
        for row in other.iter() {
            let values: Vec<f64> = self.columns.iter().map(|column| row.get(column)).collect();
            self.push(row.mark, &values);
        }
    }

    fn row(&self, i: usize) -> MetricsRow<'_> {
        let width = self.columns.len();
        MetricsRow {
            mark: self.marks[i],
            values: &self.values[i * width..(i + 1) * width],
            columns: &self.columns,
        }
    }
}

/// What of a table is not what it should be: the line, from 1, and why.
pub(super) type Wrong = (u64, String);

/// Parses rows as they come; each must be of run `run`.
pub(super) struct Parser<'a> {
    run: &'a str,
    epoch: Option<usize>,
    step: usize,
    /// Rows so far.
    pub(super) metrics: Metrics,
    values: Vec<f64>,
}

impl<'a> Parser<'a> {
    /// For a table with this header.
    pub(super) fn new(run: &'a str, header: &csv::StringRecord) -> Result<Self, Wrong> {
        let place = |name: &str| header.iter().position(|field| field == name);
        let wrong = |what: &str| Err((1, format!("its header has no {what}")));
        if place("run") != Some(0) {
            return wrong("run in front");
        }
        let Some(step) = place("step") else { return wrong("step") };
        let columns = header.iter().skip(step + 1).map(str::to_owned).collect();
        Ok(Self { run, epoch: place("epoch"), step, metrics: Metrics::new(columns), values: Vec::new() })
    }

    /// Takes the next row.
    pub(super) fn row(&mut self, record: &csv::StringRecord) -> Result<(), Wrong> {
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |what: String| (line, what);
        if record.get(0) != Some(self.run) {
            let found = record.get(0).unwrap_or_default();
            return Err(wrong(format!("the row belongs to run {found:?}, the manifest to {:?}", self.run)));
        }
        let whole = |at: usize| {
            let text = record.get(at).unwrap_or_default();
            text.parse::<u64>().map_err(|_| wrong(format!("{text:?} is no whole number")))
        };
        let step = whole(self.step)?;
        let epoch = self.epoch.map_or(Ok(step), whole)?;
        self.values.clear();
        for text in record.iter().skip(self.step + 1) {
            let value = match text {
                "" => f64::NAN,
                text => text.parse().map_err(|_| wrong(format!("{text:?} is no number")))?,
            };
            self.values.push(value);
        }
        self.metrics.push(Mark { epoch, step }, &self.values);
        Ok(())
    }
}
