//! A disk that a test can fill.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs of its own on a folder; it goes when this is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a disk of that many octets; none, with the reason on standard output, where this process may not mount.
    /// Where `CI` is set that is a failure.
    pub fn mount(folder: &Path, bytes: u64) -> Option<SmallDisk> {
        fs::create_dir_all(folder).expect("the folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(folder);
        match mount.output() {
            Ok(output) if output.status.success() => Some(SmallDisk(folder.to_owned())),
            _ => {
                let reason = "a small disk needs the right to mount a tmpfs";
                super::lacking::ignored(reason);
                None
            }
        }
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).expect("the filling file");
        let page = [b'x'; 4096];
        while file.write_all(&page).is_ok() {}
    }

    /// Gives it back.
    pub fn make_room(&self) {
        fs::remove_file(self.filler()).expect("the filling file");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("fill")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What a failed test left running may still be in it.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Makes a file as long as whole pages, so that its next octet needs a new one.
pub fn pad_to_a_page(path: &Path) {
    let Ok(file) = OpenOptions::new().write(true).open(path) else { return };
    let length = file.metadata().expect("its size").len();
    file.set_len(length.next_multiple_of(4096)).expect("its last page has room");
}
