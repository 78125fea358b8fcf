//! Every change of a file goes through here: whole files appear atomically, appended rows are synced before they count.
//!
//! One elementary operation is one call of [`step`], so that a test can make each of them fail, or die there.

use super::StoreError;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

/// Prefix of files that are being written; one that outlives its process is rubbish.
const TEMPORARY: &str = ".writing-";

/// An elementary operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    CreateDir,
    Create,
    Open,
    Write,
    Sync,
    Truncate,
    Rename,
    SyncDir,
    Remove,
}

#[cfg(test)]
impl Op {
    /// Whether it needs space on the disk.
    pub(crate) fn allocates(&self) -> bool {
        matches!(self, Self::CreateDir | Self::Create | Self::Write)
    }
}

#[cfg(not(test))]
#[inline(always)]
fn step(_: Op, _: &Path) -> io::Result<()> {
    Ok(())
}
#[cfg(test)]
use super::faults::step;

/// Writes all of `bytes`. A test may cut the write short.
fn write_bytes(file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if let Some(part) = super::faults::short_write(path, bytes.len()) {
        file.write_all(&bytes[..part])?;
        step(Op::Write, path)?;
        return file.write_all(&bytes[part..]);
    }
    step(Op::Write, path)?;
    file.write_all(bytes)
}

/// Makes `dir` and its parents.
pub(super) fn create_dir(dir: &Path) -> Result<(), StoreError> {
    let make = || step(Op::CreateDir, dir).and_then(|()| fs::create_dir_all(dir));
    make().map_err(StoreError::io("create", dir))
}

/// Writes `bytes` to `path` so that a reader sees the old file or the new one, never a part, and so that
/// the new one is still there after a power failure.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir(dir)?;
    let write = || -> io::Result<()> {
        step(Op::Create, path)?;
        let mut builder = tempfile::Builder::new();
        // a temporary file is private to its owner; a result is for whom the umask lets read it
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.prefix(TEMPORARY).tempfile_in(dir)?;
        write_bytes(file.as_file_mut(), path, bytes)?;
        step(Op::Sync, path)?;
        file.as_file().sync_all()?;
        step(Op::Rename, path)?;
        file.persist(path).map_err(|e| e.error)?;
        step(Op::SyncDir, path)?;
        sync_dir(dir)
    };
    write().map_err(StoreError::io("write", path))
}

/// Writes `bytes` where a user wants them: a file is replaced whole, as by [`write_atomic`]; a link, a pipe or a device is
/// never replaced but written through, and a reader of that pipe who has seen enough is no failure.
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => {
            let open = || File::options().write(true).create(true).truncate(true).open(path);
            match open().and_then(|mut file| file.write_all(bytes)) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written.map_err(StoreError::io("write", path)),
            }
        }
        _ => write_atomic(path, bytes),
    }
}

/// Makes renames in `dir` last. Some network file systems have no such operation and say so.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(dir)?.sync_all() {
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// Removes a file; one that is not there is no error.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match step(Op::Remove, path).and_then(|()| fs::remove_file(path)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes what a killed process left half-written in `dir`. Only for the holder of the directory's claim.
pub(super) fn remove_temporaries(dir: &Path) -> Result<(), StoreError> {
    for name in names_in(dir)?.iter().filter(|name| name.starts_with(TEMPORARY)) {
        remove(&dir.join(name))?;
    }
    Ok(())
}

/// Names of the entries of `dir`, sorted; names that are not UTF-8 are none of ours.
pub(super) fn names_in(dir: &Path) -> Result<Vec<String>, StoreError> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    };
    read().map_err(StoreError::io("read", dir))
}

/// The length of a regular file; anything else is refused.
fn regular_length(path: &Path) -> io::Result<u64> {
    let metadata = fs::metadata(path)?;
    match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// The content of a regular file of at most `limit` bytes: pipes would block, devices never end.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let length = regular_length(path)?;
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes"));
    if length > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(length as usize);
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// A regular file and its length: pipes would block, devices never end.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let length = regular_length(path)?;
    Ok((File::open(path)?, length))
}

/// A copy of the file at `from` in the place of whatever is at `to`; both names are one file where the file system can do
/// that. For files that are replaced as a whole and never written into.
pub(super) fn link(from: &Path, to: &Path) -> Result<(), StoreError> {
    remove(to)?;
    if step(Op::Create, to).and_then(|()| fs::hard_link(from, to)).is_ok() {
        return Ok(());
    }
    let bytes = fs::read(from).map_err(StoreError::io("read", from))?;
    write_atomic(to, &bytes)
}

/// How many names the file has; 1 where that cannot be told.
pub(super) fn names_of(path: &Path) -> u64 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).map_or(1, |metadata| metadata.nlink())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        1
    }
}

/// SHA-256 of bytes as they come.
#[derive(Clone, Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all so far, as 64 hexadecimal digits.
    pub(super) fn hex(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

/// A file that only grows, with the length and the digest of what has been written.
pub(super) struct Appended {
    path: std::path::PathBuf,
    file: File,
    hasher: Hasher,
    bytes: u64,
    dirty: bool,
}

impl Appended {
    /// An empty file in the place of whatever was there.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        // a new file, not the old one emptied: what lies there may be a pipe, or a link to somewhere else
        remove(path)?;
        let create = || step(Op::Create, path).and_then(|()| File::create_new(path));
        let file = create().map_err(StoreError::io("create", path))?;
        Ok(Self { path: path.to_owned(), file, hasher: Hasher::default(), bytes: 0, dirty: true })
    }

    /// The file at `path`, of any size, cut to its first `bytes`, whose digest is taken on the way.
    pub(super) fn reopen(path: &Path, bytes: u64) -> Result<Self, StoreError> {
        let open = || -> io::Result<(File, Hasher)> {
            step(Op::Open, path)?;
            let mut kept = io::BufReader::new(File::open(path)?).take(bytes);
            let mut hasher = Hasher::default();
            let mut buffer = vec![0; 1 << 16];
            loop {
                match kept.read(&mut buffer)? {
                    0 => break,
                    count => hasher.update(&buffer[..count]),
                }
            }
            let file = File::options().append(true).open(path)?;
            step(Op::Truncate, path)?;
            file.set_len(bytes)?;
            Ok((file, hasher))
        };
        let (file, hasher) = open().map_err(StoreError::io("open", path))?;
        Ok(Self { path: path.to_owned(), file, hasher, bytes, dirty: true })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        write_bytes(&mut self.file, &self.path, bytes).map_err(StoreError::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.dirty = true;
        Ok(())
    }

    /// Waits until everything written is on the disk.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.dirty {
            let sync = || step(Op::Sync, &self.path).and_then(|()| self.file.sync_data());
            sync().map_err(StoreError::io("sync", &self.path))?;
            self.dirty = false;
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Length and digest of what has been written.
    pub(super) fn extent(&self) -> super::Extent {
        super::Extent { bytes: self.bytes, sha256: self.hasher.hex() }
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/dir/runs.csv");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_a_pipe_and_a_device_are_written_through() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("target"), "a longer text before").unwrap();
        fs::hard_link(at("target"), at("same")).unwrap();
        symlink(at("target"), at("link")).unwrap();
        symlink(at("later"), at("dangling")).unwrap();
        for name in ["link", "dangling"] {
            write_output(&at(name), b"new").unwrap();
            assert!(fs::symlink_metadata(at(name)).unwrap().is_symlink());
        }
        for name in ["target", "same", "later"] {
            assert_eq!(fs::read(at(name)).unwrap(), b"new", "{name}");
        }
        write_output(Path::new("/dev/null"), b"gone").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read(pipe).unwrap()
        });
        write_output(&at("pipe"), b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::metadata(at("pipe")).unwrap().file_type().is_fifo());
    }

    #[test]
    fn a_refused_write_names_the_path() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_atomic(&path, b"x").unwrap_err().to_string().contains("taken"));
    }

    #[test]
    fn a_digest_is_the_one_of_the_standard() {
        // FIPS 180-4, example "abc"
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let root = tempfile::tempdir().unwrap();
        let mut file = Appended::create(&root.path().join("rows")).unwrap();
        file.append(b"a").unwrap();
        file.append(b"bc").unwrap();
        assert_eq!(file.extent(), super::super::Extent { bytes: 3, sha256: sha256(b"abc") });
        drop(file);
        let mut again = Appended::reopen(&root.path().join("rows"), 2).unwrap();
        again.append(b"d").unwrap();
        assert_eq!(fs::read(root.path().join("rows")).unwrap(), b"abd");
        assert_eq!(again.extent().sha256, sha256(b"abd"));
    }

    #[cfg(unix)]
    #[test]
    fn a_table_is_begun_in_the_place_of_a_pipe_or_a_link_and_not_through_it() {
        let root = tempfile::tempdir().unwrap();
        let (table, target) = (root.path().join("table"), root.path().join("target"));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &table).unwrap();
        Appended::create(&table).unwrap().append(b"row").unwrap();
        assert_eq!(fs::read(&table).unwrap(), b"row");
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        fs::remove_file(&table).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&table).status().unwrap().success());
        Appended::create(&table).unwrap(); // would wait for a reader
        assert!(fs::metadata(&table).unwrap().is_file());
        fs::remove_file(&table).unwrap();
        fs::create_dir(&table).unwrap();
        assert!(Appended::create(&table).is_err());
    }

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert!(read(&path, 3).unwrap_err().to_string().contains("larger than 3 bytes"));
        assert!(read(root.path(), 9).unwrap_err().to_string().contains("not a regular file"));
    }
}
