"""A bot on python-socketio, without Discord, as the tests of rollouts push it. bot.json beside it says what is wrong with it.

It is told where the test listens, and says there in lines of JSON what happens to it; 40 times a second that it processes commands.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
import time

import socketio

with open("bot.json", encoding="utf-8") as file:
    CODE = json.load(file)
ENVIRONMENT = {name: os.environ["URBAN_ROBOT_" + name] for name in ("URL", "FLEET", "INSTANCE", "VERSION", "LAUNCH")}


class Stage:
    """Where the test listens."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))

    def note(self, event, **fields):
        line = {"at": time.time_ns(), "event": event, "name": CODE["name"], "version": ENVIRONMENT["VERSION"]}
        line.update(instance=ENVIRONMENT["INSTANCE"], pid=os.getpid(), **fields)
        self.socket.sendall(json.dumps(line).encode() + b"\n")


class Wire(logging.Handler):
    """Hears every packet, for the lease."""

    def __init__(self, heard):
        super().__init__()
        self.heard = heard

    def emit(self, record):
        if record.msg.startswith("Received packet"):
            self.heard()


class Bot:
    """What the contract asks of a bot. The library is the subclass's business."""

    def __init__(self, stage):
        self.stage = stage
        self.lock = threading.RLock()
        self.active = False
        self.epoch = self.newest = 0
        self.logged_in = False
        self.lease = 0.0
        self.last_heard = time.monotonic()
        wire = logging.getLogger("wire")
        wire.addHandler(Wire(self.heard))
        wire.setLevel(logging.INFO)
        wire.propagate = False
        self.options = {"engineio_logger": wire, "reconnection_delay": 0.1, "reconnection_delay_max": 0.3}

    def heard(self):
        with self.lock:
            self.check_lease()
            self.last_heard = time.monotonic()

    def check_lease(self):
        if self.lease and time.monotonic() - self.last_heard > self.lease:
            self.stop("lapsed")

    def stop(self, event, **fields):
        """Process no more, from now on."""
        with self.lock:
            if self.active:
                self.active = False
                self.stage.note(event, **fields)

    def work(self):
        while True:
            time.sleep(0.025)
            with self.lock:
                self.check_lease()
                if self.active:
                    self.stage.note("work")

    def start(self):
        threading.Thread(target=self.work, daemon=True).start()

    def activate(self, epoch):
        with self.lock:
            self.epoch = epoch
            if self.active:
                return
            self.active = True
            self.stage.note("active", epoch=epoch)
        if CODE.get("crash_ms"):
            threading.Timer(CODE["crash_ms"] / 1000, self.crash).start()

    def crash(self):
        with self.lock:
            self.active = False
            self.stage.note("crash")
            os._exit(3)

    def end(self):
        os._exit(0)

    def connected(self):
        with self.lock:
            self.check_lease()
            fields = {name.lower(): ENVIRONMENT[name] for name in ("FLEET", "INSTANCE", "VERSION", "LAUNCH")}
            fields.update(library="python-socketio", pid=os.getpid(), capabilities=[])
            if self.newest:
                epoch = self.epoch if self.active else self.newest
                fields["session"] = {"epoch": epoch, "active": self.active, "ready": self.logged_in}
        self.emit("identify", fields)

    def hello(self, hello):
        if hello.get("error"):
            self.stage.note("refused", reason=hello["error"]["code"])
            return
        self.stage.note("hello")
        with self.lock:
            self.lease = hello["lease_ms"] / 1000
            self.newest = max(self.newest, hello["epoch"])
            if not hello["process_commands"]:
                self.stop("fenced")
        if CODE.get("start") == "unready":
            return
        self.logged_in = True
        self.emit("ready", {})

    def command(self, command):
        name, d = command["t"], command["d"]
        if d.get("epoch", self.newest) < self.newest and name != "shutdown":
            return
        self.newest = max(self.newest, d.get("epoch", 0))
        if name == "ok":
            self.activate(d["epoch"])
        elif name == "health_check":
            self.report(d)
        elif name == "process_commands":
            self.emit("ready", {})
        elif name in ("coma", "shutdown"):
            self.stop(name, reason=d["reason"])
            if name == "shutdown":
                self.stage.note("told", reason=d["reason"])
            if d["cache_sync"]:
                self.emit("cache_sync", {"name": CODE["name"]})
            self.emit(name, {"epoch": d["epoch"]}, self.end if name == "shutdown" else None)

    def report(self, d):
        self.stage.note("checked", reason=d["phase"])
        health = CODE.get("later") if d["phase"] == "bake" else None
        health = health or CODE.get("health") or {"cogs": {"cogs.core": True, "cogs.fun": True}}
        if CODE.get("start") != "deaf":
            self.emit("health_check", {"check_id": d["check_id"], **health})

    def handlers(self):
        return {"connect": self.connected, "hello": self.hello, "command": self.command}


class SyncBot(Bot):
    """The bot on socketio.Client: handlers run in threads."""

    def run(self):
        self.client = socketio.Client(**self.options)
        for event, handler in self.handlers().items():
            self.client.on(event, handler)
        self.client.connect(ENVIRONMENT["URL"])
        self.start()
        while True:
            self.client.wait()  # which returns early when the reconnect was quick
            time.sleep(0.05)

    def emit(self, event, data, then=None):
        self.client.emit(event, data, callback=lambda *_: then and then())


class AsyncBot(Bot):
    """The bot on socketio.AsyncClient."""

    async def run(self):
        self.client = socketio.AsyncClient(**self.options)
        self.loop = asyncio.get_running_loop()
        self.tasks = set()
        for event, handler in self.handlers().items():
            self.client.on(event, handler)
        await self.client.connect(ENVIRONMENT["URL"])
        self.start()
        while True:
            await self.client.wait()
            await asyncio.sleep(0.05)

    def emit(self, event, data, then=None):
        task = self.loop.create_task(self.client.emit(event, data, callback=lambda *_: then and then()))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def main():
    stage = Stage(sys.argv[1])
    if CODE.get("stubborn"):
        signal.signal(signal.SIGTERM, lambda *_: stage.note("ignored"))
    stage.note("started")
    if CODE.get("start") == "exit":
        sys.exit("a bot that ends at once")
    while CODE.get("start") == "silent":
        time.sleep(60)
    if CODE["kind"] == "asyncio":
        asyncio.run(AsyncBot(stage).run())
    else:
        SyncBot(stage).run()


main()
