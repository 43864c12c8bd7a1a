// A bot on socket.io-client, without Discord. README.md beside it explains its variables, orders and lines.

import readline from "node:readline";
import { writeSync } from "node:fs";
import { io } from "socket.io-client";

const env = process.env;
const full = env.MODE === "full";
const silent = (env.SILENT ?? "").split(",");

function show(k, fields = {}) {
  const plain = (key, value) =>
    value?.type === "Buffer" ? { $bytes: Buffer.from(value.data).toString("base64") } : value;
  writeSync(1, JSON.stringify({ k, ...fields }, plain) + "\n");
}

// valueOf reads a cache from JSON, with what stands for binary and for long texts.
function valueOf(text) {
  return JSON.parse(text, (key, value) => {
    if (value?.$bytes !== undefined) return Buffer.from(value.$bytes, "base64");
    if (value?.$repeat !== undefined) return "x".repeat(value.$repeat);
    return value;
  });
}

let instance = env.INSTANCE;
let health = valueOf(env.HEALTH ?? '{"ok":true}');
let cache = env.CACHE === undefined ? undefined : valueOf(env.CACHE);
let epoch = 0;
let active = false;
let loggedIn = false;
let lease = 0;
let lastHeard = performance.now();

const socket = io(env.URL, {
  reconnectionDelay: 200,
  reconnectionDelayMax: 500,
  ...(env.TRANSPORT === "websocket" ? { transports: ["websocket"] } : {}),
});

function setActive(now) {
  if (now === active) return;
  active = now;
  show("state", { active });
}

function stopIfLeaseIsOver() {
  if (lease && performance.now() - lastHeard > lease) setActive(false);
}

socket.io.on("open", () => {
  socket.io.engine.on("packet", (packet) => {
    stopIfLeaseIsOver();
    lastHeard = performance.now();
    if (packet.type === "message" && typeof packet.data === "string") show("wire", { text: packet.data.slice(0, 2000) });
  });
});

// say sends an event; as a seed without an acknowledgement.
async function say(event, data) {
  if (silent.includes(event)) return;
  show("sent", { event, data: event === "cache_sync" ? null : data });
  if (!full) {
    socket.emit(event, data);
    return;
  }
  try {
    show("ack", { event, data: await socket.emitWithAck(event, data) });
  } catch {
    show("unanswered", { event }); // the connection closed first
  }
}

socket.on("connect", () => {
  show("connect");
  const fields = { version: env.VERSION };
  if (env.KEY !== undefined) fields.key = env.KEY;
  if (env.FLEET !== undefined) fields.fleet = env.FLEET;
  if (full) {
    Object.assign(fields, { library: "socket.io-client", pid: process.pid, capabilities: [] });
    if (instance) fields.instance = instance;
    if (epoch) {
      stopIfLeaseIsOver();
      fields.session = { epoch, active, ready: loggedIn };
    }
  }
  say("identify", fields);
});
socket.on("disconnect", (reason) => {
  show("disconnect", { reason });
  if (!socket.active) process.stdin.destroy(); // it does not reconnect after the server's goodbye
});
socket.on("connect_error", () => show("refused"));

socket.on("hello", (hello) => {
  show("got", { event: "hello", data: hello });
  if (hello.error) return;
  instance = hello.instance;
  lease = hello.lease_ms;
  if (full && hello.process_commands) epoch = hello.epoch;
  if (!hello.process_commands) setActive(false);
  loggedIn = true;
  say("ready", full ? { guilds: 2 } : {});
});

socket.on(env.COMMAND ?? "command", async ({ t, d }) => {
  show("got", { event: "command", data: { t, d } });
  switch (t) {
    case "ok":
      epoch = d.epoch;
      setActive(true);
      break;
    case "health_check":
      say("health_check", full ? { ...health, check_id: d.check_id } : health);
      break;
    case "process_commands":
      epoch = d.epoch;
      say("ready", {});
      break;
    case "coma":
    case "shutdown":
      setActive(false);
      if (d.cache_sync && cache !== undefined) await say("cache_sync", cache);
      await say(t, full ? { epoch: d.epoch, handled: ["1152921504606846977"] } : {});
      if (t === "shutdown") leave();
  }
});

socket.on("cache_sync", (received) => {
  cache = received;
  const length = JSON.stringify(received).length;
  show("got", { event: "cache_sync", data: length < 100_000 ? received : { $long: length } });
});
socket.on("rejected", (rejection) => show("got", { event: "rejected", data: rejection }));

const orders = readline.createInterface({ input: process.stdin });

// leave sends what is queued, disconnects, and leaves nothing behind that would keep the process alive.
function leave() {
  socket.disconnect();
  process.stdin.destroy();
}

orders.on("line", (line) => {
  const order = valueOf(line);
  if (order.emit) {
    show("sent", { event: order.emit, data: null });
    if (order.ack) socket.emit(order.emit, order.data, (data) => show("ack", { event: order.emit, data }));
    else socket.emit(order.emit, order.data);
  }
  if (order.health) health = order.health;
  if (order.leave) leave();
});
