//! Matrices that are not tensors as they stand: slices, kernels, weights with scales.

use super::{
    tests::{catalog, npy, safetensors},
    *,
};
use half::f16;
use std::path::Path;

/// A safetensors file of (name, dtype, shape, bytes).
fn file(dir: &Path, tensors: &[(&str, &str, &[usize], Vec<u8>)]) -> Catalog {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let start = data.len();
        data.extend(bytes);
        let offsets = [start, data.len()];
        entries
            .push(format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":{offsets:?}}}"#));
    }
    catalog(&safetensors(dir, "q.safetensors", &format!("{{{}}}", entries.join(",")), &data)).unwrap()
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn read(view: &View<'_>, transposed: bool) -> Vec<f64> {
    let mut matrix = view.open(transposed).unwrap();
    let mut numbers = Vec::new();
    matrix.read_rows(0..matrix.rows(), &mut numbers).unwrap();
    numbers
}

#[test]
fn blocks_of_128_have_a_scale_each_and_edges_that_are_smaller() {
    let dir = tempfile::tempdir().unwrap();
    // E4M3: 0x38 is 1, 0x40 is 2
    let (m, n) = (130usize, 129usize);
    let bytes: Vec<u8> = (0..m * n).map(|at| if at % 2 == 0 { 0x38 } else { 0x40 }).collect();
    let scales = f32s(&[1.0, 10.0, 100.0, 1000.0]);
    let catalog = file(
        dir.path(),
        &[("a.weight", "F8_E4M3", &[m, n], bytes), ("a.weight_scale_inv", "F32", &[2, 2], scales)],
    );
    let found = catalog.matrices();
    assert_eq!((found.views.len(), found.skipped.len()), (1, 0));
    let numbers = read(&found.views[0], false);
    for (i, j) in [(0, 0), (0, 1), (5, 128), (129, 3), (129, 128)] {
        let q = if (i * n + j) % 2 == 0 { 1.0 } else { 2.0 };
        let scale = [[1.0, 10.0], [100.0, 1000.0]][i / 128][j / 128];
        assert_eq!(numbers[i * n + j], q * scale, "({i}, {j})");
    }
    assert!(found.views[0].note.as_ref().unwrap().contains("128 × 128"));
}

#[test]
fn rows_and_tensors_have_scales_and_bitsandbytes_divides_by_127() {
    let dir = tempfile::tempdir().unwrap();
    let q: Vec<u8> = [127i8, -127, 64, 0, 1, -1].map(|v| v as u8).into();
    let catalog = file(
        dir.path(),
        &[
            ("row.weight", "I8", &[3, 2], q.clone()),
            ("row.weight_scale", "F32", &[3, 1], f32s(&[1.0, 2.0, 4.0])),
            ("all.weight", "I8", &[3, 2], q.clone()),
            ("all.weight_scale", "F32", &[], f32s(&[0.5])),
            ("bnb.weight", "I8", &[3, 2], q.clone()),
            ("bnb.SCB", "F32", &[3], f32s(&[127.0, 254.0, 127.0])),
            ("zero.weight", "I8", &[3, 2], q),
            ("zero.weight_scale", "F32", &[3, 1], f32s(&[1.0; 3])),
            ("zero.weight_zero_point", "I8", &[3, 1], vec![0; 3]),
        ],
    );
    let found = catalog.matrices();
    let numbers: Vec<Vec<f64>> = found.views.iter().map(|view| read(view, false)).collect();
    assert_eq!(numbers[0], [127.0, -127.0, 128.0, 0.0, 4.0, -4.0]);
    assert_eq!(numbers[1], [63.5, -63.5, 32.0, 0.0, 0.5, -0.5]);
    for (found, expected) in numbers[2].iter().zip([127.0, -127.0, 128.0, 0.0, 1.0, -1.0]) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    assert_eq!(numbers.len(), 3);
    let reasons: Vec<&str> = found.skipped.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons.len(), 3);
    assert!(reasons.iter().all(|reason| reason.contains("zero point")), "{reasons:?}");
}

#[test]
fn awq_is_unpacked_in_its_own_order() {
    let dir = tempfile::tempdir().unwrap();
    // two inputs in one group, eight outputs: q[i][j] = (i + 2 j) mod 16, z[j] = j, s[j] = j + 1
    let order = [0usize, 2, 4, 6, 1, 3, 5, 7];
    let pack = |value: &dyn Fn(usize) -> u32| -> u32 { (0..8).map(|at| value(order[at]) << (4 * at)).sum() };
    let words = [pack(&|j| 2 * j as u32 % 16), pack(&|j| (1 + 2 * j as u32) % 16)];
    let zeros = pack(&|j| j as u32);
    let scales: Vec<u8> = (1..=8).flat_map(|s| f16::from_f32(s as f32).to_le_bytes()).collect();
    let catalog = file(
        dir.path(),
        &[
            ("q.qweight", "I32", &[2, 1], words.iter().flat_map(|w| w.to_le_bytes()).collect()),
            ("q.qzeros", "I32", &[1, 1], zeros.to_le_bytes().into()),
            ("q.scales", "F16", &[1, 8], scales),
        ],
    );
    let found = catalog.matrices();
    assert_eq!((found.views[0].shape, found.views[0].name.as_str()), ([2, 8], "q"));
    let numbers = read(&found.views[0], false);
    for i in 0..2 {
        for j in 0..8 {
            let expected = (((i + 2 * j) % 16) as f64 - j as f64) * (j + 1) as f64;
            assert_eq!(numbers[i * 8 + j], expected, "({i}, {j})");
        }
    }
    // transposed, the same
    let turned = read(&found.views[0], true);
    assert_eq!((turned[1], turned[2]), (numbers[8], numbers[1]));
}

#[test]
fn what_is_packed_otherwise_is_left_alone_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = file(
        dir.path(),
        &[
            ("a.qweight", "I32", &[2, 16], vec![0; 128]),
            ("b.qweight", "I32", &[2, 16], vec![0; 128]),
            ("b.qzeros", "I32", &[1, 3], vec![0; 12]),
            ("b.scales", "F16", &[1, 16], vec![0; 32]),
        ],
    );
    let found = catalog.matrices();
    assert!(found.views.is_empty());
    assert_eq!(found.skipped.len(), 4);
    assert!(found.skipped[0].1.contains("without the qzeros"), "{:?}", found.skipped);
}

#[test]
fn slices_of_experts_are_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let numbers: Vec<f32> = (0..24).map(|v| v as f32).collect();
    let catalog = file(dir.path(), &[("e.experts.up", "F32", &[2, 3, 4], f32s(&numbers))]);
    let found = catalog.matrices();
    assert_eq!(found.views.len(), 2);
    assert_eq!(read(&found.views[1], false), (12..24).map(f64::from).collect::<Vec<_>>());
    // (4, 3): columns of the slice
    assert_eq!(read(&found.views[1], true)[..4], [12.0, 16.0, 20.0, 13.0]);
    // in Fortran order number (k, i, j) lies at k + 2 i + 6 j
    let path = npy(dir.path(), "e.npy", "<f4", true, "(2, 3, 4)", &f32s(&numbers));
    let fortran = super::tests::catalog(&path).unwrap();
    let found = fortran.matrices();
    let expected = |k: usize, i: usize, j: usize| (k + 2 * i + 6 * j) as f64;
    for (k, view) in found.views.iter().enumerate() {
        let (rows, turned) = (read(view, false), read(view, true));
        for (i, j) in (0..3).flat_map(|i| (0..4).map(move |j| (i, j))) {
            assert_eq!((rows[i * 4 + j], turned[j * 3 + i]), (expected(k, i, j), expected(k, i, j)));
        }
    }
    assert_eq!(found.views.len(), 2);
}

#[test]
fn a_number_that_is_none_is_found_in_a_slice_in_fortran_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut numbers = vec![1f32; 24];
    numbers[1 + 2 * 2 + 6 * 3] = f32::NAN; // (1, 2, 3), the last of all
    let path = npy(dir.path(), "e.npy", "<f4", true, "(2, 3, 4)", &f32s(&numbers));
    let catalog = super::tests::catalog(&path).unwrap();
    let views = catalog.matrices().views;
    assert_eq!(read(&views[0], false), [1.0; 12]);
    let mut matrix = views[1].open(false).unwrap();
    let error = matrix.read_rows(0..3, &mut Vec::<f64>::new()).unwrap_err();
    assert!(matches!(&error, TensorError::NotFinite { index, .. } if index[..] == [1, 2, 3]), "{error:?}");
}

#[test]
fn kernels_are_reshaped_in_the_order_of_their_file() {
    let dir = tempfile::tempdir().unwrap();
    let numbers: Vec<f32> = (0..24).map(|v| v as f32).collect();
    for (fortran, says) in [(false, "(outputs, inputs·kernel)"), (true, "(outputs, kernel·inputs)")] {
        let path = npy(dir.path(), "conv.npy", "<f4", fortran, "(2, 3, 4)", &f32s(&numbers));
        let catalog = super::tests::catalog(&path).unwrap();
        let views = catalog.matrices().views;
        assert_eq!((views.len(), views[0].shape), (1, [2, 12]));
        assert!(views[0].note.as_ref().unwrap().contains(says), "{:?}", views[0].note);
        assert_eq!(views[0].layout.unwrap().layout, Layout::OutIn);
        // the second output, of the first input at the first place
        assert_eq!(read(&views[0], false)[12], if fortran { 1.0 } else { 12.0 });
    }
}

#[test]
fn scales_are_no_matrices_of_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = file(
        dir.path(),
        &[
            // NVFP4: numbers packed in bytes, scales in 8-bit floats
            ("a.weight", "U8", &[4, 8], vec![0; 32]),
            ("a.weight_scale", "F8_E4M3", &[4, 2], vec![0x38; 8]),
            ("a.weight_scale_2", "F32", &[], f32s(&[1.0])),
            // compressed-tensors, packed
            ("b.weight_packed", "I32", &[4, 2], vec![0; 32]),
            ("b.weight_scale", "F32", &[4, 2], f32s(&[1.0; 8])),
            // experts with a scale for each row of each
            ("c.experts.up", "F8_E4M3", &[2, 2, 2], vec![0x38; 8]),
            ("c.experts.up_scale", "F32", &[2, 2, 1], f32s(&[1.0; 4])),
            // of weights in another shard
            ("d.weight_scale_inv", "F32", &[2, 2], f32s(&[1.0; 4])),
            // a parameter that is called like one, beside plain weights
            ("e.weight", "F32", &[2, 2], f32s(&[1.0; 4])),
            ("e.weight_scale", "F32", &[2, 2], f32s(&[1.0; 4])),
            ("f.weight", "F8_E4M3", &[2, 2], vec![0x38; 4]),
            // a parameter of another layer's neighbour
            ("g.scale", "F32", &[2, 2], f32s(&[1.0; 4])),
            ("g.inner.index", "I32", &[2], vec![0; 8]),
        ],
    );
    let found = catalog.matrices();
    let measured: Vec<&str> = found.views.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(measured, ["e.weight", "e.weight_scale", "f.weight", "g.scale"]);
    assert!(found.views[2].note.as_ref().unwrap().contains("no scales beside them"));
    let reason = |name: &str| &found.skipped.iter().find(|(tensor, _)| tensor.name == name).unwrap().1;
    for name in [
        "a.weight",
        "a.weight_scale",
        "a.weight_scale_2",
        "b.weight_packed",
        "b.weight_scale",
        "c.experts.up",
    ] {
        assert!(reason(name).contains("in a layout that is not read"), "{name}: {}", reason(name));
    }
    assert_eq!(reason("c.experts.up"), reason("c.experts.up_scale"));
    assert!(reason("d.weight_scale_inv").contains("weights that are not in these files"));
    assert_eq!(found.skipped.len(), 9);
}

#[test]
fn a_head_that_is_packed_is_the_head() {
    let dir = tempfile::tempdir().unwrap();
    let embedding = ("model.embed_tokens.weight", "F32", &[2usize, 2][..], f32s(&[1.0; 4]));
    let words = |count: usize| vec![0x11; 4 * count];
    // GPTQ in 4 bits: 8 inputs, 8 outputs, one group
    let catalog = file(
        dir.path(),
        &[
            embedding.clone(),
            ("lm_head.qweight", "I32", &[1, 8], words(8)),
            ("lm_head.qzeros", "I32", &[1, 1], words(1)),
            ("lm_head.scales", "F32", &[1, 8], f32s(&[1.0; 8])),
        ],
    );
    let matrices = catalog.matrices();
    assert!(matches!(catalog.head(&matrices), Ok(Head::Named(view)) if view.name == "lm_head"));
    // one that is not read is no reason to take the embedding for it
    let catalog = file(dir.path(), &[embedding, ("lm_head.weight", "U8", &[2, 2], vec![0; 4])]);
    let error = catalog.head(&catalog.matrices()).unwrap_err().to_string();
    assert!(error.contains("`lm_head.weight`") && error.contains("U8"), "{error}");
}
