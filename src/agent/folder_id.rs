//! Identity of a cluster's folder: the same for every name under which its machine is reached, another one on every other
//! machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Changes with each boot and is shared by no two kernels, unlike `/etc/machine-id`, which copied disks share
/// (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The boot of the kernel, and device and inode of the folder, which tell containers on one kernel apart. None where one of
/// them cannot be read.
pub(super) fn of(folder: &Path) -> Option<String> {
    let boot = fs::read_to_string(BOOT_ID).ok()?;
    let folder = fs::metadata(folder).ok()?;
    Some(format!("{}:{}:{}", boot.trim(), folder.dev(), folder.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_identity_by_whatever_path_it_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&other).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&one, &link).unwrap();
        assert_eq!(of(&one), of(&link));
        assert!(of(&one).is_some() && of(&one) != of(&other));
        assert_eq!(of(&folder.path().join("missing")), None);
    }
}
