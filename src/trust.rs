//! Who else may change what lies at a path: an owner or a mode that lets another user put his own program there.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};

/// `S_ISVTX`: only its owner removes or renames what lies in such a folder.
const STICKY: u32 = 0o1000;

/// A folder that another user than this one and root may change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {why}, so that another user could put a program there that {} would run", path.display(), user())]
pub struct Untrusted {
    /// The folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Whether `path`, as far as it is there, and every folder above it belong to root or to this user and can be changed by
/// nobody else. A folder that all may write in is trusted where it is sticky, since what lies in it is looked at too; one that
/// a group may write in where that is this user's own group.
///
/// # Errors
/// The first folder that another user may change.
pub fn check(path: &Path) -> Result<(), Untrusted> {
    let real = path.ancestors().find_map(|part| fs::canonicalize(part).ok());
    let named = path.ancestors().map(Path::to_owned);
    let behind = real.iter().flat_map(|real| real.ancestors().map(Path::to_owned));
    for part in named.chain(behind) {
        let Ok(there) = fs::metadata(&part) else { continue };
        if let Some(why) = fault(&there) {
            return Err(Untrusted { path: part, why });
        }
    }
    Ok(())
}

fn fault(there: &Metadata) -> Option<String> {
    let (own, own_group) = (geteuid().as_raw(), getegid().as_raw());
    let (user, mode) = (there.uid(), there.mode());
    let is_private_group = there.gid() == own_group && own == own_group || there.gid() == 0;
    match () {
        () if user != 0 && user != own => Some(format!("belongs to user {user}")),
        () if mode & STICKY != 0 => None,
        () if mode & 0o002 != 0 => Some(format!("can be written by everyone (mode {:04o})", mode & 0o7777)),
        () if mode & 0o020 != 0 && !is_private_group => {
            Some(format!("can be written by group {} (mode {:04o})", there.gid(), mode & 0o7777))
        }
        () => None,
    }
}

fn user() -> String {
    match geteuid().as_raw() {
        0 => "root".to_owned(),
        own => format!("user {own}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn every_folder_above_counts_and_a_sticky_one_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let (base, cluster) = (folder.path().join("base"), folder.path().join("base/c"));
        fs::create_dir_all(&cluster).unwrap();
        assert_eq!(check(&cluster.join("not/there")), Ok(()));
        mode(&base, 0o1777);
        assert_eq!(check(&cluster), Ok(()));
        mode(&base, 0o777);
        let error = check(&cluster).unwrap_err();
        assert_eq!((&error.path, error.why.as_str()), (&base, "can be written by everyone (mode 0777)"));
        let link = folder.path().join("link");
        symlink(&cluster, &link).unwrap();
        assert_eq!(check(&link.join("x")).unwrap_err().path, fs::canonicalize(&base).unwrap(), "also behind a link");
        mode(&base, 0o755);
        assert_eq!(check(&link), Ok(()));
    }

    /// Needs root, to give a folder away.
    #[test]
    fn a_folder_of_another_user_is_not_trusted() {
        if !geteuid().is_root() {
            eprintln!("ignored: not root");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        fs::create_dir(&base).unwrap();
        std::os::unix::fs::chown(&base, Some(4711), None).unwrap();
        assert_eq!(check(&base).unwrap_err().why, "belongs to user 4711");
    }
}
