//! Samples against closed forms, counts of other programs, and files that lie.

use super::*;
use rand::Rng;
use std::path::{Path, PathBuf};

/// What scikit-learn 1.9.1 and NumPy say of the digits: rows a class, sum of all pixels, the first image's sum.
#[test]
fn digits_are_scikit_learns() {
    let raw = digits::parse(include_bytes!("../../data/digits.bin")).unwrap();
    assert_eq!((raw.rows(), raw.width(), raw.classes()), (1797, 64, 10));
    let count = |class| raw.labels().iter().filter(|&&l| l == class).count();
    assert_eq!((0..10).map(count).collect::<Vec<_>>(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    let sum = |v: &[f32]| v.iter().map(|&v| f64::from(v) * 16.0).sum::<f64>();
    assert_eq!((sum(raw.inputs()), sum(raw.row(0))), (561_718.0, 294.0));
    assert_eq!(raw.labels()[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

    let standard = digits().unwrap();
    let n = standard.inputs().len() as f64;
    let mean = standard.inputs().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let square = standard.inputs().iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
    assert!(mean.abs() < 1e-4 && (square - 1.0).abs() < 1e-4, "{mean} {square}");
}

#[test]
fn a_damaged_file_of_digits_is_refused() {
    let file = include_bytes!("../../data/digits.bin");
    assert!(digits::parse(&file[..file.len() - 1]).is_err() && digits::parse(&file[..10]).is_err());
    let mut longer = file.to_vec();
    longer.push(0);
    assert!(digits::parse(&longer).is_err());
    let mut huge = file.to_vec();
    huge[8..16].fill(255);
    assert!(digits::parse(&huge).is_err());
}

#[test]
fn pixel_noise_has_its_deviation_and_belongs_to_the_row() {
    let clean = digits().unwrap();
    let hard = hard_digits(0).unwrap();
    let n = clean.inputs().len() as f64;
    let moved: Vec<f64> =
        hard.inputs().iter().zip(clean.inputs()).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
    let (mean, square) = (moved.iter().sum::<f64>() / n, moved.iter().map(|d| d * d).sum::<f64>() / n);
    // five standard errors over 115,008 draws
    assert!(mean.abs() < 0.015 && (square - 1.0).abs() < 0.021, "{mean} {square}");
    let few = pixel_noise(clean.select(&[0, 1, 2]).unwrap(), 1.0, 0).unwrap();
    assert_eq!(few.row(2), hard.row(2));
    assert_ne!(hard, hard_digits(1).unwrap());
}

#[test]
fn label_noise_changes_exactly_its_share() {
    let clean = digits().unwrap();
    let (noisy, rows) = label_noise(clean.clone(), 0.1, 3).unwrap();
    let changed: Vec<usize> = (0..clean.rows()).filter(|&i| clean.labels()[i] != noisy.labels()[i]).collect();
    assert_eq!((changed.len(), &changed), (180, &rows));
    assert_eq!(label_noise(clean.clone(), 0.0, 3).unwrap(), (clean.clone(), vec![]));
    for share in [-0.1, 1.1, f64::NAN] {
        assert!(label_noise(clean.clone(), share, 3).is_err());
    }
}

#[test]
fn a_split_loses_nothing_and_depends_on_its_seed() {
    let all = digits().unwrap();
    let (train, rest) = all.split(200, 0).unwrap();
    assert_eq!((train.rows(), rest.rows()), (200, 1597));
    let sorted = |parts: &[&Samples]| {
        let mut rows: Vec<Vec<u32>> = parts
            .iter()
            .flat_map(|s| (0..s.rows()).map(|i| s.row(i).iter().map(|v| v.to_bits()).collect()))
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(sorted(&[&train, &rest]), sorted(&[&all]));
    assert_ne!(all.split(200, 1).unwrap().0, train);
    assert!(all.split(0, 0).is_err() && all.split(1797, 0).is_err());
}

/// Share of `samples` that the sign of `direction`·x gets right, in %.
fn right(samples: &Samples, direction: impl Fn(&[f32]) -> f32) -> f64 {
    let hits = (0..samples.rows())
        .filter(|&i| (direction(samples.row(i)) > 0.0) == (samples.labels()[i] == 1))
        .count();
    100.0 * hits as f64 / samples.rows() as f64
}

#[test]
fn mixtures_are_as_hard_as_their_closed_forms() {
    let rows = 0..20_000;
    let mixture = Mixture { variant: Variant::Isotropic, width: 6, strength: 1.0, deviation: 0.5 };
    let draw = |variant| Mixture { variant, ..mixture }.draw(1, rows.clone()).unwrap();
    // Φ(2) and Φ(1/√(0.25·(1 + 24·0.356²))); standard errors 0.11 and 0.26
    let found = right(&draw(Variant::Isotropic), |x| x[0]);
    assert!((found - 97.72).abs() < 0.5, "{found}");
    let found = right(&draw(Variant::Spiked { lean: 0.356 }), |x| x[0]);
    assert!((found - 84.0).abs() < 1.3, "{found}");
    // each sign of two is wrong with 1 − Φ(2): both or neither leave the product right
    let found = right(&draw(Variant::Xor), |x| x[0] * x[1]);
    assert!((found - 95.55).abs() < 0.7, "{found}");
    let found = right(&draw(Variant::Xor), |x| x[0]);
    assert!((found - 50.0).abs() < 1.8, "{found}");
    // four fifths with Φ(2), a fifth with 1 − Φ(1)
    let found = right(&draw(Variant::Minority), |x| x[0]);
    assert!((found - (0.8 * 97.72 + 0.2 * 15.87)).abs() < 1.3, "{found}");
}

#[test]
fn a_drawn_row_does_not_depend_on_how_many_are_drawn() {
    let mixture = Mixture { variant: Variant::Minority, width: 5, strength: 1.0, deviation: 0.35 };
    assert_eq!(mixture.draw(4, 7..8).unwrap().row(0), mixture.draw(4, 0..20).unwrap().row(7));
    assert_eq!(mixture.draw(4, 0..40).unwrap().labels().iter().sum::<u32>(), 20);
    let xor = XorClusters { width: 50, epsilon: 0.158, noise: 0.0 };
    assert_eq!(xor.draw(4, 7..8).unwrap().row(0), xor.draw(4, 0..20).unwrap().row(7));
    assert!(mixture.draw(4, 3..3).is_err() && Mixture { width: 3, ..mixture }.draw(4, 0..2).is_err());
}

#[test]
fn xor_clusters_have_their_corners_and_the_class_of_the_product() {
    let clean = XorClusters { width: 30, epsilon: 0.25, noise: 0.0 }.draw(0, 0..400).unwrap();
    for (x, &label) in clean.inputs().chunks_exact(30).zip(clean.labels()) {
        assert!(x[..2].iter().all(|v| v.abs() == 1.0) && x[2..].iter().all(|v| v.abs() == 0.25));
        assert_eq!(label == 1, x[0] * x[1] > 0.0);
    }
    let noisy = XorClusters { width: 30, epsilon: 0.25, noise: 0.1 }.draw(0, 0..400).unwrap();
    assert_eq!((noisy.labels(), &noisy.row(9)[..2]), (clean.labels(), &clean.row(9)[..2]));
    assert_ne!(noisy.row(9)[2..], clean.row(9)[2..]);
}

/// A directory with files in it.
fn files(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let write = |(name, bytes): &(&str, &[u8])| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let paths = files.iter().map(write).collect();
    (directory, paths)
}

fn idx_of(images: &[u8], labels: &[u8]) -> Result<Samples, SamplesError> {
    let (directory, _) = files(&[("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)]);
    idx_directory(directory.path(), "train")
}

const IMAGES: [u8; 24] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 51, 102, 255, 1, 2, 3, 4];
const LABELS: [u8; 10] = [0, 0, 8, 1, 0, 0, 0, 2, 7, 3];

#[test]
fn idx_files_are_read_and_hostile_ones_refused() {
    let samples = idx_of(&IMAGES, &LABELS).unwrap();
    assert_eq!((samples.rows(), samples.width(), samples.classes()), (2, 4, 8));
    assert_eq!((samples.row(0), samples.labels()), (&[0.0, 0.2, 0.4, 1.0][..], &[7, 3][..]));

    let with = |at: usize, byte: u8| {
        let mut images = IMAGES;
        images[at] = byte;
        idx_of(&images, &LABELS).unwrap_err().to_string()
    };
    assert!(with(0, 0x1f).contains("begins with"));
    assert!(with(2, 13).contains("unsigned bytes"));
    assert!(with(3, 1).contains("dimensions"));
    // declares 2 + 2²⁴·255 images in a file of 24 bytes
    assert!(with(4, 255).contains("cut short"));
    assert!(with(7, 1).contains("follow its data"));
    assert!(idx_of(&LABELS, &IMAGES).unwrap_err().to_string().contains("exchanged"));
    assert!(idx_of(&IMAGES, &[0, 0, 8, 1, 0, 0, 0, 1, 7]).unwrap_err().to_string().contains("1 labels"));
    assert!(idx_of(&[0x1f, 0x8b, 8, 0], &LABELS).unwrap_err().to_string().contains("gunzip"));
    let overflow = [&[0, 0, 8, 4][..], &[255; 16]].concat();
    assert!(idx_of(&overflow, &LABELS).unwrap_err().to_string().contains("overflow"));
    for length in 0..IMAGES.len() {
        assert!(idx_of(&IMAGES[..length], &LABELS).is_err(), "{length} bytes");
    }
    assert!(idx(Path::new("/no/such/file"), Path::new("/no/such/file")).is_err());
    assert!(idx(Path::new("/"), Path::new("/")).unwrap_err().to_string().contains("regular"));
}

/// A `.npy` file of version 1.
fn array(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let size = (head.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\0", &size[..], head.as_bytes(), data].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn npy_of(inputs: &[u8], labels: &[u8]) -> Result<Samples, SamplesError> {
    let (_directory, paths) = files(&[("x.npy", inputs), ("y.npy", labels)]);
    npy(&paths[0], &paths[1])
}

#[test]
fn npy_files_are_read_and_hostile_ones_refused() {
    let x = array("<f4", "False", "(2, 3)", &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, -6.5]));
    let y = array("<i8", "False", "(2,)", &[&2i64.to_le_bytes()[..], &0i64.to_le_bytes()].concat());
    let samples = npy_of(&x, &y).unwrap();
    assert_eq!(
        (samples.row(1), samples.labels(), samples.classes()),
        (&[4.0, 5.0, -6.5][..], &[2, 0][..], 3)
    );

    let says = |x: &[u8], y: &[u8], part: &str| {
        let error = npy_of(x, y).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let labels = |values: &[f32]| array("<f4", "False", "(2, 1)", &floats(values));
    assert_eq!(npy_of(&x, &labels(&[1.0, 0.0])).unwrap().labels(), [1, 0]);
    says(&x, &labels(&[0.0, f32::NAN]), "label of row 1 is NaN");
    says(&x, &labels(&[0.5, 0.0]), "label of row 0 is 0.5");
    says(&x, &labels(&[0.0, -1.0]), "label of row 1 is -1");
    says(&x, &labels(&[0.0, 4e9]), "label of row 1 is 4000000000");
    says(&array("<i2", "False", "(1, 1)", &[255, 255]), &array("<i2", "False", "(1,)", &[255, 255]), "is -1");
    let nan = array("<f4", "False", "(2, 3)", &floats(&[1.0, 2.0, 3.0, 4.0, f32::INFINITY, 0.0]));
    says(&nan, &y, "input 1 of row 1 is inf");
    says(&array("<f4", "False", "(9999999999, 3)", &[0; 24]), &y, "cut short");
    says(&array("<f4", "False", "(9999999999999, 9999999999999)", &[0; 24]), &y, "overflows");
    says(&array("<f4", "False", "(2, 2)", &[0; 24]), &y, "follow its data");
    says(&array("<f4", "True", "(2, 3)", &[0; 24]), &y, "by columns");
    says(&array("|O", "False", "(2, 3)", &[0; 24]), &y, "astype");
    says(&array("<f4", "False", "(2, x)", &[0; 24]), &y, "shape");
    says(&array("<f4", "False", "(3, 2)", &[0; 24]), &y, "labels of shape");
    says(b"PK\x03\x04\0\0\0\0\0\0", &y, "does not begin");
    says(b"\x93NUMPY\x09\0\0\0", &y, "version 9");
    says(b"\x93NUMPY\x02\0\xff\xff\xff\xff", &y, "claims");
    for length in 0..x.len() {
        assert!(npy_of(&x[..length], &y).is_err(), "{length} bytes");
    }
}

#[test]
fn no_file_makes_a_reader_panic() {
    let whole = array("<f4", "False", "(2, 3)", &[0; 24]);
    for index in 0..500 {
        let mut generator = stream(0, "damage", index);
        let (mut x, mut images) = (whole.clone(), IMAGES.to_vec());
        for _ in 0..generator.random_range(1..6) {
            let at = generator.random_range(0..x.len());
            x[at] = generator.random();
            let at = generator.random_range(0..images.len());
            images[at] = generator.random();
        }
        let _ = npy_of(&x, &array("|u1", "False", "(2,)", &[0, 1]));
        let _ = idx_of(&images, &LABELS);
    }
}
