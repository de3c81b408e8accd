//! A disk that a test can fill.

use std::path::Path;
use std::process::Command;

/// A tmpfs of its own; it goes when this is dropped.
pub(super) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// A disk of that size, such as `1m`; none where this process may not mount.
    pub(super) fn new(size: &str) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(SmallDisk(folder)),
            _ => {
                crate::lacking::ignored("a small disk needs the right to mount a tmpfs");
                None
            }
        }
    }

    /// Changes the disk, such as to `ro`.
    pub(super) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let mounted = Command::new("mount").args(["-o", &options]).arg(self.0.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "the small disk is mounted anew: {options}");
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the small disk is unmounted");
    }
}
