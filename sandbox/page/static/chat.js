// Who I am, where I am, and what is said there.

import { announce, arrows, avatar, button, drop, find, h, put, redraw } from "./dom.js";
import { fill, shown } from "./components.js";
import { all, me, perform, state, watch } from "./live.js";
import { settle } from "./modal.js";
import { speak, stamp } from "./time.js";

const LOADING = 1 << 7;
const MESSAGE_MENU = 3;

let here = null;
const listeners = [];
/** Calls `then` with the place when one goes elsewhere, or the place itself has changed. */
export const onPlace = (then) => listeners.push(then);
export const place = () => state.get(`place:${here}`);
export const locale = () => state.get("world")?.people.find((person) => person.key === me)?.locale;
export const translated = (thing, name) => thing[`${name}_localizations`]?.[locale()] ?? thing[name];

const slug = ({ server, name }) => (server ? (server === "Home" ? name : `${server}-${name}`) : "dm").toLowerCase();
const places = () => all("place:");
const messagesOf = (key) => all("message:").filter((message) => message.channel_id === key);

// Places ---------------------------------------------------------------------------------------------------------

function pings(key) {
  const read = localStorage.getItem(`read:${me}:${key}`) ?? "";
  return messagesOf(key).filter((message) => message.pinged && message.id > read).length;
}

function drawPlaces() {
  const groups = Map.groupBy(places(), ({ server }) => server ?? "Direct messages");
  let total = 0;
  const drawn = [...groups].map(([server, list]) => [
    h("h2", {}, server),
    h("ul", {}, list.map((each) => {
      const count = each.id === here && document.hasFocus() ? 0 : pings(each.id);
      total += count;
      const sign = h("span", { "aria-hidden": "true" }, each.server ? "#" : "@");
      const words = `${count} mention${count > 1 ? "s" : ""}`;
      const badge = count > 0 && h("span", { class: "badge", role: "img", "aria-label": words }, count);
      const current = each.id === here ? "page" : null;
      return h("li", {}, h("a", { href: `#${slug(each)}`, "aria-current": current }, sign, ` ${each.name}`, badge));
    })),
  ]);
  redraw(find("place-list"), () => find("place-list").replaceChildren(...drawn.flat()));
  document.title = `${total ? `(${total}) ` : ""}animate-bot sandbox`;
}

function go() {
  const wanted = places().find((each) => `#${slug(each)}` === location.hash) ?? places()[0];
  if (!wanted) return;
  if (wanted.id !== here) {
    here = wanted.id;
    find("messages").replaceChildren();
    messagesOf(here).forEach((message) => drawMessage(message, false));
    follow();
    document.body.classList.remove("places-open");
  }
  find("place-name").textContent = `${wanted.server ? "#" : "@"} ${wanted.name}`;
  find("place-note").textContent = wanted.note;
  find("welcome").hidden = wanted.id !== places()[0].id;
  see();
  listeners.forEach((then) => then(wanted));
}

/** What stands here has been read, where somebody looks at it. */
function see() {
  const newest = messagesOf(here).map(({ id }) => id).sort().at(-1);
  if (document.hasFocus() && newest) localStorage.setItem(`read:${me}:${here}`, newest);
  drawPlaces();
}

// People ---------------------------------------------------------------------------------------------------------

function about({ roles, owns, installed }) {
  const rank = owns ? "owner" : roles.join(", ") || "member";
  return installed ? `${rank} · installed the bot` : rank;
}

function become(key) {
  sessionStorage.setItem("chose", key);
  location.assign(address(key));
}

const address = (key) => `?as=${key}${location.hash}`;

function drawPeople() {
  const { people } = state.get("world");
  find("people").replaceChildren(...people.map((person) => {
    const { key, name } = person;
    const checked = key === me;
    const radio = h("input", { type: "radio", name: "who", value: key, checked, onchange: () => become(key) });
    const title = `Open another tab as ${name}`;
    return h("div", { class: "person" },
      h("label", {}, radio, avatar(name), h("span", {}, name, h("small", {}, about(person)))),
      h("a", { href: address(key), target: "_blank", title, "aria-label": title }, "↗"));
  }));
  if (sessionStorage.getItem("chose") === me) find("people").querySelector(":checked").focus(); // it was the keyboard's
  sessionStorage.removeItem("chose");
}

function drawLanguages() {
  const known = new Set();
  const collect = (thing) => {
    Object.keys({ ...thing.name_localizations, ...thing.description_localizations }).forEach((key) => known.add(key));
    [...(thing.options ?? []), ...(thing.choices ?? [])].forEach(collect);
  };
  places().flatMap((each) => each.commands).forEach(collect);
  const names = new Intl.DisplayNames("en", { type: "language" });
  const select = find("language").querySelector("select");
  find("language").hidden = !known.size;
  const option = (key) => h("option", { value: key, selected: key === locale() }, names.of(key));
  select.replaceChildren(...[...new Set(["en-US", ...known])].map(option));
  select.onchange = () => perform({ action: "speak", locale: select.value });
}

// Messages -------------------------------------------------------------------------------------------------------

const isMine = ({ author, interaction_metadata: used }) => (used?.user ?? author).id === state.get("world").me;
const nameOf = ({ global_name: name, username }) => name ?? username;

function above(message) {
  const { interaction_metadata: used, message_reference: reference } = message;
  const command = () => h("span", { class: "mention" }, `/${used.name}`);
  if (used?.name) return h("p", { class: "above" }, h("b", {}, nameOf(used.user)), " used ", command());
  const answered = state.get(`message:${reference?.message_id}`);
  const whom = answered ? nameOf(answered.author) : "a deleted message";
  return reference && h("p", { class: "above" }, "Reply to ", h("b", {}, whom));
}

function frame(message) {
  const { author, id } = message;
  const name = nameOf(author);
  const words = { class: "more icon", "aria-haspopup": "menu", "aria-label": `More for the message of ${name}` };
  const more = button("⋯", () => openMenu(id, more), words);
  const dismiss = () => perform({ action: "dismiss", message: id }).then(() => find("words").focus());
  const kinds = ["message", message.private && "private", message.pinged && "pinged"];
  const node = h("li", { class: kinds.filter(Boolean).join(" "), "data-message": id },
    above(message),
    avatar(name, author.bot),
    h("p", { class: "head" },
      h("b", {}, name),
      author.bot && h("span", { class: "tag" }, "APP"),
      stamp(Date.parse(message.timestamp) / 1000, "t"),
      h("small", { class: "edited", hidden: true }, "(edited)")),
    h("div", { class: "content" }),
    message.private && h("p", { class: "subtext" },
      "Only you can see this · ", button("Dismiss message", dismiss, { class: "plain" })),
    more);
  node.addEventListener("contextmenu", (event) => {
    if (event.target.closest("a, video, img")) return;
    event.preventDefault();
    openMenu(id, more);
  });
  return node;
}

function drawMessage(message, live) {
  const list = find("messages");
  let node = list.querySelector(`:scope > [data-key="${message.id}"]`);
  const isNew = !node;
  if (isNew) {
    put(list, message.id, message.id, (node = frame(message)));
    fresh = null;
  }
  const content = node.querySelector(".content");
  const heading = () => content.querySelector("h3")?.textContent;
  const before = heading();
  const parts = message.flags & LOADING ? [{ type: 10, content: "*is thinking …*" }] : shown(message);
  fill(content, parts, { message: message.id, live });
  node.querySelector(".edited").hidden = !message.edited_timestamp;
  if (live && isNew && isMine(message)) follow();
  const news = isNew || heading() !== before;
  if (live && news) announce(`${nameOf(message.author)}: ${heading() ?? content.innerText.slice(0, 200)}`);
}

function onMessages(keys) {
  const live = onMessages.began;
  onMessages.began = true;
  for (const key of keys) {
    const message = state.get(key);
    if (!message) drop(find("messages"), key.slice("message:".length));
    else if (message.channel_id === here) drawMessage(message, live);
  }
  see();
}

// Who is at the end stays there, whatever grows: messages, a card, a video once its size is known. Only one's own
// scrolling up ends that; what grows never moves the place that is looked at.
const scroll = find("scroll");
let follows = true;
let top = 0;
let fresh = null; // the video that was the last to come, while nothing was said after it

/** To the end; where that would cut a fresh video, so far that all of it stands there. */
function follow() {
  follows = true;
  const end = scroll.scrollHeight - scroll.clientHeight;
  const offset = scroll.scrollTop - scroll.getBoundingClientRect().top;
  const { top: upper, bottom } = fresh?.getBoundingClientRect() ?? {};
  scroll.scrollTop = upper + offset < end && bottom + offset > end ? upper + offset - 8 : end;
  top = scroll.scrollTop;
}

find("messages").addEventListener("loadedmetadata", ({ target }) => {
  fresh = target;
  if (follows) follow();
}, true);
scroll.addEventListener("scroll", () => {
  if (scroll.scrollTop === top) return; // by what follows
  const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
  follows = isAtEnd || (follows && scroll.scrollTop >= top);
  top = scroll.scrollTop;
});
const growth = new ResizeObserver(() => follows && follow());
[scroll, find("messages")].forEach((each) => growth.observe(each));

// The menu of a message ------------------------------------------------------------------------------------------

function openMenu(id, opener) {
  const menu = find("menu");
  const entry = (words, asked) => {
    const then = async () => {
      menu.hidePopover();
      settle(await perform({ message: id, ...asked }));
    };
    return button(words, then, { role: "menuitem", tabindex: "-1" });
  };
  const commands = place().commands.filter(({ type }) => type === MESSAGE_MENU);
  menu.replaceChildren(
    ...commands.map((command) => entry(translated(command, "name"), { action: "menu", command: command.name })),
    entry("Delete message (as a moderator)", { action: "delete" }));
  menu.onkeydown = (event) => arrows(event, [...menu.children], (node) => node.focus());
  menu.ontoggle = ({ newState }) => newState === "closed" && document.activeElement === document.body && opener.focus();
  menu.showPopover();
  const { right, bottom } = opener.getBoundingClientRect();
  menu.style.left = `${Math.max(8, right - menu.offsetWidth)}px`;
  menu.style.top = `${Math.min(bottom, innerHeight - menu.offsetHeight - 8)}px`;
  menu.firstElementChild.focus();
}

watch("world", () => (speak(locale()), drawPeople()));
watch("place:", () => (go(), drawLanguages()));
watch("message:", onMessages);
addEventListener("hashchange", () => (go(), drawPeople()));
addEventListener("focus", see);
