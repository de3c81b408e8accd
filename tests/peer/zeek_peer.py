#!/usr/bin/env python3
"""A foreign member of a Zeek cluster, over libzmq's own Python binding.

Two roles:

  proxy   the XPUB/XSUB forwarder as Zeek runs it (zmq_proxy between sockets with Zeek's options)
  node    a node as Zeek is one: subscriptions in Zeek's order, both hellos, logs over PUSH; or a misbehaving one

Everything seen is printed as one JSON object a line, so that a test can wait for it:

  {"bound": [xpub, xsub]}                      proxy: where it listens
  {"bound_log": endpoint}                      node with --listen-log
  {"subscription": topic} {"unsubscription": topic}
  {"event": name, "args": [...], "topic": t, "sender": s}    broker-bin-v1, strings and counts
  {"raw": n}                                   an event of another format or another number of parts
  {"log": sender, "format": f, "octets": n}
  {"node_up": name, "id": id} {"node_down": name, "id": id}
  {"monitor": number, "value": n, "socket": s}

Lines on standard input make it act:

  publish TOPIC NAME [STRING...]   log N   batch HEX   quit

`log N` sends N zero octets to a logger, `batch HEX` those octets.

It ends at `quit` and at the end of standard input.
"""

import argparse
import json
import os
import struct
import sys
import threading

try:
    import zmq
    from zmq.utils import z85
    from zmq.utils.monitor import parse_monitor_message
except ImportError as error:
    print(f"zeek_peer.py needs pyzmq: {error}", file=sys.stderr)
    sys.exit(77)

NODEID = "zeek.cluster.nodeid."
TYPE_TOPICS = {
    "manager": ["zeek.cluster.manager"],
    "logger": ["zeek.cluster.pool.logger", "zeek.cluster.logger"],
    "proxy": ["zeek.cluster.pool.proxy", "zeek.cluster.proxy"],
    "worker": ["zeek.cluster.pool.worker", "zeek.cluster.worker"],
}


def say(**what):
    print(json.dumps(what), flush=True)


# broker-bin-v1: the few types that hellos and test events need.


def varbyte(number):
    octets = bytearray()
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def encode_value(value):
    if isinstance(value, str):
        octets = value.encode()
        return b"\x05" + varbyte(len(octets)) + octets
    if isinstance(value, int):
        return b"\x02" + struct.pack(">Q", value)
    if isinstance(value, list):
        return b"\x0e" + varbyte(len(value)) + b"".join(map(encode_value, value))
    raise TypeError(type(value))


def encode_event(name, args):
    return encode_value([1, 1, [name, list(args)]])


class Undecodable(Exception):
    pass


def decode_value(octets, at):
    tag = octets[at]
    at += 1
    if tag == 0x02:
        return struct.unpack_from(">Q", octets, at)[0], at + 8
    if tag not in (0x05, 0x0E):
        raise Undecodable(f"tag {tag}")
    length = shift = 0
    while True:
        octet = octets[at]
        at += 1
        length |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            break
    if tag == 0x05:
        return octets[at : at + length].decode(errors="replace"), at + length
    values = []
    for _ in range(length):
        value, at = decode_value(octets, at)
        values.append(value)
    return values, at


def decode_event(octets):
    try:
        value, end = decode_value(octets, 0)
        (version, kind, event) = value
        if end != len(octets) or (version, kind) != (1, 1):
            raise Undecodable("envelope")
        return event[0], event[1]
    except (IndexError, ValueError, struct.error) as error:
        raise Undecodable(str(error)) from error


def server(socket, keys):
    if keys.server_secret and keys.client_public:
        socket.curve_server = True
        socket.curve_secretkey = keys.server_secret.encode()


def client(socket, keys):
    if keys.server_public and keys.client_public and keys.client_secret:
        socket.curve_serverkey = keys.server_public.encode()
        socket.curve_publickey = keys.client_public.encode()
        socket.curve_secretkey = keys.client_secret.encode()


def admit(context, keys):
    """The ZAP handler of Zeek: exactly the client key gets in."""
    zap = context.socket(zmq.REP)
    zap.bind("inproc://zeromq.zap.01")
    wanted = z85.decode(keys.client_public.encode())

    def run():
        while True:
            try:
                request = zap.recv_multipart()
            except zmq.ZMQError:
                return
            good = len(request) >= 7 and request[5] == b"CURVE" and request[6] == wanted
            status = [b"200", b"OK", b"0"] if good else [b"400", b"Invalid ZAP request", b""]
            zap.send_multipart([b"1.0", request[1], *status, b""])

    threading.Thread(target=run, daemon=True).start()


def forward(options):
    """Runs the forwarder on threads of its own."""
    context = zmq.Context(io_threads=2)
    if options.server_secret and options.client_public:
        admit(context, options)
    xpub, xsub = context.socket(zmq.XPUB), context.socket(zmq.XSUB)
    xpub.setsockopt(zmq.XPUB_VERBOSER, 1)
    xpub.setsockopt(zmq.XPUB_NODROP, 1)
    for socket, endpoint in ((xpub, options.xpub), (xsub, options.xsub)):
        server(socket, options)
        socket.bind(endpoint)
    say(bound=[socket.getsockopt_string(zmq.LAST_ENDPOINT) for socket in (xpub, xsub)])
    threading.Thread(target=zmq.proxy, args=(xsub, xpub), daemon=True).start()


def proxy(options):
    forward(options)
    for line in sys.stdin:
        if line.split()[:1] == ["quit"]:
            break
    os._exit(0)


class Node:
    def __init__(self, options):
        self.options = options
        self.name = options.name
        self.id = options.id
        self.context = context = zmq.Context()
        self.seen, self.subs, self.hellos, self.id_of = set(), set(), set(), {}
        if options.listen_log and options.server_secret and options.client_public:
                admit(context, options)
        self.xpub, self.xsub, self.push = (context.socket(kind) for kind in (zmq.XPUB, zmq.XSUB, zmq.PUSH))
        self.pull = None
        self.xpub.setsockopt(zmq.XPUB_NODROP, 1)
        self.xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
        for socket in (self.xpub, self.push):
            socket.linger = 500
        for socket in (self.xpub, self.xsub, self.push):
            client(socket, options)
        self.monitors = {
            "xpub": self.xpub.get_monitor_socket(),
            "xsub": self.xsub.get_monitor_socket(),
            "push": self.push.get_monitor_socket(),
        }
        self.xsub.connect(options.xpub)
        self.xpub.connect(options.xsub)
        if options.listen_log:
            self.pull = context.socket(zmq.PULL)
            server(self.pull, options)
            self.pull.bind(options.listen_log)
            say(bound_log=self.pull.getsockopt_string(zmq.LAST_ENDPOINT))
        for endpoint in options.log:
            self.push.connect(endpoint)
        if options.misbehave != "mute":
            for topic in self.topics():
                self.xsub.send(b"\x01" + topic.encode())

    def topics(self):
        yield "zeek/supervisor"
        yield "zeek/table/"
        yield from TYPE_TOPICS.get(self.options.type, [])
        yield f"{NODEID}{self.id}."
        yield f"zeek.cluster.node.{self.name}."
        yield from self.options.subscribe

    def publish(self, topic, name, args):
        parts = [topic.encode(), self.id.encode(), b"broker-bin-v1", encode_event(name, args)]
        if self.options.misbehave == "three-parts":
            parts = parts[:3]
        elif self.options.misbehave == "five-parts":
            parts.append(b"")
        elif self.options.misbehave == "wrong-format":
            parts[2] = b"broker-json-v9"
        self.xpub.send_multipart(parts, zmq.DONTWAIT)

    def greet(self, which, peer):
        if self.options.misbehave not in ("silent", "mute"):
            self.publish(f"{NODEID}{peer}.", which, [self.name, self.id])

    def on_interest(self, part):
        topic = part[1:].decode(errors="replace")
        if part[:1] == b"\x01":
            say(subscription=topic)
            if topic in self.seen:
                return
            self.seen.add(topic)
            if not topic.startswith(NODEID) or topic == f"{NODEID}{self.id}.":
                return
            peer = topic[len(NODEID) : -1]
            self.greet("Cluster::Backend::ZeroMQ::hello", peer)
            if peer in self.hellos:
                self.hellos.discard(peer)
                self.greet("Cluster::hello", peer)
            else:
                self.subs.add(peer)
        elif part[:1] == b"\x00":
            say(unsubscription=topic)
            self.seen.discard(topic)
            for name, peer in list(self.id_of.items()):
                if topic == f"{NODEID}{peer}.":
                    del self.id_of[name]
                    say(node_down=name, id=peer)

    def on_event(self, parts):
        if len(parts) != 4 or parts[2] != b"broker-bin-v1":
            say(raw=len(parts))
            return
        topic, sender = parts[0].decode(errors="replace"), parts[1].decode(errors="replace")
        if sender == self.id:
            return
        try:
            name, args = decode_event(parts[3])
        except Undecodable:
            say(raw=len(parts))
            return
        say(event=name, args=args, topic=topic, sender=sender)
        if name == "Cluster::Backend::ZeroMQ::hello":
            peer_name, peer = args
            if self.id_of.get(peer_name) == peer:
                return
            old = self.id_of.pop(peer_name, None)
            if old:
                say(node_down=peer_name, id=old)
            if peer in self.subs:
                self.subs.discard(peer)
                self.greet("Cluster::hello", peer)
            else:
                self.hellos.add(peer)
        elif name == "Cluster::hello":
            peer_name, peer = args
            if peer_name not in self.id_of:
                say(node_up=peer_name, id=peer)
            self.id_of[peer_name] = peer

    def command(self, line):
        words = line.split()
        if not words or words[0] == "quit":
            return False
        if words[0] == "publish":
            self.publish(words[1], words[2], words[3:])
        elif words[0] in ("log", "batch"):
            batch = b"\x00" * int(words[1]) if words[0] == "log" else bytes.fromhex(words[1])
            parts = [b"log-write", self.id.encode(), b"zeek-bin-serializer", batch]
            if self.options.misbehave == "three-parts":
                parts = parts[:3]
            self.push.send_multipart(parts, zmq.DONTWAIT)
        return True

    def run(self):
        poller = zmq.Poller()
        sockets = [self.xpub, self.pull, *self.monitors.values()]
        if self.options.misbehave != "not-reading":
            sockets.append(self.xsub)
        for socket in filter(None, sockets):
            poller.register(socket, zmq.POLLIN)
        poller.register(sys.stdin.fileno(), zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            while self.xpub in ready and self.xpub.poll(0):
                self.on_interest(self.xpub.recv())
            while self.xsub in ready and self.xsub.poll(0):
                self.on_event(self.xsub.recv_multipart())
            while self.pull in ready and self.pull.poll(0):
                parts = self.pull.recv_multipart()
                say(log=parts[1].decode(), format=parts[2].decode(), octets=len(parts[3])) if len(parts) == 4 else say(raw=len(parts))
            for name, monitor in self.monitors.items():
                while monitor in ready and monitor.poll(0):
                    event = parse_monitor_message(monitor.recv_multipart())
                    say(monitor=int(event["event"]), value=int(event["value"]), socket=name)
            if sys.stdin.fileno() in ready and not self.stdin():
                break
        for socket in (self.xpub, self.xsub, self.push, self.pull):
            if socket is not None:
                socket.disable_monitor()
                socket.close()
        for monitor in self.monitors.values():
            monitor.close(0)
        self.context.term()

    def stdin(self):
        """All lines that are there; unbuffered, so that polling the descriptor stays true."""
        octets = os.read(sys.stdin.fileno(), 65536)
        if not octets:
            return False
        self.rest = getattr(self, "rest", b"") + octets
        *lines, self.rest = self.rest.split(b"\n")
        return all(self.command(line.decode()) for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("role", choices=["proxy", "node"])
    parser.add_argument("--xpub", default="tcp://127.0.0.1:*", help="the proxy's XPUB: bound by proxy, where node subscribes")
    parser.add_argument("--xsub", default="tcp://127.0.0.1:*", help="the proxy's XSUB: bound by proxy, where node publishes")
    parser.add_argument("--name", default="worker-9")
    parser.add_argument("--type", default="worker", choices=sorted(TYPE_TOPICS))
    parser.add_argument("--id", default=None)
    parser.add_argument("--subscribe", action="append", default=[], metavar="TOPIC")
    parser.add_argument("--log", action="append", default=[], metavar="ENDPOINT", help="a logger to PUSH to")
    parser.add_argument("--listen-log", metavar="ENDPOINT", help="bind PULL there")
    for key in ("server-public", "server-secret", "client-public", "client-secret"):
        parser.add_argument(f"--{key}", default="", metavar="Z85")
    parser.add_argument(
        "--misbehave",
        choices=["three-parts", "five-parts", "wrong-format", "silent", "mute", "not-reading"],
        help="silent: no hellos; mute: neither hellos nor subscriptions; not-reading: XSUB is never read",
    )
    options = parser.parse_args()
    options.id = options.id or f"zeromq_{options.name}_peer_{os.getpid()}_N{os.urandom(6).hex()}"
    if options.role == "proxy":
        proxy(options)
    else:
        Node(options).run()


if __name__ == "__main__":
    main()
