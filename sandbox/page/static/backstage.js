// The weather, and what happened.

import { arrows, drop, find, h, notice, put, redraw } from "./dom.js";
import { act, state, watch } from "./live.js";
import { clock } from "./time.js";

const change = async (what, to) => {
  const { error } = await act({ do: "weather", what, to });
  notice(error ?? "");
};

// Weather --------------------------------------------------------------------------------------------------------

function skies(name, legend, weather) {
  const choices = weather.skies[name];
  const chosen = choices.find(({ id }) => id === weather[name]);
  return h("fieldset", { class: "skies" }, h("legend", {}, legend),
    choices.map(({ id, label, meaning }) =>
      h("label", { title: meaning }, h("input", { type: "radio", name, value: id, checked: id === weather[name], onchange: () => change(name, id) }), label)),
    h("p", { class: "hint" }, chosen.meaning));
}

const BOT = {
  online: ({ pid }) => (pid ? `online, process ${pid}` : "online"),
  starting: () => "starting …",
  stopped: ({ code }) => (code === 0 ? "stopped" : code < 0 ? `killed by signal ${-code}` : `ended with exit code ${code}`),
  none: () => "not connected",
};

function drawWeather() {
  const weather = state.get("weather");
  const { bot } = weather;
  const words = BOT[bot.state](bot);
  const light = find("bot-light");
  light.dataset.state = bot.state;
  const short = `Bot ${bot.state === "stopped" || bot.state === "none" ? words : bot.state}`;
  if (light.textContent !== short) light.textContent = short;
  const button = (words, what, to, disabled) => h("button", { type: "button", disabled, onclick: () => change(what, to) }, words);
  redraw(find("weather"), () => find("weather").replaceChildren(
    weather.real ? h("p", { class: "hint" }, "Videos come from a real service and cost real money; its weather is its own.") : skies("provider", "Video service", weather),
    skies("discord", "Discord", weather),
    h("div", { class: "row" }, button("Drop the gateway", "gateway", "now"), button("Kill all tokens", "tokens", "now")),
    h("div", { class: "row" }, h("span", { class: "hint" }, `Bot: ${words}`),
      bot.own && (bot.state === "stopped" ? button("Start", "bot", "start") : button("Restart", "bot", "restart", bot.state !== "online")),
      bot.own && button("Kill", "bot", "kill", bot.state !== "online"))));
}

// What happened --------------------------------------------------------------------------------------------------

function drawJob(job) {
  const over = job.status === "completed" || job.status === "failed";
  const end = (words, what) => h("button", { type: "button", class: "chip", "aria-label": `${words} ${job.id}`, onclick: () => change(what, job.id) }, words);
  return h("li", { class: "job" },
    h("p", {}, h("b", { class: `is-${job.status}` }, job.status.replace("_", " ")), ` ${job.what}`, h("time", {}, clock(job.at))),
    h("p", { class: "hint" }, job.prompt),
    over ? job.error && h("p", { class: "hint" }, job.error) : h("div", { class: "row" }, h("progress", { max: 100, value: job.progress, "aria-label": `Progress of ${job.id}` }), end("Finish", "finish"), end("Fail", "fail")));
}

const short = (path) => path.replace(/\{\w+\}/g, "…").replace(/([\w-]{10})[\w-]{12,}/g, "$1…");

function drawRequest(request) {
  const wrong = request.faults.length > 0;
  const mark = !request.over ? "…" : wrong ? "✗" : "✓";
  const status = !request.over ? "under way" : request.status || "cut";
  return h("li", { class: `request ${wrong ? "wrong" : ""}` },
    h("p", {},
      h("span", { class: "mark", title: wrong ? "Not as the contract has it" : "As the contract has it", "aria-label": wrong ? "Against the contract" : "Fits the contract", role: "img" }, mark),
      h("b", { class: request.status >= 400 || status === "cut" ? "bad" : "" }, status),
      ` ${request.method} `, h("span", { class: "path" }, short(request.path))),
    h("p", { class: "hint" }, `${clock(request.at)} · ${request.to}${request.played ? ` · weather: ${request.played}` : ""}`),
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
  const row = (line) => h("tr", {},
    [clock(line.at / 1000), line.kind, name(line.member ?? line.role), line.credits > 0 ? `+${line.credits}` : line.credits, line.key ?? "", [line.actor && line.actor !== line.member && `by ${name(line.actor)}`, line.reason].filter(Boolean).join(": ")]
      .map((cell) => h("td", {}, cell)));
  const head = ["Time", "What", "Whose", "Credits", "Clip", "Why"].map((words) => h("th", { scope: "col" }, words));
  find("ledger").replaceChildren(
    lines === null ? h("p", { class: "empty" }, "There is no ledger of the bot’s here.")
      : !lines.length ? h("p", { class: "empty" }, "No credits have moved yet.")
      : h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines.map(row))));
}

function drawLog() {
  const panel = find("log");
  const atEnd = panel.scrollHeight - panel.scrollTop - panel.clientHeight < 60;
  panel.firstElementChild.textContent = state.get("log") || "The bot has written nothing yet.";
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
find("only-wrong").addEventListener("change", ({ target }) => find("requests").classList.toggle("only-wrong", target.checked));

watch("weather", drawWeather);
follow("job:", find("jobs").querySelector("ol"), drawJob, ({ at }) => String(1e12 - Math.round(at * 100)));
follow("request:", find("requests").querySelector("ol"), drawRequest, ({ number }) => String(1e9 - number));
watch("ledger", drawLedger);
watch("log", drawLog);
