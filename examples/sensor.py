#!/usr/bin/env python3
"""A program that is a member of a Zeek cluster: how does it publish and subscribe?

It runs under a node (`command` in examples/sensor.yaml), which gives it a name and the URL of a WebSocket server in its
environment, starts it again when it ends, and keeps what it prints. It tells the manager every second how it is
(`Sensor::alive(name: string, seconds: count)`), and answers `Sensor::ask(question: string)` on the topic `sensor/ask` with
`Sensor::answer(name: string, question: string)` on `sensor/answer`.

Needs the Python package `websockets` (Debian: python3-websockets).
"""

import asyncio
import json
import os
import sys

import websockets

NODE = os.environ.get("ZEEK_CLUSTER_NODE", "sensor")
MANAGER = "zeek.cluster.manager"


def event(topic, name, *args):
    """An event as the WebSocket API wants it; `args` are typed values such as string("x")."""
    inner = vector(string(name), vector(*args))
    return json.dumps({"type": "data-message", "topic": topic, **vector(count(1), count(1), inner)})


def vector(*elements):
    return {"@data-type": "vector", "data": list(elements)}


def string(text):
    return {"@data-type": "string", "data": text}


def count(number):
    return {"@data-type": "count", "data": number}


def name_and_args(message):
    """The name of an event that came in, and its arguments without their types."""
    name, args = message["data"][2]["data"][:2]
    return name["data"], [argument["data"] for argument in args["data"]]


async def tell(socket):
    seconds = 0
    while True:
        await socket.send(event(MANAGER, "Sensor::alive", string(NODE), count(seconds)))
        await asyncio.sleep(1)
        seconds += 1


async def answer(socket):
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "error":
            print(f"refused: {message['context']}", file=sys.stderr, flush=True)
            continue
        name, args = name_and_args(message)
        if name == "Sensor::ask" and len(args) == 1:
            await socket.send(event("sensor/answer", "Sensor::answer", string(NODE), string(args[0])))


async def member(url):
    async with websockets.connect(url, extra_headers={"X-Application-Name": NODE}) as socket:
        # The first message says what to hear; the answer comes when that is in effect.
        await socket.send(json.dumps(["sensor/ask"]))
        ack = json.loads(await socket.recv())
        print(f"{NODE} joined as {ack['endpoint']}", flush=True)
        done, waiting = await asyncio.wait(
            [asyncio.create_task(tell(socket)), asyncio.create_task(answer(socket))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in waiting:
            task.cancel()
        for task in done:
            task.result()


async def main():
    url = os.environ.get("ZEEK_CLUSTER_WEBSOCKET_URL")
    if url is None:
        sys.exit("ZEEK_CLUSTER_WEBSOCKET_URL is not set: give the node or the manager a `websocket:` in the layout")
    while True:
        try:
            await member(url)
        except (OSError, asyncio.TimeoutError, websockets.exceptions.WebSocketException) as error:
            # The manager may start after this node, or restart.
            print(f"no connection to {url}: {error}", file=sys.stderr, flush=True)
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
