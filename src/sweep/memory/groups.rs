//! Memory that control groups leave to this process: the least over its group and all groups above it, of both versions of
//! the kernel's interface. What a limit allows is not what is left: others are in the same group.
//!
//! Sources: cgroups(7); Documentation/admin-guide/cgroup-v2.rst (memory.max, memory.current, inactive_file) and
//! cgroup-v1/memory.rst (memory.limit_in_bytes, memory.usage_in_bytes, total_inactive_file) of Linux.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Names of a group's files: limit, usage, and of its statistics pages of files that can be given back at once.
struct Interface {
    limit: &'static str,
    usage: &'static str,
    given_back: &'static str,
}

const V2: Interface = Interface { limit: "memory.max", usage: "memory.current", given_back: "inactive_file" };
const V1: Interface = Interface {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    given_back: "total_inactive_file",
};

/// Bytes that the groups of this process leave to it; none where no group limits it. `root` is `/`, but for tests.
pub(super) fn left(root: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let mut least = None;
    for line in groups.lines() {
        // number:controllers:path; version 2 has no controllers here
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (interface, kind) = match controllers {
            "" => (V2, "cgroup2"),
            _ if controllers.split(',').any(|name| name == "memory") => (V1, "cgroup"),
            _ => continue,
        };
        let Some(mount) = mounts.lines().find_map(|line| Mount::parse(line, kind)) else { continue };
        let group = mount.place(path);
        // up to the mount and no further
        for group in group.ancestors().take_while(|group| group.starts_with(&mount.point)) {
            let group = root.join(group.strip_prefix("/").unwrap_or(group));
            least = [least, room(&group, &interface)].into_iter().flatten().min();
        }
    }
    least
}

/// What one group leaves; none where it sets no limit.
fn room(group: &Path, interface: &Interface) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    // `max`, or of version 1 a number that no machine has
    let limit = number(interface.limit).filter(|limit| *limit < 1 << 60)?;
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let given_back = super::number_after(&statistics, &format!("{} ", interface.given_back)).unwrap_or(0);
    let used = number(interface.usage).unwrap_or(0).saturating_sub(given_back);
    Some(limit.saturating_sub(used))
}

/// Where a hierarchy of groups is mounted.
struct Mount {
    /// The group that is seen at its top: in a container perhaps not the root.
    top: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Of a line of proc(5)'s mountinfo, if it is one of that kind with memory in it.
    fn parse(line: &str, kind: &str) -> Option<Self> {
        let (place, system) = line.split_once(" - ")?;
        let mut system = system.split(' ');
        let has_memory = |options: &str| options.split(',').any(|option| option == "memory");
        if system.next() != Some(kind) || (kind == "cgroup" && !has_memory(system.next_back()?)) {
            return None;
        }
        let mut place = place.split(' ').skip(3);
        Some(Self { top: place.next()?.into(), point: place.next()?.into() })
    }

    /// The directory of a group.
    fn place(&self, path: &str) -> PathBuf {
        match Path::new(path).strip_prefix(&self.top) {
            Ok(below) => self.point.join(below),
            // a container sees its own group at the top, and is told the path from outside
            Err(_) => self.point.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MOUNT_2: (&str, &str) =
        ("proc/self/mountinfo", "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
    const MOUNT_1: (&str, &str) = (
        "proc/self/mountinfo",
        "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
         35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n",
    );

    #[test]
    fn the_tightest_group_above_counts_less_what_is_used() {
        let slice = "sys/fs/cgroup/system.slice";
        let files = |job_max: &'static str| {
            [
                MOUNT_2,
                ("proc/self/cgroup", "0::/system.slice/job.scope/step\n"),
                // the group itself sets no limit; of the job's 1000 bytes 700 are used, 300 of them given back at once
                ("sys/fs/cgroup/system.slice/job.scope/step/memory.max", "max\n"),
                ("sys/fs/cgroup/system.slice/job.scope/memory.max", job_max),
                ("sys/fs/cgroup/system.slice/job.scope/memory.current", "700\n"),
                (
                    "sys/fs/cgroup/system.slice/job.scope/memory.stat",
                    "anon 400\nfile 300\ninactive_file 300\n",
                ),
                ("sys/fs/cgroup/system.slice/memory.max", "5000\n"),
                ("sys/fs/cgroup/system.slice/memory.current", "4500\n"),
            ]
        };
        assert_eq!(left(machine(&files("1000\n")).path()), Some(500), "{slice}");
        assert_eq!(left(machine(&files("800\n")).path()), Some(400));
        assert_eq!(left(machine(&files("100\n")).path()), Some(0));
    }

    #[test]
    fn version_1_is_read_too() {
        let files = [
            MOUNT_1,
            ("proc/self/cgroup", "5:cpu:/slurm/job_7\n4:memory,hugetlb:/slurm/job_7\n0::/\n"),
            ("sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/slurm/memory.limit_in_bytes", "2000\n"),
            ("sys/fs/cgroup/memory/slurm/memory.usage_in_bytes", "900\n"),
            ("sys/fs/cgroup/memory/slurm/memory.stat", "inactive_file 1\ntotal_inactive_file 100\n"),
        ];
        assert_eq!(left(machine(&files).path()), Some(1200));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_top() {
        let files = [
            (
                "proc/self/mountinfo",
                "35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n",
            ),
            ("proc/self/cgroup", "4:memory:/docker/ab\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n"),
        ];
        assert_eq!(left(machine(&files).path()), Some(2000));
        // and where the path is one from outside
        let files = [files[0], ("proc/self/cgroup", "4:memory:/kubepods/x\n"), files[2], files[3]];
        assert_eq!(left(machine(&files).path()), Some(2000));
    }

    #[test]
    fn without_groups_nothing_is_said() {
        assert_eq!(left(machine(&[]).path()), None);
        assert_eq!(left(machine(&[MOUNT_2, ("proc/self/cgroup", "0::/\n")]).path()), None);
    }
}
