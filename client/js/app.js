// app.js: the live-room page. It joins a room by oort.js, shows what arrives,
// and speaks through the push API of the server that it came from.

import { Oort, RoomDenied } from "./oort.js";
import { Feed } from "./feed.js";
import { Meter, readable } from "./meter.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

// What the reader set. Secrets live in this tab only.
const settings = {
  name: localStorage.getItem("oort.name") ?? "",
  mid: Number(localStorage.getItem("oort.mid") ?? 0),
  op: Number(localStorage.getItem("oort.op") ?? 1000),
  ws: query.get("ws") ?? "",
  bearer: sessionStorage.getItem("oort.bearer") ?? "",
  token: sessionStorage.getItem("oort.token") ?? "",
};

let room = query.get("room") ?? "live://1000";
let link = null;
let received = 0;
let dropped = 0;
let retryAt = 0;

const meter = new Meter();
const feed = new Feed({ list: $("log"), scroller: $("scroll"), onMissed: showMissed });

// --- where to connect -------------------------------------------------------

const LOCAL = new Set(["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]"]);

// addresses asks the server where its comets are. A server that listens on
// loopback or everywhere is meant to be found at this page's own host.
async function addresses() {
  if (settings.ws) return settings.ws;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const usual = `${scheme}://${location.hostname}:3102/sub`;
  try {
    const reply = await fetch("goim/nodes/weighted?platform=web", { headers: authorization(), cache: "no-store" });
    const { code, data } = await reply.json();
    if (code !== 0 || !data?.nodes?.length) return usual;
    const port = scheme === "wss" ? data.wss_port : data.ws_port;
    return data.nodes.map((node) => address(scheme, node, port));
  } catch {
    return usual;
  }
}

function address(scheme, node, port) {
  const hasPort = /:\d+$/.test(node) && (node.startsWith("[") || node.split(":").length === 2);
  const url = new URL(`${scheme}://${hasPort ? node : `${node}:${port}`}/sub`);
  if (LOCAL.has(url.hostname)) url.hostname = location.hostname;
  return url.href;
}

function authorization() {
  return settings.bearer ? { Authorization: `Bearer ${settings.bearer}` } : {};
}

// --- the link ---------------------------------------------------------------

function connect() {
  link?.close();
  link = new Oort({
    addr: addresses, room, mid: settings.mid || undefined, token: settings.token || undefined,
    heartbeat: 10_000,
  });
  link.addEventListener("state", showState);
  link.addEventListener("message", (e) => receive(e.detail));
  link.addEventListener("gap", (e) => gap(e.detail));
  link.addEventListener("online", (e) => { $("online").textContent = readable(e.detail); });
  link.addEventListener("lost", (e) => lost(e.detail));
  link.open();
}

// enter shows the room and joins it, by a change of room where there is a link.
async function enter(next) {
  room = next;
  $("room").value = room;
  $("empty-room").textContent = room;
  $("curl").textContent = `curl -d 'hello' '${location.origin}/goim/push/room?${target()}'`;
  document.title = `${room} · oort`;
  query.set("room", room);
  history.replaceState(null, "", `?${query}`);
  feed.clear();
  received = dropped = 0;
  $("online").textContent = "–";
  showCounts();
  notice("");
  if (link?.state !== "open") return connect();
  try {
    await link.changeRoom(room);
    await link.heartbeat();
  } catch (error) { // the end of the link is told by its event
    if (error instanceof RoomDenied) notice(error.message);
  }
}

const STATES = { connecting: "connecting", open: "live", waiting: "reconnecting", closed: "not connected" };

function showState() {
  const { state } = link;
  $("state").dataset.state = state;
  $("state-text").textContent = STATES[state];
  if (state === "open") {
    notice("");
    link.addAccepts(18).catch(() => {}); // gap markers
  }
  if (state !== "open") $("online").textContent = "–";
}

function lost({ error, retryMs }) {
  if (retryMs === null) return notice(`The server ended this link: ${error.message}.`, "Join again", connect);
  retryAt = performance.now() + retryMs;
  notice(`${capital(error.message)}.`, "Retry now", () => link.retry());
  countDown();
}

function countDown() {
  if (link?.state !== "waiting") return;
  const seconds = Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
  $("state-text").textContent = seconds > 0 ? `reconnecting in ${seconds} s` : STATES.waiting;
}

// --- what arrives -----------------------------------------------------------

function receive(message) {
  received++;
  $("empty").hidden = true;
  meter.count();
  const at = new Date();
  feed.add(() => draw(message, at));
}

function gap({ lane, skipped }) {
  dropped += skipped;
  $("empty").hidden = true;
  feed.add(() => {
    const li = element("li", "gap");
    li.textContent = `${skipped} messages of lane ${lane} were dropped here`;
    return li;
  });
}

// draw makes the element of a message. Everything in it is text, never markup.
function draw({ op, body, text }, at) {
  const { name, words, raw } = interpret(body, text);
  const li = element("li", raw ? "message raw" : "message");
  if (name && name === settings.name) li.classList.add("own");
  const badge = element("span", "badge", name ? [...name][0].toUpperCase() : "");
  badge.ariaHidden = "true";
  if (name) badge.style.setProperty("--hue", hue(name));
  else badge.classList.add("anonymous");
  const when = element("time", "", time.format(at));
  when.dateTime = at.toISOString();
  const head = element("span", "head");
  head.append(element("b", "", name || "anonymous"), element("span", "op", `op ${op}`), when);
  li.append(badge, head, element("span", "words", words));
  return li;
}

// interpret knows the JSON that this page sends; other text is shown as it is.
function interpret(body, text) {
  const words = text();
  if (body[0] !== 0x7b) return { words };
  try {
    const value = JSON.parse(words);
    if (typeof value.text === "string") {
      return { name: typeof value.name === "string" ? value.name.slice(0, 24) : "", words: value.text };
    }
  } catch { /* not JSON after all */ }
  return { words, raw: true };
}

function hue(name) {
  let h = 0;
  for (const c of name) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// --- saying something -------------------------------------------------------

function target() {
  const [type, id] = room.split("://");
  return new URLSearchParams({ operation: settings.op, type, room: id });
}

async function say(words) {
  const body = settings.name ? JSON.stringify({ name: settings.name, text: words }) : words;
  const reply = await fetch(`goim/push/room?${target()}`, {
    method: "POST", body, headers: { "Content-Type": "text/plain; charset=utf-8", ...authorization() },
  });
  if (reply.status === 401 || reply.status === 403) throw new Error("the push API wants a bearer key");
  const answer = await reply.json().catch(() => ({}));
  if (!reply.ok || answer.code !== 0) throw new Error(answer.message || `HTTP ${reply.status}`);
}

async function submit(event) {
  event.preventDefault();
  const words = $("text").value.trim();
  if (!words) return;
  $("send").disabled = true;
  try {
    await say(words);
    $("text").value = "";
    if (link?.state === "open") notice("");
    feed.toEnd();
  } catch (error) {
    notice(`Not sent: ${error.message}.`, "Settings", openSettings);
  } finally {
    $("send").disabled = false;
    $("text").focus();
  }
}

// --- the rest of the page ---------------------------------------------------

function notice(words, action = "", act = null) {
  $("notice").hidden = !words;
  $("notice-text").textContent = words;
  $("notice-action").hidden = !action;
  $("notice-action").textContent = action;
  $("notice-action").onclick = act;
}

function capital(words) { return words.charAt(0).toUpperCase() + words.slice(1); }

function showMissed(n) {
  $("latest").hidden = n === 0;
  $("latest").textContent = `↓ ${readable(n)} new`;
}

function showCounts() {
  $("received").textContent = readable(received);
  $("dropped").textContent = readable(dropped);
  $("empty").hidden = received + dropped > 0;
  $("rate").textContent = readable(Math.round(meter.rate * 10) / 10);
}

function openSettings() {
  const form = $("settings-form").elements;
  for (const [name, value] of Object.entries(settings)) form[name].value = value || "";
  $("settings").showModal();
}

function saveSettings() {
  if ($("settings").returnValue !== "save") return;
  const form = $("settings-form").elements;
  const before = JSON.stringify([settings.mid, settings.ws, settings.token]);
  Object.assign(settings, {
    name: form.name.value.trim(), mid: Number(form.mid.value), op: Number(form.op.value),
    ws: form.ws.value.trim(), bearer: form.bearer.value.trim(), token: form.token.value.trim(),
  });
  for (const name of ["name", "mid", "op"]) localStorage.setItem(`oort.${name}`, settings[name]);
  for (const name of ["bearer", "token"]) sessionStorage.setItem(`oort.${name}`, settings[name]);
  if (JSON.stringify([settings.mid, settings.ws, settings.token]) !== before) link?.close();
  enter(room);
}

// copy selects the command too: without TLS a page has no clipboard.
async function copy() {
  getSelection().selectAllChildren($("curl"));
  await navigator.clipboard?.writeText($("curl").textContent).catch(() => {});
  if (navigator.clipboard) $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
}

// each second: numbers, the line, and what a screen reader is told.
function second() {
  meter.tick();
  meter.draw($("spark"));
  showCounts();
  countDown();
  $("log").ariaLive = meter.rate > 2 ? "off" : "polite"; // nobody listens that fast
}

$("join").addEventListener("submit", (e) => { e.preventDefault(); enter($("room").value.trim()); });
$("compose").addEventListener("submit", submit);
$("latest").addEventListener("click", () => feed.toEnd());
$("open-settings").addEventListener("click", openSettings);
$("settings").addEventListener("close", saveSettings);
$("copy").addEventListener("click", copy);
setInterval(second, 1000);
enter(room);
