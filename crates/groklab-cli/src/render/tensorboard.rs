//! A run's evaluations as a TensorBoard event file: every measured column of `metrics.csv` is a scalar, by step.
//!
//! The file is a TFRecord: for each event its length, a checksum of the length, the event as a protobuf message and
//! a checksum of that. Fields not written here are those TensorBoard does not need for scalars. No clock enters:
//! every wall time is 0, so the same run gives the same bytes. Scalars are f32, as TensorBoard has them.

use prost::Message;

use crate::store::Metrics;

/// `tensorboard.Event` of event.proto.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `tensorboard.Summary` of summary.proto.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// `tensorboard.Summary.Value`; the number is one of several kinds of value, so that a 0 must be written too.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The bytes of an event file with the scalars of `rows`. A loss that is not a number is written as such; where there is no
/// count, there is no value.
pub fn event_file(rows: &Metrics, counts: &[&str]) -> Vec<u8> {
    let mut file = Vec::new();
    record(&mut file, &Event { file_version: Some("brain.Event:2".into()), ..Event::default() });
    for row in rows.iter() {
        let columns = rows.columns().iter().map(String::as_str).zip(row.values.iter().copied());
        let values = columns.filter(|(name, value)| !(value.is_nan() && counts.contains(name)));
        let scalars = [("epoch", row.mark.epoch as f64)].into_iter().chain(values);
        record(&mut file, &event(row.mark.step as i64, scalars.map(|(name, value)| (name, value as f32))));
    }
    file
}

fn event<'a>(step: i64, scalars: impl Iterator<Item = (&'a str, f32)>) -> Event {
    let value =
        scalars.map(|(tag, number)| Value { tag: tag.to_owned(), simple_value: Some(number) }).collect();
    Event { step, summary: Some(Summary { value }), ..Event::default() }
}

fn record(file: &mut Vec<u8>, event: &Event) {
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked_crc(&length).to_le_bytes());
    file.extend(&message);
    file.extend(masked_crc(&message).to_le_bytes());
}

/// CRC-32C, rotated and offset: a checksum over data that itself holds checksums would be weak (TFRecord).
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::store::made::MadeRun;

    /// Made by `tests/oracle/tensorboard_events.py` with TensorBoard's own writer.
    #[derive(Deserialize)]
    struct Oracle {
        events: Vec<(i64, Vec<(String, f32)>)>,
        bytes: Vec<u8>,
    }

    #[test]
    fn bytes_are_those_of_tensorboards_own_writer() {
        let oracle: Oracle =
            serde_json::from_str(include_str!("../../../../tests/oracle/tensorboard_events.json")).unwrap();
        let mut file = Vec::new();
        record(&mut file, &Event { file_version: Some("brain.Event:2".into()), ..Event::default() });
        for (step, scalars) in &oracle.events {
            record(&mut file, &event(*step, scalars.iter().map(|(tag, number)| (tag.as_str(), *number))));
        }
        assert_eq!(file, oracle.bytes);
    }

    /// The events of a file, by its own framing.
    fn events(mut file: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !file.is_empty() {
            let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
            events.push(Event::decode(&file[12..12 + length]).unwrap());
            file = &file[16 + length..];
        }
        events
    }

    #[test]
    fn every_measured_column_is_there_at_every_evaluation_zeros_and_nans_too() {
        let run = MadeRun::new("add", 0.5, 3).diverged(100);
        let rows = run.metrics();
        let events = events(&event_file(&rows, &["k95"]));
        assert_eq!(events.len(), rows.len() + 1);
        for (row, event) in rows.iter().zip(&events[1..]) {
            assert_eq!(event.step, row.mark.step as i64);
            let values = &event.summary.as_ref().unwrap().value;
            let get = |tag: &str| values.iter().find(|value| value.tag == tag).unwrap().simple_value.unwrap();
            assert_eq!((get("epoch"), get("zero_loss_share")), (row.mark.epoch as f32, 0.0));
            let lar = row.get("lar");
            assert!(get("lar") == lar as f32 || (lar.is_nan() && get("lar").is_nan()));
            assert!(values.iter().all(|value| value.tag != "seed" && value.tag != "run"));
        }
        assert!(events.iter().all(|event| event.wall_time == 0.0));
    }
}
