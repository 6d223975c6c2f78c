// Faults to inject, and what happened: jobs, requests, ledger and log.

import { arrows, button, drop, find, h, notice, put, redraw } from "./dom.js";
import { perform, state, watch } from "./live.js";
import { clock } from "./time.js";

const change = async (what, to) => {
  const { error } = await perform({ action: "inject", what, to });
  notice(error ?? "");
};

// Faults ---------------------------------------------------------------------------------------------------------

function conditions(name, legend, faults) {
  const choices = faults.choices[name];
  const chosen = choices.find(({ id }) => id === faults[name]);
  return h("fieldset", { class: "conditions" }, h("legend", {}, legend),
    choices.map(({ id, label, meaning }) => {
      const checked = id === faults[name];
      const radio = h("input", { type: "radio", name, value: id, checked, onchange: () => change(name, id) });
      return h("label", { title: meaning }, radio, label);
    }),
    h("p", { class: "hint" }, chosen?.meaning));
}

const REAL = "Videos are made by a real provider and cost real money. You cannot inject faults there.";
const BOT = {
  online: ({ pid }) => (pid ? `online, process ${pid}` : "online"),
  starting: () => "starting …",
  stopped: ({ code }) => (code < 0 ? `killed by signal ${-code}` : code ? `ended with exit code ${code}` : "stopped"),
  none: () => "not connected",
};

function drawFaults() {
  const faults = state.get("faults");
  const { bot } = faults;
  const words = BOT[bot.state](bot);
  const light = find("bot-light");
  light.dataset.state = bot.state;
  const short = `Bot ${bot.state === "stopped" || bot.state === "none" ? words : bot.state}`;
  if (light.textContent !== short) light.textContent = short;
  const doing = (words, what, to, disabled = false) => button(words, () => change(what, to), { disabled });
  const off = bot.state !== "online";
  const start = bot.state === "stopped" ? doing("Start", "bot", "start") : doing("Restart", "bot", "restart", off);
  redraw(find("faults"), () => find("faults").replaceChildren(
    ...(faults.real
      ? [h("p", { class: "hint" }, REAL)]
      : [conditions("provider", "Video service", faults), conditions("api", "API of the video service", faults)]),
    conditions("discord", "Discord", faults),
    h("div", { class: "row" }, doing("Drop the gateway", "gateway", "now"), doing("Expire all tokens", "tokens", "now")),
    h("div", { class: "row" },
      h("span", { class: "hint" }, `Bot: ${words}`), ...(bot.own ? [start, doing("Kill", "bot", "kill", off)] : []))));
}

// Activity -------------------------------------------------------------------------------------------------------

function drawJob(job) {
  const over = ["done", "failed", "cancelled"].includes(job.state);
  const status = h("b", { class: `is-${job.state}` }, job.state);
  const end = (words, what) =>
    button(words, () => change(what, job.id), { class: "chip", "aria-label": `${words} ${job.id}` });
  const progress = h("progress", { max: 100, value: job.progress, "aria-label": `Progress of ${job.id}` });
  return h("li", { class: "job" },
    h("p", {}, status, ` ${job.what}`, h("time", {}, clock(job.at))),
    h("p", { class: "hint" }, job.prompt),
    job.error && h("p", { class: "hint" }, job.error),
    !over && h("div", { class: "row" }, progress, end("Finish", "finish"), end("Fail", "fail")));
}

const short = (path) => path.replace(/\{\w+\}/g, "…").replace(/([\w-]{10})[\w-]{12,}/g, "$1…");

function drawRequest(request) {
  const wrong = request.faults.length > 0;
  const mark = !request.over ? "…" : wrong ? "✗" : "✓";
  const title = !request.over ? "In progress" : wrong ? "Against the published API" : "Fits the published API";
  const status = !request.over ? "in progress" : request.status || "cut";
  return h("li", { class: `request ${wrong ? "wrong" : ""}` },
    h("p", {},
      h("span", { class: "mark", role: "img", title, "aria-label": title }, mark),
      h("b", { class: request.status >= 400 || status === "cut" ? "bad" : "" }, status),
      ` ${request.method} `, h("span", { class: "path" }, short(request.path))),
    h("p", { class: "hint" }, [clock(request.at), request.to, request.played].filter(Boolean).join(" · ")),
    request.faults.map((fault) => h("p", { class: "fault" }, fault)));
}

/** A list that follows its keys, newest first. */
function follow(prefix, list, draw, order) {
  watch(prefix, (keys) => {
    for (const key of keys) {
      const value = state.get(key);
      if (value) put(list, key, order(value), draw(value));
      else drop(list, key);
    }
  });
}

function drawLedger() {
  const lines = state.get("ledger");
  const { people, roles } = state.get("world");
  const name = (key) => [...people, ...roles].find(({ id }) => id === key)?.name ?? "";
  const row = ({ at, kind, member, role, credits, key, actor, reason }) => {
    const why = [actor && actor !== member && `by ${name(actor)}`, reason].filter(Boolean).join(": ");
    const cells = [clock(at / 1000), kind, name(member ?? role), credits > 0 ? `+${credits}` : credits, key ?? "", why];
    return h("tr", {}, cells.map((cell) => h("td", {}, cell)));
  };
  const head = ["Time", "What", "Who", "Credits", "Video", "Why"].map((words) => h("th", { scope: "col" }, words));
  find("ledger").replaceChildren(
    lines === null ? h("p", { class: "empty" }, "The bot’s ledger cannot be read.")
      : !lines.length ? h("p", { class: "empty" }, "No credits were used yet.")
      : h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines.map(row))));
}

function drawLog() {
  const panel = find("log");
  const atEnd = panel.scrollHeight - panel.scrollTop - panel.clientHeight < 60;
  panel.firstElementChild.textContent = state.get("log") || "The bot has not written anything yet.";
  if (atEnd) panel.scrollTop = panel.scrollHeight;
}

const tabs = [...document.querySelectorAll("[role=tab]")];
function show(tab) {
  for (const one of tabs) {
    one.setAttribute("aria-selected", one === tab ? "true" : "false");
    one.tabIndex = one === tab ? 0 : -1;
    find(one.getAttribute("aria-controls")).hidden = one !== tab;
  }
  sessionStorage.setItem("tab", tab.id);
  if (tab.id === "tab-log") find("log").scrollTop = find("log").scrollHeight;
}
for (const tab of tabs) {
  tab.addEventListener("click", () => show(tab));
  tab.addEventListener("keydown", (event) => arrows(event, tabs, (to) => (show(to), to.focus())));
}
show(find(sessionStorage.getItem("tab")) ?? tabs[0]);
find("only-wrong").addEventListener("change", ({ target }) => {
  find("requests").classList.toggle("only-wrong", target.checked);
});

watch("faults", drawFaults);
follow("job:", find("jobs").querySelector("ol"), drawJob, ({ at }) => String(1e12 - Math.round(at * 100)));
follow("request:", find("requests").querySelector("ol"), drawRequest, ({ number }) => String(1e9 - number));
watch("ledger", drawLedger);
watch("log", drawLog);
