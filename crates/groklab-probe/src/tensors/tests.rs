//! Files as they should be, and files as they should not.

use super::*;
use half::{bf16, f16};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(super) fn safetensors(dir: &Path, name: &str, header: &str, data: &[u8]) -> PathBuf {
    let path = dir.join(name);
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat();
    fs::write(&path, bytes).unwrap();
    path
}

pub(super) fn npy(dir: &Path, name: &str, dtype: &str, fortran: bool, shape: &str, data: &[u8]) -> PathBuf {
    let path = dir.join(name);
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let size = (header.len() as u16).to_le_bytes();
    fs::write(&path, [b"\x93NUMPY\x01\x00".as_slice(), &size, header.as_bytes(), data].concat()).unwrap();
    path
}

pub(super) fn catalog(path: &Path) -> Result<Catalog, TensorError> {
    Catalog::open(&[Location { path: path.to_owned(), tensor: None }])
}

fn rows<T: Number>(path: &Path, transposed: bool) -> Result<Vec<T>, TensorError> {
    let catalog = catalog(path)?;
    let mut matrix = Matrix::open(&catalog.tensors()[0], transposed)?;
    let mut block = Vec::new();
    let mut all = Vec::new();
    for row in 0..matrix.rows() {
        matrix.read_rows(row..row + 1, &mut block)?;
        all.extend_from_slice(&block);
    }
    let mut whole: Vec<T> = Vec::new();
    matrix.read_rows(0..matrix.rows(), &mut whole)?;
    assert!(whole == all, "row by row and at once");
    Ok(all)
}

fn bytes<const N: usize>(numbers: impl IntoIterator<Item = f64>, store: fn(f64) -> [u8; N]) -> Vec<u8> {
    numbers.into_iter().flat_map(store).collect()
}

#[test]
fn every_type_order_and_layout_reads_the_same_matrix() {
    let dir = tempfile::tempdir().unwrap();
    // (35, 18): more than one stripe of columns. Multiples of 1/8 below 8, exact in bf16.
    let (m, n) = (35usize, 18usize);
    let value = |i: usize, j: usize| ((i * 7 + j * 5) % 64) as f64 / 8.0 - 4.0;
    let by_rows: Vec<f64> = (0..m * n).map(|at| value(at / n, at % n)).collect();
    let by_columns: Vec<f64> = (0..m * n).map(|at| value(at % m, at / m)).collect();
    let stored = |numbers: &[f64], dtype: &str| match dtype {
        "F16" | "<f2" => bytes(numbers.to_vec(), |v| f16::from_f64(v).to_le_bytes()),
        "BF16" | "<V2" | "|V2" => bytes(numbers.to_vec(), |v| bf16::from_f64(v).to_le_bytes()),
        "F32" | "<f4" => bytes(numbers.to_vec(), |v| (v as f32).to_le_bytes()),
        _ => bytes(numbers.to_vec(), f64::to_le_bytes),
    };
    let narrow: Vec<f32> = by_rows.iter().map(|&v| v as f32).collect();
    for dtype in ["F16", "BF16", "F32", "F64"] {
        for (numbers, shape, transposed) in [(&by_rows, [m, n], false), (&by_columns, [n, m], true)] {
            let data = stored(numbers, dtype);
            let header = format!(
                r#"{{"__metadata__":{{"a":"b"}},"w":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[0,{}]}}}}"#,
                data.len()
            );
            let path = safetensors(dir.path(), "a.safetensors", &header, &data);
            assert_eq!(rows::<f64>(&path, transposed).unwrap(), by_rows, "{dtype} {shape:?}");
            assert_eq!(rows::<f32>(&path, transposed).unwrap(), narrow, "{dtype} {shape:?}");
        }
    }
    let swapped = |dtype: &str, numbers: &[f64]| {
        let mut data = stored(numbers, &dtype.replace('>', "<"));
        let size = dtype[2..].parse().unwrap();
        if dtype.starts_with('>') {
            data.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        data
    };
    for dtype in ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "<V2", "|V2"] {
        for (numbers, fortran, shape, transposed) in [
            (&by_rows, false, "(35, 18)", false),
            (&by_columns, true, "(35, 18)", false),
            (&by_columns, false, "(18, 35)", true),
            (&by_rows, true, "(18, 35)", true),
        ] {
            let path = npy(dir.path(), "a.npy", dtype, fortran, shape, &swapped(dtype, numbers));
            assert_eq!(rows::<f64>(&path, transposed).unwrap(), by_rows, "{dtype} {shape} {fortran}");
        }
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let message = |path: &Path| rows::<f32>(path, false).unwrap_err().to_string();
    let entry = |rest: &str| format!(r#"{{"w":{{"dtype":"F32",{rest}}}}}"#);
    for (header, data, says) in [
        (entry(r#""shape":[2,2],"data_offsets":[0,16]"#), 15, "claims the bytes 0 to 16 of 15"),
        (entry(r#""shape":[2,2],"data_offsets":[16,0]"#), 16, "claims the bytes 16 to 0"),
        (
            entry(r#""shape":[2,3],"data_offsets":[0,16]"#),
            16,
            "has shape [2, 3] and type `F32`, but 16 bytes",
        ),
        (
            entry(r#""shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,16]"#),
            16,
            "but 16 bytes",
        ),
        (
            entry(r#""shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]"#),
            0,
            "but 0 bytes",
        ),
        (entry(r#""shape":[-2,2],"data_offsets":[0,16]"#), 16, "the header's entry `w`"),
        (entry(r#""shape":[2,2]"#), 16, "data_offsets"),
        ("[1, 2".into(), 0, "not JSON"),
        ("[1, 2]".into(), 0, "not JSON"),
        (entry(r#""shape":[0,4],"data_offsets":[0,0]"#), 0, "is empty, of shape [0, 4]"),
        (entry(r#""shape":[4,0],"data_offsets":[0,0]"#), 0, "is empty, of shape [4, 0]"),
        (entry(r#""shape":[],"data_offsets":[0,4]"#), 4, "is a single number"),
        (
            r#"{"w":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]}}"#.into(),
            8,
            "has type `I64`, which is not read",
        ),
        (
            r#"{"w":{"dtype":"\u001b[31m","shape":[1,1],"data_offsets":[0,1]}}"#.into(),
            1,
            "has type `\u{fffd}[31m`",
        ),
    ] {
        let path = safetensors(dir.path(), "a.safetensors", &header, &vec![0; data]);
        assert!(message(&path).contains(says), "{header}: {}", message(&path));
    }
    let path = dir.path().join("b.safetensors");
    fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(message(&path).contains("claims 18446744073709551615 bytes, but 0 follow"));
    fs::write(&path, [1, 2, 3]).unwrap();
    assert!(message(&path).contains("3 bytes are too few"));

    for (dtype, shape, data, says) in [
        ("<f4", "(2, 2)", 15, "needs more than the 15 bytes"),
        ("<f4", "(9223372036854775807, 4)", 16, "needs more than the 16 bytes"),
        ("<f4", "(2, 2)L", 16, "its header is not understood"),
        ("<i8", "(1, 2)", 16, "has type `<i8`"),
        ("<f4", "(0, 4)", 0, "is empty"),
        ("<f4", "()", 4, "is a single number"),
        ("<f4", "(2; 2)", 16, "its header is not understood"),
    ] {
        let path = npy(dir.path(), "a.npy", dtype, false, shape, &vec![0; data]);
        assert!(message(&path).contains(says), "{dtype} {shape}: {}", message(&path));
    }
    let path = dir.path().join("c.npy");
    for (bytes, says) in [
        (&b"\x93NUMPY\x09\x00\x00\x00"[..], "version 9"),
        (b"\x93NUMPZ\x01\x00\x00\x00", "does not begin as a .npy file"),
        (b"\x93NUMPY\x01\x00\xff\x00{'des", "ends before its data do"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "claims 4294967295 bytes"),
        (b"\x93NUM", "ends before its data do"),
    ] {
        fs::write(&path, bytes).unwrap();
        assert!(message(&path).contains(says), "{}", message(&path));
    }
}

#[test]
fn a_file_cut_while_it_is_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = npy(dir.path(), "a.npy", "<f4", false, "(4, 4)", &[0; 64]);
    let catalog = catalog(&path).unwrap();
    let mut matrix = Matrix::open(&catalog.tensors()[0], false).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 4).unwrap();
    let mut block = Vec::<f32>::new();
    matrix.read_rows(0..3, &mut block).unwrap();
    let error = matrix.read_rows(3..4, &mut block).unwrap_err().to_string();
    assert!(error.contains("ends before its data do"), "{error}");
}

#[test]
fn what_is_not_finite_is_named_with_its_place_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut numbers = vec![0.5f64; 24];
    numbers[17] = f64::NAN;
    let data = bytes(numbers.clone(), |v| (v as f32).to_le_bytes());
    let place = |shape: &str, transposed| {
        let path = npy(dir.path(), "acts.npy", "<f4", false, shape, &data);
        rows::<f64>(&path, transposed).unwrap_err().to_string()
    };
    assert!(place("(6, 4)", false).contains("`acts` in"));
    assert!(place("(6, 4)", false).contains("holds NaN at [4, 1]"));
    assert!(place("(6, 4)", true).contains("holds NaN at [4, 1]"));
    assert!(place("(2, 3, 4)", false).contains("holds NaN at [1, 1, 1]"));
    assert!(place("(24,)", false).contains("holds NaN at [17]"));
    // number 17 in Fortran order: 17 = 1 + 2·(2 + 3·2)
    let path = npy(dir.path(), "acts.npy", "<f4", true, "(2, 3, 4)", &data);
    assert!(rows::<f64>(&path, false).unwrap_err().to_string().contains("holds NaN at [1, 2, 2]"));
    numbers[17] = 70_000.0; // beyond f16
    let data = bytes(numbers, |v| f16::from_f64(v).to_le_bytes());
    let path = npy(dir.path(), "acts.npy", "<f2", false, "(6, 4)", &data);
    assert!(rows::<f32>(&path, false).unwrap_err().to_string().contains("holds inf at [4, 1]"));
}

#[test]
fn directories_pipes_and_foreign_files_are_refused_unopened() {
    let dir = tempfile::tempdir().unwrap();
    let message = |path: &Path| catalog(path).unwrap_err().to_string();
    assert!(message(dir.path()).contains("holds no safetensors"));
    let pipe = dir.path().join("pipe.npy");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(message(&pipe).contains("a pipe"));
    }
    let other = dir.path().join("model.bin");
    fs::write(&other, "x").unwrap();
    assert!(message(&other).contains("not a tensor file by its name"));
    assert!(message(&dir.path().join("none.npy")).contains("failed to read"));
}

#[test]
fn rows_of_one_tensor_in_several_files_are_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let header = r#"{"head":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#;
    let locations = ["1.safetensors", "2.safetensors"].map(|name| {
        safetensors(dir.path(), name, header, &[0; 4]);
        Location { path: dir.path().join(name), tensor: Some("head".into()) }
    });
    let error = Catalog::open(&locations).unwrap_err();
    assert!(error.to_string().contains("`head`") && error.to_string().contains("2.safetensors"), "{error}");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("put together in one first"), "{help}");
}

#[test]
fn an_index_refers_to_files_beside_it_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let header = |name: &str| format!(r#"{{"{name}":{{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}}}"#);
    safetensors(dir.path(), "1.safetensors", &header("a"), &[0; 4]);
    safetensors(dir.path(), "2.safetensors", &header("b"), &[0; 4]);
    let index = dir.path().join("model.safetensors.index.json");
    let listed = |map: &str| {
        fs::write(&index, format!(r#"{{"weight_map": {map}}}"#)).unwrap();
        catalog(&index).map(|c| c.tensors().iter().map(|t| t.name.clone()).collect::<Vec<_>>())
    };
    assert_eq!(listed(r#"{"a": "1.safetensors", "b": "2.safetensors"}"#).unwrap(), ["a", "b"]);
    let error = listed(r#"{"a": "1.safetensors", "c": "2.safetensors"}"#).unwrap_err().to_string();
    assert!(error.contains("2.safetensors") && error.contains("lists `c` in it, which it lacks"), "{error}");
    for outside in ["../1.safetensors", "/etc/passwd", "sub/../../1.safetensors", ""] {
        let error = listed(&format!(r#"{{"a": "{outside}"}}"#)).unwrap_err().to_string();
        assert!(error.contains("not the name of a file beside it or below"), "{error}");
    }
    assert!(listed("3").unwrap_err().to_string().contains("not an index"));

    let both =
        ["1.safetensors", "1.safetensors"].map(|f| Location { path: dir.path().join(f), tensor: None });
    assert!(Catalog::open(&both).unwrap_err().to_string().contains("the tensor `a` is in"));
}

/// A file with f32 tensors of these names and shapes, one after the other, all 1.
fn model(dir: &Path, name: &str, tensors: &[(&str, &[usize])]) -> PathBuf {
    let mut at = 0;
    let entries: Vec<String> = tensors
        .iter()
        .map(|(name, shape)| {
            let start = at;
            at += 4 * shape.iter().product::<usize>();
            format!(r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{at}]}}"#)
        })
        .collect();
    let data = 1f32.to_le_bytes().repeat(at / 4);
    safetensors(dir, name, &format!("{{{}}}", entries.join(",")), &data)
}

#[test]
fn heads_are_found_by_their_whole_names_and_two_are_a_question() {
    let dir = tempfile::tempdir().unwrap();
    let head = |names: &[&str]| {
        let tensors: Vec<(&str, &[usize])> = names.iter().map(|name| (*name, &[2, 2][..])).collect();
        let catalog = catalog(&model(dir.path(), "a.safetensors", &tensors)).unwrap();
        let matrices = catalog.matrices();
        match catalog.head(&matrices) {
            Ok(Head::Named(view)) => format!("named {}", view.name),
            Ok(Head::Tied(view)) => format!("tied {}", view.name),
            Ok(Head::OnlyMatrix(view)) => format!("only {}", view.name),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(
        head(&["my_lm_head.weight", "model.lm_head.weight", "wte.weight"]),
        "named model.lm_head.weight"
    );
    assert_eq!(head(&["mtp.head.weight", "model.embed_tokens.weight"]), "tied model.embed_tokens.weight");
    assert_eq!(head(&["h.0.attn.output.weight"]), "named h.0.attn.output.weight");
    assert!(
        head(&["h.0.attn.output.weight", "h.1.attn.output.weight"]).contains("holds 2 that could be taken")
    );
    assert!(head(&["lm_head.weight", "score.weight"]).contains("several that could be the unembedding"));
    assert!(head(&["h.0.wte.weight", "encoder.wte.weight", "decoder.wte.weight"]).contains("several token"));
}

#[test]
fn a_shard_alone_does_not_stand_for_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let shards = [
        model(dir.path(), "model-00001-of-00002.safetensors", &[("model.embed_tokens.weight", &[2, 2])]),
        model(dir.path(), "model-00002-of-00002.safetensors", &[("h.0.up.weight", &[2, 2])]),
    ]
    .map(|path| Location { path, tensor: None });
    for shard in &shards {
        let catalog = Catalog::open(std::slice::from_ref(shard)).unwrap();
        let error = catalog.head(&catalog.matrices()).unwrap_err().to_string();
        assert!(error.contains("of the 2 shards") && error.contains("there are 1 here"), "{error}");
    }
    let whole = Catalog::open(&shards).unwrap();
    let matrices = whole.matrices();
    assert!(
        matches!(whole.head(&matrices), Ok(Head::Tied(view)) if view.name == "model.embed_tokens.weight")
    );
    // a head by its name is one, whatever else there is
    let shard = model(dir.path(), "model-00003-of-00004.safetensors", &[("lm_head.weight", &[2, 2])]);
    let catalog = catalog(&shard).unwrap();
    assert!(matches!(catalog.head(&catalog.matrices()), Ok(Head::Named(_))));
}

#[test]
fn slices_and_kernels_count_among_the_matrices_to_choose_from() {
    let dir = tempfile::tempdir().unwrap();
    let tensors: [(&str, &[usize]); 2] = [("mlp.gate.weight", &[2, 2]), ("mlp.experts.up", &[2, 3, 4])];
    let catalog = catalog(&model(dir.path(), "a.safetensors", &tensors)).unwrap();
    let Err(TensorError::Ambiguous { found, hint, .. }) = catalog.head(&catalog.matrices()).map(|_| ())
    else {
        panic!("three could be taken")
    };
    assert!(
        found.contains("3 that could be taken") && hint.contains("`mlp.experts.up[1]`"),
        "{found} {hint}"
    );
}

#[test]
fn near_names_are_offered() {
    let dir = tempfile::tempdir().unwrap();
    let names =
        ["model.lm_head.weight", "h.0.wte.weight", "h.1.wte.weight", "my_lm_head.weight", "layers.0.up"];
    let tensors: Vec<(&str, &[usize])> = names.iter().map(|name| (*name, &[1, 1][..])).collect();
    let catalog = catalog(&model(dir.path(), "a.safetensors", &tensors)).unwrap();
    assert!(catalog.only(|_| true).unwrap_err().to_string().contains("holds 5"));
    assert!(catalog.only(|_| false).unwrap_err().to_string().contains("holds none"));
    assert_eq!(catalog.only(|t| t.name.ends_with("up")).unwrap().name, "layers.0.up");
    let Err(TensorError::Missing { hint, .. }) = catalog.get("model.lm_haed.weight") else {
        panic!("there is no such tensor")
    };
    assert!(hint.starts_with("there are `model.lm_head.weight`"), "{hint}");
}

#[test]
fn a_location_is_split_after_what_exists_else_at_the_last_colon() {
    let split = |text: &str| {
        let location = Location::parse(text);
        (location.path.to_str().unwrap().to_owned(), location.tensor)
    };
    assert_eq!(split("m.safetensors:a.b"), ("m.safetensors".into(), Some("a.b".into())));
    assert_eq!(split("m.safetensors"), ("m.safetensors".into(), None));
    assert_eq!(split("m.safetensors:"), ("m.safetensors:".into(), None));
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("a:b.npy");
    fs::write(&odd, "").unwrap();
    let odd = odd.to_str().unwrap();
    assert_eq!(split(odd), (odd.into(), None));
    assert_eq!(split(&format!("{odd}:dense/kernel:0")), (odd.into(), Some("dense/kernel:0".into())));
}

#[test]
fn bytes_that_two_tensors_or_none_claim_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let message = |header: &str, data: usize| {
        let path = safetensors(dir.path(), "a.safetensors", header, &vec![0; data]);
        catalog(&path).unwrap_err().to_string()
    };
    let two = |a: [usize; 2], b: [usize; 2]| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{a:?}}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{b:?}}}}}"#
        )
    };
    assert!(message(&two([0, 8], [4, 12]), 12).contains("`a` and `b` overlap: both claim byte 4"));
    assert!(message(&two([0, 8], [12, 20]), 20).contains("the bytes 8 to 12 before `b` belong to no tensor"));
    assert!(message(&two([0, 8], [8, 16]), 20).contains("4 bytes after the last tensor"));
    let twice =
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{},"__metadata__":{}}"#;
    assert!(message(twice, 4).contains("names `__metadata__` twice"));
    let ghost = r#"{"a":{"dtype":"F4_X","shape":[],"data_offsets":[0,0]}}"#;
    assert!(message(ghost, 0).contains("has shape [] and type `F4_X`, but 0 bytes"));
}

#[test]
fn an_archive_is_read_where_it_lies_and_a_compressed_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let inner = npy(dir.path(), "w.npy", "<f4", false, "(1, 2)", &[1f32, 2.0].map(f32::to_le_bytes).concat());
    let inner = fs::read(inner).unwrap();
    // one entry, with ZIP64 sizes as NumPy writes them
    let zip = |method: u16| {
        let size = (inner.len() as u64).to_le_bytes();
        let wide = [&[1u8, 0, 16, 0][..], &size, &size].concat();
        let local = [
            &b"PK\x03\x04\x2d\0\0\0"[..],
            &method.to_le_bytes(),
            &[0; 8],
            &[0xff; 8],
            &5u16.to_le_bytes(),
            &(wide.len() as u16).to_le_bytes(),
            b"w.npy",
            &wide,
        ]
        .concat();
        let central = [
            &b"PK\x01\x02\x2d\0\x2d\0\0\0"[..],
            &method.to_le_bytes(),
            &[0; 8],
            &[0xff; 8],
            &5u16.to_le_bytes(),
            &(wide.len() as u16).to_le_bytes(),
            &[0; 14],
            b"w.npy",
            &wide,
        ]
        .concat();
        let start = (local.len() + inner.len()) as u32;
        let end = [
            &b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..],
            &(central.len() as u32).to_le_bytes(),
            &start.to_le_bytes(),
            &[0; 2],
        ]
        .concat();
        [local, inner.clone(), central, end].concat()
    };
    let path = dir.path().join("a.npz");
    fs::write(&path, zip(0)).unwrap();
    assert_eq!(catalog(&path).unwrap().tensors()[0].name, "w");
    assert_eq!(rows::<f32>(&path, false).unwrap(), [1.0, 2.0]);
    fs::write(&path, zip(8)).unwrap();
    assert!(catalog(&path).unwrap_err().to_string().contains("`w.npy` in"));
    for (cut, says) in
        [(10, "does not end as a ZIP"), (60, "does not end as a ZIP"), (zip(0).len() - 5, "lies outside")]
    {
        fs::write(&path, &zip(0)[..cut]).unwrap();
        assert!(catalog(&path).unwrap_err().to_string().contains(says), "{cut}");
    }
}

#[test]
fn other_kinds_of_file_are_called_by_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    for (bytes, says) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n"[..], "a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html><head>", "a web page"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "a ZIP archive"),
        (b"\x80\x02}q\0(X\x06\0\0\0", "a Python pickle"),
        (b"GGUF\x03\0\0\0\0\0\0\0", "a GGUF file"),
    ] {
        fs::write(&path, bytes).unwrap();
        let message = catalog(&path).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    // a header of 640 bytes begins as a pickle does
    let header = r#"{"w":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#;
    safetensors(dir.path(), "model.safetensors", &format!("{header:<640}"), &[0; 4]);
    assert_eq!(catalog(&path).unwrap().tensors().len(), 1);
}
