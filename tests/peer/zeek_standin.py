#!/usr/bin/env python3
"""A stand-in for the program `zeek`, for tests on machines without Zeek.

It understands the part of Zeek's command line, environment and scripts that a node of a ZeroMQ cluster is started with,
fails as Zeek fails, and else joins the cluster over libzmq as `zeek_peer.py` does: as a node of any type, with the
forwarder where Zeek runs it. A wrapper of the name `zeek` sets what it pretends to be:

  STANDIN_VERSION   what `--version` tells
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

VERSION = os.environ.get("STANDIN_VERSION", "8.2.2")
MODULE = "Cluster::Backend::ZeroMQ::"
# Backend scripts by version (zeromq.md 0.3); all that other generated scripts load exists in every version.
BACKENDS = {
    "8.0": ["policy/frameworks/cluster/backend/zeromq/connect"],
    "8.1": ["policy/frameworks/cluster/backend/zeromq", "policy/frameworks/cluster/backend/zeromq/connect"],
}
BUNDLED = ["misc/loaded-scripts", "frameworks/control/controllee", "base/frameworks/cluster"]


def fatal(text):
    print(f"fatal error: {text}", file=sys.stderr, flush=True)
    sys.exit(1)


def arguments():
    parser = argparse.ArgumentParser(prog="zeek", add_help=False)
    parser.add_argument("-i", dest="interface")
    parser.add_argument("-U", dest="status")
    parser.add_argument("-p", dest="prefixes", action="append", default=[])
    parser.add_argument("-a", dest="parse_only", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("scripts", nargs="*")
    return parser.parse_args()


def backends():
    return BACKENDS.get(".".join(VERSION.split(".")[:2]), BACKENDS["8.1"])


def find(name, beside=None):
    """The file of a script, as Zeek looks for it."""
    if name in BUNDLED or name in backends():
        return None
    folders = [beside] if name.startswith("./") and beside else os.environ["ZEEKPATH"].split(":")
    for folder in folders:
        for file in (name, f"{name}.zeek", f"{name}/__load__.zeek"):
            path = os.path.join(folder, file)
            if os.path.isfile(path):
                return path
    fatal(f"can't find {name}")


class Scripts:
    """What the loaded scripts say, for as much of the language as the generated ones use."""

    def __init__(self):
        self.redefs, self.loaded, self.backend, self.pulse = {}, set(), None, None

    def load(self, name, beside=None):
        if name in backends():
            self.backend = name
        path = find(name, beside)
        if path is None or path in self.loaded:
            return
        self.loaded.add(path)
        with open(path) as file:
            for number, line in enumerate(file, 1):
                self.line(path, number, line.strip())

    def line(self, path, number, line):
        if line.startswith("@load "):
            self.load(line.split()[1], os.path.dirname(path))
        found = re.match(r"redef ([\w:]+) \+?= (.*);$", line)
        if found:
            self.redefs[found[1]] = found[2]
        found = re.match(r'pulse = open\("(.*)"\);$', line)
        if found:
            self.pulse = found[1]
        if line.startswith("nonsense"):
            print(f'error in {path}, line {number}: syntax error, at or near "nonsense"', file=sys.stderr)
            sys.exit(1)

    def text(self, name):
        return self.redefs.get(MODULE + name, '""').strip('"')


def layout():
    """`Cluster::nodes` by name: type, address, port."""
    with open(find("cluster-layout")) as file:
        text = file.read()
    entry = r'\["([\w-]+)"\] = \[\$node_type=Cluster::(\w+), \$ip=([\d.]+)(?:.*?\$p=(\d+)/tcp)?'
    return {name: (kind.lower(), ip, port) for name, kind, ip, port in re.findall(entry, text)}


def check_interface(interface):
    device = interface.split("::")[-1]
    if not os.path.exists(f"/sys/class/net/{device}"):
        fatal(f"problem with interface {interface} (pcap_error: No such device exists)")


def status(path, phase):
    if path:
        with open(path, "w") as file:
            file.write(f"{phase}\n")


def beat(path):
    """Writes into the pipe as the generated script has Zeek do, only more often."""
    with open(path, "w", buffering=1) as pipe:
        packets = 0
        while True:
            packets += 1
            pipe.write(f"{packets} 0 {packets}\n")
            time.sleep(0.2)


def rotate():
    """What a logger does at its end: the last file is renamed and handed to the command found in PATH."""
    with open("conn.2026-01-31-13-00-00.log", "w") as file:
        file.write("#fields\tts\n")
    words = ["archive-log", "conn.2026-01-31-13-00-00.log", "conn", "26-01-31_13.00.00", "26-01-31_14.00.00", "1", "ascii"]
    subprocess.Popen(f"{shlex.join(words)} 1>&2 &", shell=True).wait()


def run(options, scripts):
    import zeek_peer

    name = os.environ["CLUSTER_NODE"]
    nodes = layout()
    if name not in nodes:
        fatal(f"'{name}' is not a valid node in the Cluster::nodes configuration")
    kind, _, port = nodes[name]
    keys = {
        key.lower().replace("key", "").replace("_", "-", 1): os.environ.get(f"ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_{key}", "")
        for key in ("SERVER_PUBLICKEY", "SERVER_SECRETKEY", "CLIENT_PUBLICKEY", "CLIENT_SECRETKEY")
    }
    if VERSION < "8.2":
        keys = dict.fromkeys(keys, "")
    receivers = [f"tcp://{ip}:{port}" for kind, ip, port in nodes.values() if port]
    listens = f"tcp://{nodes[name][1]}:{port}" if port else None
    member = argparse.Namespace(
        name=name,
        type=kind,
        id=f"zeromq_{name}_standin_{os.getpid()}_N{os.urandom(6).hex()}",
        subscribe=[],
        log=[] if listens else receivers,
        listen_log=listens,
        misbehave=None,
        xpub=scripts.text("connect_xsub_endpoint"),
        xsub=scripts.text("connect_xpub_endpoint"),
        **{key.replace("-", "_"): value for key, value in keys.items()},
    )
    if kind == "manager":
        hub = argparse.Namespace(**{**vars(member), "xpub": scripts.text("listen_xpub_endpoint"), "xsub": scripts.text("listen_xsub_endpoint")})
        zeek_peer.forward(hub)
    # A node of zeek_peer.py ends at `quit` on its standard input.
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    signal.signal(signal.SIGTERM, lambda *_: os.write(writing, b"quit\n"))
    status(options.status, "RUNNING [run_loop]")
    threading.Thread(target=beat, args=[scripts.pulse], daemon=True).start()
    zeek_peer.Node(member).run()
    if kind == "logger":
        rotate()
    status(options.status, "TERMINATED [atexit]")
    # The forwarder's threads do not end by themselves.
    sys.stdout.flush()
    os._exit(0)


def main():
    options = arguments()
    if options.version:
        print(f"zeek version {VERSION}")
        return
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals go to the main thread")
    status(options.status, "INITIALIZING [main]")
    scripts = Scripts()
    for script in options.scripts:
        scripts.load(script)
    if scripts.backend is None:
        fatal("Cluster::node set to a name, but Cluster::backend is Cluster::CLUSTER_BACKEND_NONE - please select a cluster backend to use.")
    if options.parse_only:
        if not (os.environ.get("ZEEKCTL_CHECK_CONFIG") and os.environ.get("ZEEKCTL_DISABLE_LISTEN")):
            fatal("a check would listen")
        return
    print(f"STANDIN argv {shlex.join(sys.argv[1:])}", flush=True)
    if options.interface:
        check_interface(options.interface)
    run(options, scripts)


if __name__ == "__main__":
    main()
