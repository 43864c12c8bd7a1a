"""A bot on python-socketio, without Discord. README.md beside it explains its variables, orders and lines."""

import asyncio
import base64
import json
import logging
import os
import sys
import threading
import time

import socketio

FULL = os.environ.get("MODE") == "full"
SILENT = os.environ.get("SILENT", "").split(",")
COMMAND = os.environ.get("COMMAND", "command")
printing = threading.Lock()


def show(kind, **fields):
    """Print one line about what happened."""
    line = json.dumps({"k": kind, **fields}, default=lambda data: {"$bytes": base64.b64encode(data).decode()})
    with printing:
        print(line, flush=True)


def value_of(text):
    """Read a cache from JSON, with what stands for binary and for long texts."""

    def special(object):
        if "$bytes" in object:
            return base64.b64decode(object["$bytes"])
        if "$repeat" in object:
            return "x" * object["$repeat"]
        return object

    return json.loads(text, object_hook=special)


class Wire(logging.Handler):
    """Sees every packet in the order of the wire."""

    def __init__(self, heard):
        super().__init__()
        self.heard = heard

    def emit(self, record):
        if record.msg.startswith("Received packet"):
            self.heard()
            name, text = record.args
            if name == "MESSAGE":
                show("wire", text=str(text)[:2000])


class Bot:
    """What the contract asks of a bot. The library is the subclass's business."""

    def __init__(self):
        self.instance = os.environ.get("INSTANCE")
        self.health = value_of(os.environ.get("HEALTH", '{"ok": true}'))
        self.cache = value_of(os.environ["CACHE"]) if "CACHE" in os.environ else None
        self.epoch = 0
        self.active = False
        self.logged_in = False
        self.lease = 0.0
        self.last_heard = time.monotonic()
        wire = logging.getLogger("wire")
        wire.addHandler(Wire(self.heard))
        wire.setLevel(logging.INFO)
        wire.propagate = False
        self.options = {"engineio_logger": wire, "reconnection_delay": 0.2, "reconnection_delay_max": 0.5}

    def heard(self):
        now = time.monotonic()
        if self.lease and now - self.last_heard > self.lease:
            self.set_active(False)
        self.last_heard = now

    def set_active(self, active):
        if active != self.active:
            self.active = active
            show("state", active=active)

    def say(self, event, data, then=None):
        """Send an event; go on with then once it is acknowledged or, as a seed, at once."""
        if event not in SILENT:
            show("sent", event=event, data=data if event != "cache_sync" else None)
            self.emit(event, data, self.acknowledged(event, then) if FULL else None)
        if then and not FULL:
            then()

    def acknowledged(self, event, then):
        def callback(*answer):
            show("ack", event=event, data=answer[0] if answer else None)
            if then:
                then()

        return callback

    def connected(self):
        show("connect")
        fields = {"version": os.environ["VERSION"]}
        for name in ("key", "fleet"):
            if name.upper() in os.environ:
                fields[name] = os.environ[name.upper()]
        if FULL:
            fields.update(library="python-socketio", pid=os.getpid(), capabilities=[])
            if self.instance:
                fields["instance"] = self.instance
            if self.epoch:
                if self.lease and time.monotonic() - self.last_heard > self.lease:
                    self.set_active(False)
                fields["session"] = {"epoch": self.epoch, "active": self.active, "ready": self.logged_in}
        self.say("identify", fields)

    def disconnected(self):
        show("disconnect")

    def hello(self, hello):
        show("got", event="hello", data=hello)
        if hello.get("error"):
            return
        self.instance = hello["instance"]
        self.lease = hello["lease_ms"] / 1000
        if FULL and hello["process_commands"]:
            self.epoch = hello["epoch"]
        if not hello["process_commands"]:
            self.set_active(False)
        self.logged_in = True
        self.say("ready", {"guilds": 2} if FULL else {})

    def command(self, command):
        show("got", event="command", data=command)
        name, d = command["t"], command["d"]
        if name == "ok":
            self.epoch = d["epoch"]
            self.set_active(True)
        elif name == "health_check":
            report = dict(self.health)
            if FULL:
                report["check_id"] = d["check_id"]
            self.say("health_check", report)
        elif name == "process_commands":
            self.epoch = d["epoch"]
            self.say("ready", {})
        elif name in ("coma", "shutdown"):
            self.set_active(False)
            last = {"epoch": d["epoch"], "handled": ["1152921504606846977"]} if FULL else {}
            leave = self.leave if name == "shutdown" else None
            if d["cache_sync"] and self.cache is not None:
                self.say("cache_sync", self.cache, then=lambda: self.say(name, last, then=leave))
            else:
                self.say(name, last, then=leave)

    def cache_sync(self, cache):
        show("got", event="cache_sync", data=cache if len(str(cache)) < 100_000 else {"$long": len(str(cache))})
        self.cache = cache

    def rejected(self, rejection):
        show("got", event="rejected", data=rejection)

    def obey(self, order):
        """Do what a line on standard input says."""
        if "emit" in order:
            event, data = order["emit"], order.get("data")
            show("sent", event=event, data=None)
            self.emit(event, data, self.acknowledged(event, None) if order.get("ack") else None)
        if "health" in order:
            self.health = order["health"]
        if order.get("leave"):
            self.leave()

    def handlers(self):
        return {"hello": self.hello, COMMAND: self.command, "cache_sync": self.cache_sync, "rejected": self.rejected}


def transports():
    return ["websocket"] if os.environ.get("TRANSPORT") == "websocket" else None


class SyncBot(Bot):
    """The bot on socketio.Client: handlers run in threads."""

    def run(self):
        self.client = socketio.Client(**self.options)
        self.client.on("connect", self.connected)
        self.client.on("disconnect", self.disconnected)
        self.client.on("connect_error", lambda *data: show("refused"))
        for event, handler in self.handlers().items():
            self.client.on(event, handler)
        self.client.connect(os.environ["URL"], transports=transports())
        threading.Thread(target=self.listen, daemon=True).start()
        while self.client.connected:
            self.client.wait()  # which returns early when the reconnect was quick

    def listen(self):
        for line in sys.stdin:
            self.obey(value_of(line))

    def emit(self, event, data, callback):
        self.client.emit(event, data, callback=callback)

    def leave(self):
        self.client.disconnect()


class AsyncBot(Bot):
    """The bot on socketio.AsyncClient."""

    async def run(self):
        self.client = socketio.AsyncClient(**self.options)
        self.loop = asyncio.get_running_loop()
        self.tasks = set()
        self.client.on("connect", self.connected)
        self.client.on("disconnect", self.disconnected)
        self.client.on("connect_error", lambda *data: show("refused"))
        for event, handler in self.handlers().items():
            self.client.on(event, handler)
        await self.client.connect(os.environ["URL"], transports=transports())
        threading.Thread(target=self.listen, daemon=True).start()
        while self.client.connected:
            await self.client.wait()  # which returns early when the reconnect was quick

    def listen(self):
        for line in sys.stdin:
            self.loop.call_soon_threadsafe(self.obey, value_of(line))

    def begin(self, work):
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def emit(self, event, data, callback):
        self.begin(self.client.emit(event, data, callback=callback))

    def leave(self):
        self.begin(self.client.disconnect())


if __name__ == "__main__":
    if os.environ.get("KIND") == "asyncio":
        asyncio.run(AsyncBot().run())
    else:
        SyncBot().run()
