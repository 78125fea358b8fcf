//! Which file system a path is on, and whether its file locks reach from node to node: claims need that.

use std::{fs, path::Path};

/// What is to be said about claims in `path`, which need not exist; nothing where all is well or nothing is known.
pub fn warning(path: &Path) -> Option<&'static str> {
    let there = path.ancestors().find_map(|p| p.canonicalize().ok())?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mount_of(&mounts, there.to_str()?)?;
    advice(mount.kind, &mount.options)
}

struct Mount<'a> {
    kind: &'a str,
    options: Vec<&'a str>,
}

/// The mount that `path`, absolute and without links, lies on. `mounts` is proc(5)'s mountinfo.
fn mount_of<'a>(mounts: &'a str, path: &str) -> Option<Mount<'a>> {
    let mut best: Option<(usize, Mount)> = None;
    for line in mounts.lines() {
        let Some((place, system)) = line.split_once(" - ") else { continue };
        let place: Vec<&str> = place.split(' ').collect();
        let system: Vec<&str> = system.split(' ').collect();
        let (Some(point), Some(own), [kind, _, shared]) = (place.get(4), place.get(5), &system[..]) else {
            continue;
        };
        let point = point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        let below = path.strip_prefix(point.trim_end_matches('/'));
        // of two mounts on one point, the later hides the earlier
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && best.as_ref().is_none_or(|(length, _)| point.len() >= *length)
        {
            best = Some((
                point.len(),
                Mount { kind, options: own.split(',').chain(shared.split(',')).collect() },
            ));
        }
    }
    best.map(|(_, mount)| mount)
}

/// Sources: mount.lustre(8), nfs(5), BeeGFS's beegfs-client.conf.
fn advice(kind: &str, options: &[&str]) -> Option<&'static str> {
    let has = |option: &str| options.contains(&option);
    match kind {
        "lustre" if has("localflock") => Some(
            "is on Lustre with -o localflock: its locks end at the node; mount with -o flock or use --shard",
        ),
        "lustre" if !has("flock") => Some(
            "is on Lustre without -o flock: it has no file locks, and groklab needs them; mount with -o flock",
        ),
        "nfs" | "nfs4" if has("nolock") || has("local_lock=all") || has("local_lock=flock") => {
            Some("is on NFS with local locks: they end at the node; mount without nolock or use --shard")
        }
        "nfs" if has("vers=3") => Some(
            "is on NFS version 3: its locks need lockd and statd on the server and every node; version 4 does not",
        ),
        "beegfs" => Some(
            "is on BeeGFS: its locks end at the node unless tuneUseGlobalFileLocks is on; if not, use --shard",
        ),
        "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "f2fs" | "zfs" | "tmpfs" | "overlay" => {
            Some("is on a local file system: do the nodes see it under this path?")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = r"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:50 / /scratch rw,flock shared:9 - lustre 10.0.0.1@tcp:/work rw,flock,lazystatfs
41 22 0:51 / /home rw,relatime - nfs4 server:/home rw,vers=4.2,local_lock=none
42 22 0:52 / /old\040home rw - nfs server:/old rw,vers=3,local_lock=none
43 22 0:53 / /local rw - lustre 10.0.0.1@tcp:/x rw,localflock
44 41 0:54 / /home/fast rw - nfs server:/fast rw,vers=3,nolock,local_lock=all
45 22 0:55 / /bare rw - lustre 10.0.0.1@tcp:/y rw
46 22 0:56 / /gpfs rw - gpfs gpfs0 rw
nonsense
";

    #[test]
    fn each_path_is_judged_by_the_mount_it_lies_on() {
        let says = |path: &str| mount_of(MOUNTS, path).and_then(|m| advice(m.kind, &m.options)).unwrap_or("");
        assert!(says("/var/x").contains("local file system"));
        assert_eq!(says("/scratch/me"), "");
        assert!(says("/scratchy").contains("local file system"));
        assert_eq!(says("/home/me"), "");
        assert!(says("/home/fast/x").contains("local locks"));
        assert!(says("/old home").contains("lockd"));
        assert!(says("/local").contains("localflock"));
        assert!(says("/bare/x").contains("no file locks"));
        assert_eq!(says("/gpfs/x"), "");
        assert!(mount_of("", "/x").is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_a_mount_for_a_path_that_does_not_exist() {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(mount_of(&mounts, "/nowhere/at/all").is_some());
    }
}
