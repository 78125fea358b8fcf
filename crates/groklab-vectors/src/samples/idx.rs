//! IDX, the format of MNIST: magic number, sizes, bytes; all big-endian, not compressed.
//!
//! Magic 0x0000TTDD: TT the type of a number (08 is an unsigned byte, the only one taken), DD the number of dimensions,
//! then so many sizes of four bytes. Source: <http://yann.lecun.com/exdb/mnist/>.

use super::{MAX_CLASSES, Samples, SamplesError, file::Source};
use std::path::Path;

/// Images, (rows, …), each flattened and divided by 255, and labels, (rows). There are as many classes as the largest
/// label and one.
///
/// # Errors
/// [`SamplesError`] if a file cannot be read or contradicts its format, or the two do not belong together.
pub fn idx(images: &Path, labels: &Path) -> Result<Samples, SamplesError> {
    let (shape, pixels) = read(images, 2..=4)?;
    let (_, labels) = read(labels, 1..=1)?;
    if shape[0] as usize != labels.len() {
        return Err(SamplesError::Unfit(format!(
            "{} images in {} and {} labels",
            shape[0],
            images.display(),
            labels.len()
        )));
    }
    let width = pixels.len().checked_div(labels.len()).unwrap_or(0);
    let classes = labels.iter().max().map_or(0, |&most| usize::from(most) + 1);
    debug_assert!(classes <= MAX_CLASSES);
    let inputs = pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
    Samples::new(inputs, width, labels.into_iter().map(u32::from).collect(), classes)
}

/// The pair `PART-images-idx3-ubyte` and `PART-labels-idx1-ubyte` of a directory; MNIST's parts are `train` and `t10k`.
///
/// # Errors
/// As [`idx`].
pub fn idx_directory(directory: &Path, part: &str) -> Result<Samples, SamplesError> {
    let file = |kind: &str| directory.join(format!("{part}-{kind}-ubyte"));
    idx(&file("images-idx3"), &file("labels-idx1"))
}

/// Sizes and bytes of one file.
fn read(path: &Path, dimensions: std::ops::RangeInclusive<u8>) -> Result<(Vec<u32>, Vec<u8>), SamplesError> {
    let mut source = Source::open(path)?;
    let magic = source.take(4)?;
    let count = match magic[..] {
        [0x1f, 0x8b, ..] => {
            return Err(source.damaged("it is compressed by gzip; unpack it with gunzip first".into()));
        }
        [0, 0, 8, count] if dimensions.contains(&count) => count,
        [0, 0, 8, count] => {
            let (from, to) = (dimensions.start(), dimensions.end());
            return Err(source.damaged(format!(
                "it has {count} dimensions, wanted are {from} to {to}; images and labels may be exchanged"
            )));
        }
        [0, 0, kind @ (9 | 11..=14), _] => {
            let reason = format!("its numbers are of type {kind:#04x}; only unsigned bytes, 0x08, are taken");
            return Err(source.damaged(reason));
        }
        _ => {
            let reason = format!("it begins with {magic:02x?}, an IDX file of bytes with 00 00 08");
            return Err(source.damaged(reason));
        }
    };
    let sizes = source.take(4 * u64::from(count))?;
    let sizes: Vec<u32> = sizes.as_chunks::<4>().0.iter().map(|&size| u32::from_be_bytes(size)).collect();
    let bytes = sizes.iter().try_fold(1u64, |bytes, &size| bytes.checked_mul(size.into()));
    let bytes = bytes.ok_or_else(|| source.damaged(format!("its sizes {sizes:?} overflow")))?;
    let data = source.take(bytes)?;
    source.end()?;
    Ok((sizes, data))
}
