// oort.js: the browser SDK of oort. An ES module without dependencies.
//
//   import { Oort } from "./oort.js";
//   const link = new Oort({ addr: "ws://127.0.0.1:3102/sub", room: "live://1000" });
//   link.addEventListener("message", (e) => console.log(e.detail.op, e.detail.text()));
//   link.open();
//
// The wire is in docs/protocol.md: a 16-byte big-endian header, then the body;
// a binary WebSocket message is one frame, several come as one of op 9.

export const HEADER = 16;
const VERSION = 1;
const FIRST_PUSH = 100; // ops below are the protocol's own

export const Op = Object.freeze({
  heartbeat: 2, heartbeatReply: 3, message: 4, messageReply: 5, disconnect: 6,
  auth: 7, authReply: 8, batch: 9, changeRoom: 12, addAccepts: 14, removeAccepts: 16, gap: 18,
});

// Codes of op 6 after which, if the server does not say, the same login cannot
// succeed or would only drive the user's other device out: bad_frame,
// too_large, auth_denied, replaced, kicked, bad_room, unexpected_op, bad_auth.
const FINAL = new Set([3000, 3001, 3003, 3004, 3008, 3012, 3013, 3015]);

const utf8 = new TextEncoder();
const fromUTF8 = new TextDecoder();

// FrameError: the bytes are no frame.
export class FrameError extends Error {
  constructor(message) {
    super(message);
    this.name = "FrameError";
  }
}

// encode makes one frame; body is a string or bytes.
export function encode(op, seq = 0, body = "") {
  const bytes = typeof body === "string" ? utf8.encode(body) : body;
  const out = new Uint8Array(HEADER + bytes.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, out.length);
  view.setUint16(4, HEADER);
  view.setUint16(6, VERSION);
  view.setUint32(8, op);
  view.setUint32(12, seq);
  out.set(bytes, HEADER);
  return out;
}

// frames yields the frames that bytes consist of; body is a view into bytes.
// Lengths are compared with what is there before anything is cut.
export function* frames(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.length - at;
    if (rest < HEADER) throw new FrameError(`${rest} bytes are no header`);
    const length = view.getUint32(at);
    if (length < HEADER || length > rest) throw new FrameError(`package length ${length} of ${rest} bytes`);
    if (view.getUint16(at + 4) !== HEADER) throw new FrameError(`header length ${view.getUint16(at + 4)}`);
    if (view.getUint16(at + 6) !== VERSION) throw new FrameError(`version ${view.getUint16(at + 6)}`);
    const body = bytes.subarray(at + HEADER, at + length);
    yield { op: view.getUint32(at + 8), seq: view.getUint32(at + 12), body, text: () => fromUTF8.decode(body) };
    at += length;
  }
}

// decode takes a WebSocket message, which is exactly one frame, and yields it,
// or what is in it if it is a batch.
export function* decode(bytes) {
  const [frame, ...more] = frames(bytes);
  if (!frame || more.length > 0) throw new FrameError("a message is exactly one frame");
  if (frame.op === Op.batch) yield* frames(frame.body);
  else yield frame;
}

// wait before try n (from 0): grows from base to max, and a random half of it
// is taken off, so that many links do not come back as one.
export function backoff(n, { base = 500, max = 30_000, factor = 1.6, random = Math.random } = {}) {
  const d = Math.min(max, base * factor ** n);
  return d / 2 + (d / 2) * random();
}

// Disconnect is why a link ended. retryMs is null where coming back is useless.
export class Disconnect extends Error {
  constructor(code, reason, retryMs) {
    super(`${reason || "connection lost"}${code ? ` (${code})` : ""}`);
    this.name = "Disconnect";
    Object.assign(this, { code, reason, retryMs });
  }
}

// RoomDenied: the link may not enter that room.
export class RoomDenied extends Error {
  constructor(room) {
    super(`not permitted to enter ${room}`);
    this.name = "RoomDenied";
    this.room = room;
  }
}

// Oort is one link that comes back by itself. Options:
//
//   addr       "ws://host:3102/sub", or a function that returns such addresses
//              (or a promise of them), asked before each try
//   mid, key, room, platform, accepts, token   who the link is
//   heartbeat  ms between heartbeats (30,000)
//   timeout    ms for the handshake, and of silence after a heartbeat (10,000)
//   backoff    {base, max, factor, random}
//
// A new link remembers nothing of what addAccepts and removeAccepts changed: say
// it again at each "open". The room is remembered.
//
// Events (what they carry is in `detail`):
//
//   state    "connecting" | "open" | "waiting" | "closed"
//   message  {op, seq, body, text()}; body is valid for as long as it is held
//   gap      {room, lane, skipped}: messages were dropped here (accept op 18)
//   online   how many are in the room
//   lost     {error: Disconnect, retryMs}: null when it does not come back
export class Oort extends EventTarget {
  #options;
  #state = "closed";
  #socket = null;
  #tries = 0;
  #openedAt = 0;
  #farewell = null; // what op 6 said
  #seq = 0;
  #calls = new Map(); // seq → {resolve, reject, op}
  #timers = { beat: 0, patience: 0, retry: 0 };
  #wake = null;

  constructor(options) {
    super();
    this.#options = { platform: "web", heartbeat: 30_000, timeout: 10_000, ...options };
  }

  get state() { return this.#state; }
  get room() { return this.#options.room ?? ""; }

  // open connects, now and again after each end, until close.
  open() {
    if (this.#state !== "closed") return;
    this.#tries = 0;
    this.#wake = new AbortController();
    const { signal } = this.#wake;
    document.addEventListener("visibilitychange", () => this.#awake(), { signal });
    addEventListener("online", () => this.#awake(), { signal });
    this.#connect();
  }

  // close ends the link for good; open starts anew.
  close() {
    if (this.#state === "closed") return;
    this.#wake.abort();
    this.#end(new Disconnect(0, "closed", null));
    this.#set("closed");
  }

  // retry ends a wait now.
  retry() {
    if (this.#state !== "waiting") return;
    clearTimeout(this.#timers.retry);
    this.#connect();
  }

  // changeRoom resolves when pushes of the new room arrive and of the old do
  // not. Without a link the room is that of the next one. It rejects with
  // RoomDenied, and the room stays what it was, if the token does not permit it.
  async changeRoom(room) {
    const old = this.#options.room;
    this.#options.room = room;
    if (this.#state !== "open") return;
    const { body } = await this.#call(Op.changeRoom, room);
    if (body.length === 0) return;
    if (this.#options.room === room) this.#options.room = old;
    throw new RoomDenied(room);
  }
  async addAccepts(...ops) { await this.#call(Op.addAccepts, ops.join(",")); }
  async removeAccepts(...ops) { await this.#call(Op.removeAccepts, ops.join(",")); }
  // send hands body to the application and resolves with its answer, bytes.
  async send(body) { return (await this.#call(Op.message, body)).body; }
  // heartbeat resolves with the online count.
  async heartbeat() { return online(await this.#call(Op.heartbeat)); }

  #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  #set(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#emit("state", state);
  }

  async #connect() {
    this.#set("connecting");
    const socket = (this.#socket = {}); // stands for this try until there is a real one
    try {
      const addr = await this.#address();
      if (this.#socket !== socket) return; // closed meanwhile
      this.#attach(new WebSocket(addr));
    } catch (error) {
      if (this.#socket === socket) this.#lost(new Disconnect(0, String(error.message ?? error)));
    }
  }

  async #address() {
    const { addr } = this.#options;
    if (typeof addr !== "function") return addr;
    const all = [].concat(await addr());
    if (all.length === 0) throw new Error("no address to connect to");
    return all[this.#tries % all.length];
  }

  #attach(socket) {
    this.#socket = socket;
    this.#farewell = null;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#login();
    socket.onmessage = (e) => this.#received(e.data);
    socket.onclose = (e) => this.#lost(this.#farewell ?? closed(e));
    this.#expectLife();
  }

  #login() {
    const { mid, key, platform, accepts, token } = this.#options;
    const { room } = this;
    const body = { mid, key: key ?? "", room_id: room, platform, accepts, token };
    this.#calls.set(++this.#seq, { op: Op.auth, resolve: () => this.#opened(room), reject: () => {} });
    this.#socket.send(encode(Op.auth, this.#seq, JSON.stringify(body)));
  }

  // opened: the link is in the room that its login named, which may not be the
  // room any more.
  #opened(room) {
    this.#openedAt = performance.now();
    if (this.room !== room) this.#send(Op.changeRoom, this.room).catch(() => {});
    this.#set("open");
    this.#beat();
  }

  #received(data) {
    clearTimeout(this.#timers.patience); // anything is a sign of life
    this.#timers.patience = 0;
    const socket = this.#socket;
    try {
      if (typeof data === "string") throw new FrameError("a text message");
      for (const frame of decode(new Uint8Array(data))) {
        if (this.#socket !== socket) return; // a listener has closed the link
        this.#dispatch(frame);
      }
    } catch (error) {
      if (!(error instanceof FrameError || error instanceof SyntaxError)) throw error;
      this.#lost(new Disconnect(0, `bad frame from the server: ${error.message}`));
    }
  }

  #dispatch(frame) {
    if (frame.op >= FIRST_PUSH) return this.#emit("message", frame);
    if (frame.op === Op.gap) return this.#emit("gap", JSON.parse(frame.text()));
    if (frame.op === Op.disconnect) {
      const { code, reason, retry_ms: retryMs } = JSON.parse(frame.text());
      this.#farewell = disconnect(code, reason, retryMs);
      return;
    }
    if (frame.op === Op.heartbeatReply) this.#emit("online", online(frame));
    const call = this.#calls.get(frame.seq);
    this.#calls.delete(frame.seq);
    if (!call) return;
    if (frame.op === call.op + 1) call.resolve(frame);
    else call.reject(new FrameError(`op ${frame.op} in reply to op ${call.op}`));
  }

  #call(op, body = "") {
    if (this.#state !== "open") return Promise.reject(new Disconnect(0, "not connected", null));
    return this.#send(op, body);
  }

  #send(op, body) {
    return new Promise((resolve, reject) => {
      this.#calls.set(++this.#seq, { op, resolve, reject });
      this.#socket.send(encode(op, this.#seq, body));
    });
  }

  // beat sends a heartbeat, and the next after it. The server must show life
  // within the timeout.
  #beat() {
    clearTimeout(this.#timers.beat);
    this.#call(Op.heartbeat).catch(() => {}); // the end of the link is told elsewhere
    this.#expectLife();
    this.#timers.beat = setTimeout(() => this.#beat(), this.#options.heartbeat);
  }

  // expectLife does not extend a patience that runs: the first heartbeat
  // without an answer counts, not the last.
  #expectLife() {
    this.#timers.patience ||= setTimeout(
      () => this.#lost(new Disconnect(0, "the server is silent")), this.#options.timeout);
  }

  // awake: the page is seen again, or the network is back. Timers of a hidden
  // page sleep, so look at once whether the link lives, or try at once.
  #awake() {
    if (document.visibilityState !== "visible") return;
    if (this.#state === "waiting" && !this.#farewell) this.retry();
    else if (this.#state === "open") this.#beat();
  }

  // lost ends this link and plans the next.
  #lost(error) {
    const lived = this.#state === "open" ? performance.now() - this.#openedAt : 0;
    this.#end(error);
    const final = error.retryMs === null;
    if (lived > 60_000) this.#tries = 0;
    const retryMs = final ? null : error.retryMs ?? backoff(this.#tries++, this.#options.backoff);
    if (final) this.#wake.abort();
    else this.#timers.retry = setTimeout(() => this.#connect(), retryMs);
    this.#set(final ? "closed" : "waiting");
    this.#emit("lost", { error, retryMs });
  }

  #end(error) {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = { beat: 0, patience: 0, retry: 0 };
    const socket = this.#socket;
    this.#socket = null;
    if (socket instanceof WebSocket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
  }
}

function online(frame) {
  const { body } = frame;
  return body.length < 4 ? 0 : new DataView(body.buffer, body.byteOffset).getInt32(0);
}

// disconnect: retryMs is the server's advice, undefined without, null for never.
function disconnect(code, reason, advice = FINAL.has(code) ? -1 : 0) {
  return new Disconnect(code, reason, advice < 0 ? null : advice || undefined);
}

// closed: a close code of the private range is the server's reason as well.
function closed(event) {
  if (event.code >= 3000 && event.code < 4000) return disconnect(event.code, event.reason);
  return new Disconnect(0, "");
}
