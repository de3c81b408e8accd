//! Builds libzmq 4.3.5 from source, with libsodium's CURVE, into this package.
//!
//! `zeromq-src` compiles with an empty `platform.hpp`, so everything that CMake would have found out about the
//! platform has to be said here: without it there is no eventfd, no close-on-exec on sockets (which a program that
//! starts other programs must have), no TCP keepalive and no thread names.

use std::env;

use zeromq_src::{Build, LibLocation};

/// What libzmq's CMake finds on Linux with glibc (`builds/cmake/platform.hpp.in` of libzmq 4.3.5).
const LINUX: [&str; 22] = [
    "ZMQ_HAVE_SOCK_CLOEXEC",
    "HAVE_ACCEPT4",
    "ZMQ_HAVE_EVENTFD",
    "ZMQ_HAVE_EVENTFD_CLOEXEC",
    "ZMQ_IOTHREAD_POLLER_USE_EPOLL_CLOEXEC",
    "ZMQ_HAVE_O_CLOEXEC",
    "ZMQ_HAVE_IFADDRS",
    "HAVE_IF_NAMETOINDEX",
    "HAVE_CLOCK_GETTIME",
    "HAVE_FORK",
    "HAVE_MKDTEMP",
    "ZMQ_HAVE_SO_KEEPALIVE",
    "ZMQ_HAVE_TCP_KEEPCNT",
    "ZMQ_HAVE_TCP_KEEPIDLE",
    "ZMQ_HAVE_TCP_KEEPINTVL",
    "ZMQ_HAVE_SO_PEERCRED",
    "ZMQ_HAVE_SO_BINDTODEVICE",
    "ZMQ_HAVE_BUSY_POLL",
    "ZMQ_HAVE_PTHREAD_SETNAME_2",
    "ZMQ_HAVE_PTHREAD_SET_AFFINITY",
    "ZMQ_HAVE_PPOLL",
    "ZMQ_HAVE_NOEXCEPT",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut flags = env::var("CXXFLAGS").unwrap_or_default();
    // The message path of every node runs through this library: optimise it in debug builds too, and keep quiet
    // about warnings in code that is not ours.
    flags.push_str(" -O2 -w");
    for name in LINUX {
        flags.push_str(&format!(" -D{name}=1"));
    }
    // SAFETY: a build script has one thread, and nothing has read the environment yet.
    unsafe { env::set_var("CXXFLAGS", flags) };

    let sodium = |what: &str| env::var(format!("DEP_SODIUM_{what}")).expect("libsodium-sys-stable tells where it is");
    Build::new().with_libsodium(Some(LibLocation::new(sodium("LIB"), sodium("INCLUDE")))).build();
}
