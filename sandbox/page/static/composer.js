// Where one writes: messages with files, and commands after a slash.

import { button, find, h, notice } from "./dom.js";
import { onPlace, place, translated } from "./chat.js";
import { field, samplePicture, thingsFor, tooBig } from "./fields.js";
import { all, perform, state, watch } from "./live.js";
import { settle } from "./modal.js";

const SUBCOMMAND = 1;
const GROUP = 2;
const KINDS = { 3: "string", 4: "integer", 5: "boolean", 10: "number" };
const THINGS = { 6: 5, 7: 8, 8: 6, 9: 7 }; // an option's type → that of the select with the same choices
const PROMPT = "The cat blinks, puts on a hat and looks at the sunset";
const LONG = 100;

const words = find("words");
const popup = find("commands");
let offered = []; // what the popup shows
let at = 0;
let form = null; // the command that is being filled in: {leaf, fields}
const attached = field({ name: "files", label: "Files", kind: "files", max: 10 });

// Commands -------------------------------------------------------------------------------------------------------

/** Every command that can be used here, subcommands by their whole name. */
function leaves() {
  const flat = (command, path, shown) => {
    const [own, seen] = [[...path, command.name], [...shown, translated(command, "name")]];
    const inner = (command.options ?? []).filter(({ type }) => type === SUBCOMMAND || type === GROUP);
    if (inner.length) return inner.flatMap((one) => flat(one, own, seen));
    const description = translated(command, "description");
    return [{ name: own.join(" "), shown: seen.join(" "), description, options: command.options ?? [] }];
  };
  return (place()?.commands ?? []).filter(({ type }) => type === 1).flatMap((command) => flat(command, [], []));
}

function suggest() {
  const text = words.value;
  const typed = text.startsWith("/") && !text.includes("\n") ? text.slice(1).toLowerCase() : null;
  const fits = ({ shown }) => typed.split(" ").every((part) => shown.includes(part));
  offered = typed === null ? [] : leaves().filter(fits);
  at = 0;
  popup.hidden = typed === null;
  const none = h("li", { role: "option", "aria-disabled": "true" }, "There is no such command here.");
  popup.replaceChildren(...(offered.length ? offered.map(line) : [none]));
  point();
}

function line(leaf, number) {
  const words = [h("b", {}, `/${leaf.shown}`), h("span", {}, leaf.description)];
  return h("li", { role: "option", id: `command-${number}`, onclick: () => start(leaf) }, words);
}

function point() {
  const there = offered.length > 0 && !popup.hidden;
  [...popup.children].forEach((node, number) => node.setAttribute("aria-selected", String(there && number === at)));
  if (there) words.setAttribute("aria-activedescendant", `command-${at}`);
  else words.removeAttribute("aria-activedescendant");
  if (there) popup.children[at].scrollIntoView({ block: "nearest" });
}

function kindOf(option, list) {
  if (option.autocomplete) return "suggested";
  if (option.type === 11) return "files";
  if (list) return "choice";
  return option.type === 3 ? (option.max_length > LONG ? "paragraph" : "line") : KINDS[option.type];
}

/** What the bot offers for an option, given what stands in the others. */
function suggestions(option, typed) {
  const options = { ...filledIn(), [option.name]: typed };
  const asked = { action: "complete", place: place().id, command: form.leaf.name, option: option.name, options };
  return perform(asked);
}

function filledIn() {
  const given = form.fields.filter((one) => !one.files && one.value() !== undefined && one.value() !== "");
  return Object.fromEntries(given.map((one) => [one.name, one.value()]));
}

function wanted(option) {
  const choices = option.choices?.map((one) => ({ value: one.value, label: translated(one, "name") }));
  const truth = option.type === 5 && [{ value: true, label: "True" }, { value: false, label: "False" }];
  const list = choices ?? (truth || thingsFor(THINGS[option.type]));
  return {
    name: option.name,
    label: translated(option, "name"),
    description: translated(option, "description"),
    required: option.required,
    of: KINDS[option.type] ?? "thing",
    kind: kindOf(option, list),
    suggest: (typed) => suggestions(option, typed),
    min: option.type === 3 ? (option.min_length ?? 1) : option.min_value,
    max: option.type === 3 ? option.max_length : option.type === 11 || list ? 1 : option.max_value,
    choices: list,
    types: option.file_types,
    limit: place().limit,
  };
}

/** Opens the fields of a command; `given` are values by option. */
function start(leaf, given = {}) {
  const box = h("div", { class: "fields" });
  const more = h("div", { class: "row" });
  form = { leaf, fields: [] };
  const add = (option, focus) => {
    const one = field({ ...wanted(option), value: given[option.name] });
    form.fields.push(one);
    box.append(one.node);
    if (focus) one.focus();
    return one;
  };
  for (const option of leaf.options) {
    if (option.required) add(option);
    else more.append(adder(option, () => add(option, true)));
  }
  find("command").replaceChildren(
    h(
      "p",
      { class: "leaf" },
      h("b", {}, `/${leaf.shown}`),
      ` ${leaf.description}`,
      button("✕", leave, { class: "icon", "aria-label": `Leave /${leaf.shown}` }),
    ),
    box,
    more,
  );
  words.value = "";
  suggest();
  toggle(true);
  (form.fields[0] ?? { focus: () => find("send").focus() }).focus();
}

function adder(option, add) {
  const then = (event) => {
    event.target.remove();
    add();
  };
  return button(`+ ${translated(option, "name")}`, then, { class: "chip", title: translated(option, "description") });
}

function leave() {
  form = null;
  find("first").hidden = true;
  find("command").replaceChildren();
  toggle(false);
  words.focus();
}

function toggle(filling) {
  find("command").hidden = !filling;
  words.hidden = filling;
  find("attach").hidden = filling;
  find("composer").classList.toggle("filling", filling);
}

/** “@mia” as Discord sends it. */
function mentioning(text) {
  const { people, roles } = state.get("world");
  const named = (name, list) => list.find((one) => one.name.toLowerCase() === name.toLowerCase());
  return text.replace(/(?<!\S)@(\w+)/g, (typed, name) => {
    const [person, role] = [named(name, people), named(name, roles)];
    return person ? `<@${person.id}>` : role ? `<@&${role.id}>` : typed;
  });
}

// Sending --------------------------------------------------------------------------------------------------------

async function send() {
  if (form) return sendCommand();
  if (words.value.startsWith("/") && offered.length) return start(offered[at]);
  if (words.value.startsWith("/")) return notice("There is no such command here. Type / to see all commands.");
  const files = attached.files();
  if (!words.value.trim() && !files.length) return;
  if (!place().writable) return notice("You cannot write in this channel.");
  if (files.some((file) => file.size > place().limit)) return notice(tooBig(place().limit));
  const answer = await perform({ action: "post", place: place().id, content: mentioning(words.value) }, { files });
  settle(answer);
  if (answer.error) return;
  words.value = "";
  hold([]);
  grow();
}

async function sendCommand() {
  const { leaf, fields } = form;
  const faulty = fields.filter((one) => one.check());
  if (faulty.length) return faulty[0].focus();
  const options = filledIn();
  const files = Object.fromEntries(fields.filter((one) => one.files).map((one) => [one.name, one.files()]));
  find("send").setAttribute("aria-busy", "true");
  const answer = await perform({ action: "invoke", place: place().id, command: leaf.name, options }, files);
  find("send").removeAttribute("aria-busy");
  if (!answer.error) leave();
  settle(answer);
}

// Files and keys -------------------------------------------------------------------------------------------------

function hold(files) {
  attached.hold(files);
  find("attached").replaceChildren(...(files.length ? [attached.node] : []));
}

/** Files that are dropped or pasted anywhere go into the field that takes some, else to the message. */
function take(files, event) {
  if (!files.length || find("modal").open) return;
  event.preventDefault();
  const open = form?.fields.find((one) => one.files);
  if (open) open.add(files);
  else if (!form) hold([...attached.files(), ...files]);
}

const grow = () => {
  words.style.height = "auto";
  words.style.height = `${Math.min(words.scrollHeight, 200)}px`;
};

watch("world", () => popup.hidden || suggest()); // another language
words.addEventListener("input", () => (suggest(), grow()));
words.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!popup.hidden && offered.length && step) {
    event.preventDefault();
    at = (at + step + offered.length) % offered.length;
    point();
  } else if (!popup.hidden && event.key === "Tab" && offered.length && !event.shiftKey) {
    event.preventDefault();
    start(offered[at]);
  } else if (!popup.hidden && event.key === "Escape") {
    words.value = "";
    suggest();
  }
});
find("composer").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && event.target.localName === "textarea") {
    event.preventDefault();
    send();
  } else if (event.key === "Escape" && form) leave();
});
find("composer").addEventListener("submit", (event) => (event.preventDefault(), send()));
find("attach").addEventListener("click", () => {
  const pick = h("input", { type: "file", multiple: true });
  pick.addEventListener("change", () => hold([...attached.files(), ...pick.files]));
  pick.click();
});
addEventListener("paste", (event) => take([...event.clipboardData.files], event));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => take([...event.dataTransfer.files], event));

// The first look -------------------------------------------------------------------------------------------------

let was = null;
onPlace(async (there) => {
  words.placeholder = `Message ${there.server ? "#" : "@"}${there.name} – / for commands`;
  const moved = was !== there.id;
  if (moved && was !== null && form) leave();
  const animate = leaves().find(({ name }) => name === "animate");
  const empty = !all("message:").some((message) => message.channel_id === there.id);
  if (welcomed || form || !animate || !empty || find("welcome").hidden) return void (was = there.id);
  welcomed = true;
  was = there.id;
  const picture = await samplePicture();
  if (form || words.value || place().id !== there.id) return; // somebody was faster
  start(animate, { prompt: PROMPT });
  form.fields.find((one) => one.files)?.add([picture]);
  find("first").hidden = false;
  find("send").focus();
});
let welcomed = false;
