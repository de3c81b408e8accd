#!/usr/bin/env python3
"""A client of a node's WebSocket API, over the `websockets` package, which knows nothing of zeek-cluster.

Prints what it receives, one JSON text a line, and at the end `closed CODE REASON`. Each line on standard input,
`TOPIC EVENT TEXT`, is published as an event with one string; `close` closes the connection.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys

import websockets


def headers(name):
    if name is None:
        return {}
    key = "additional_headers" if int(websockets.__version__.split(".")[0]) >= 14 else "extra_headers"
    return {key: {"X-Application-Name": name}}


def tls(options):
    if options.ca is None:
        return None
    context = ssl.create_default_context(cafile=options.ca)
    if options.cert is not None:
        context.load_cert_chain(options.cert, options.key)
    return context


def event(topic, name, text):
    def value(kind, data):
        return {"@data-type": kind, "data": data}

    args = value("vector", [value("string", text)])
    inner = value("vector", [value("string", name), args])
    return {"type": "data-message", "topic": topic, **value("vector", [value("count", 1), value("count", 1), inner])}


async def publish(client):
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if line == "close":
            await client.close()
            return
        await client.send(json.dumps(event(*line.split(" ", 2))))


async def main(options):
    async with websockets.connect(options.url, ssl=tls(options), **headers(options.name)) as client:
        await client.send(json.dumps(options.topic))
        publishing = asyncio.ensure_future(publish(client))
        try:
            while True:
                print(await client.recv(), flush=True)
        except websockets.ConnectionClosed as closed:
            received = closed.rcvd
            print("closed", *(("1006", "") if received is None else (received.code, received.reason)), flush=True)
        publishing.cancel()


parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--topic", action="append", default=[])
parser.add_argument("--name")
parser.add_argument("--ca")
parser.add_argument("--cert")
parser.add_argument("--key")
try:
    asyncio.run(main(parser.parse_args()))
except (OSError, websockets.InvalidHandshake) as error:
    print("failed", error, flush=True)
# A thread may wait for standard input still.
os._exit(0)
