// A field to fill in, of a command or of a modal, with the checks that Discord's client makes.

import { button, h } from "./dom.js";
import { all, state } from "./live.js";

const CHOICE_VALUES = { integer: Number, number: Number, boolean: (value) => value === "true" };
const MIB = 1024 * 1024;
let count = 0;

/** The people, roles or channels that a select of Discord's offers. */
export function thingsFor(type) {
  const world = state.get("world");
  const people = world.people.map(({ id, name }) => ({ value: id, label: `@${name}` }));
  const roles = world.roles.map(({ id, name }) => ({ value: id, label: name.startsWith("@") ? name : `@${name}` }));
  const places = all("place:").filter((place) => place.server);
  const channels = places.map(({ id, name }) => ({ value: id, label: `#${name}` }));
  return { 5: people, 6: roles, 7: [...people, ...roles], 8: channels }[type];
}

/**
 * Of `{name, label, description, kind, required, min, max, choices, types, limit, value, placeholder}`; `kind` is line,
 * paragraph, integer, number, boolean, choice or files. Returns node, value, files (where it holds some), check, focus.
 */
export function field(spec) {
  const id = `field-${++count}`;
  const wrong = h("p", { class: "wrong", id: `${id}-wrong` });
  const hint = spec.description && h("p", { class: "hint", id: `${id}-hint` }, spec.description);
  const made = (BUILDERS[spec.kind] ?? typed)(spec, {
    id,
    "aria-required": spec.required ? "true" : null,
    "aria-describedby": `${hint ? `${id}-hint ` : ""}${id}-wrong`,
  });
  const check = () => {
    const fault = made.fault();
    wrong.textContent = fault;
    made.control.setAttribute("aria-invalid", fault ? "true" : "false");
    return fault;
  };
  made.control.addEventListener("change", () => wrong.textContent && check());
  const star = spec.required && h("span", { class: "needed", "aria-hidden": "true" }, " *");
  const label = h("label", { for: id }, spec.label, star);
  const node = h("div", { class: "field", "data-name": spec.name }, label, hint, made.node ?? made.control, wrong);
  return { name: spec.name, focus: () => made.control.focus(), ...made, node, check };
}

const NEEDED = "This is required. Specify a value.";

function typed(spec, attributes) {
  const long = spec.kind === "paragraph";
  const numeric = spec.kind === "integer" || spec.kind === "number";
  const control = h(long ? "textarea" : "input", {
    ...attributes,
    type: long ? null : "text",
    rows: long ? 2 : null,
    inputmode: numeric ? "decimal" : null,
    placeholder: spec.placeholder,
  });
  control.value = spec.value ?? "";
  const fault = () => {
    const text = control.value;
    if (!text) return spec.required ? NEEDED : "";
    if (numeric) return faultOfNumber(spec, text.trim());
    const [least, most] = [spec.min ?? 0, spec.max ?? 6000];
    if (text.length >= least && text.length <= most) return "";
    return `Must be between ${least} and ${most} characters long; this is ${text.length}.`;
  };
  return { control, fault, value: () => (numeric && control.value ? Number(control.value) : control.value) };
}

function faultOfNumber({ kind, min, max }, text) {
  if (kind === "integer" && !/^-?\d+$/.test(text)) return "Enter a whole number.";
  if (!/^-?\d+(\.\d+)?$/.test(text)) return "Enter a number.";
  if (Number(text) < (min ?? -Infinity)) return `Must be at least ${min}.`;
  return Number(text) > (max ?? Infinity) ? `Must be at most ${max}.` : "";
}

const described = ({ label, description }) => (description ? `${label} – ${description}` : label);

function choice(spec, attributes) {
  const many = spec.max > 1;
  const chosen = spec.choices.some((one) => one.default);
  const control = h(
    "select",
    { ...attributes, multiple: many },
    !many && h("option", { value: "", selected: !chosen }, spec.placeholder ?? "Choose …"),
    spec.choices.map((one) => h("option", { value: String(one.value), selected: one.default }, described(one))),
  );
  const picked = () => [...control.selectedOptions].map((option) => option.value).filter(Boolean);
  const fault = () => {
    const number = picked().length;
    if (!number) return spec.required ? NEEDED : "";
    return number < (spec.min ?? 1) || number > (spec.max ?? 1) ? `Choose ${spec.min} to ${spec.max}.` : "";
  };
  const one = () => picked().map(CHOICE_VALUES[spec.of] ?? String)[0];
  return { control, fault, value: spec.of ? one : picked };
}

function files(spec, attributes) {
  let held = [];
  const control = h("input", { ...attributes, type: "file", multiple: spec.max > 1, class: "unseen" });
  const list = h("ul", { class: "held" });
  const hold = (files) => {
    held = files.slice(spec.max > 1 ? 0 : -1).slice(0, spec.max);
    list.replaceChildren(...held.map(row));
    control.dispatchEvent(new Event("change"));
  };
  const add = (more) => hold([...held, ...more]);
  const row = (file) => {
    const preview = file.type.startsWith("image/") && h("img", { src: URL.createObjectURL(file), alt: "" });
    const remove = () => (hold(held.filter((one) => one !== file)), control.focus());
    const size = `${Math.max(0.1, file.size / MIB).toFixed(file.size < 10 * MIB ? 1 : 0)} MB`;
    const away = button("✕", remove, { class: "icon", "aria-label": `Remove ${file.name}` });
    return h("li", {}, preview, h("span", {}, file.name, h("small", {}, ` ${size}`)), away);
  };
  control.addEventListener("input", () => {
    add([...control.files]);
    control.value = ""; // the same file may be chosen again
  });
  const pick = h("label", { for: attributes.id, class: "pick" }, "Choose a file, drop it here or paste it");
  const sample = button("Use the sample picture", async () => add([await samplePicture()]), { class: "plain" });
  const node = h("div", { class: "drop" }, list, control, pick, sample);
  const fault = () => faultOfFiles(spec, held);
  return { control, node, fault, add, hold, files: () => held, value: () => held };
}

function faultOfFiles({ required, min, types, limit }, held) {
  if (!held.length) return required ? NEEDED : "";
  if (held.length < (min ?? 1)) return `Add at least ${min} files.`;
  const fits = ({ name, type }, kind) =>
    kind.startsWith(".") ? name.toLowerCase().endsWith(kind) : type.startsWith(`${kind}/`);
  const strange = held.find((file) => types && !types.some((kind) => fits(file, kind)));
  if (strange) return `${strange.name} is no file of the kind that is taken here (${types.join(", ")}).`;
  const big = held.find((file) => limit && file.size > limit);
  return big ? tooBig(limit) : "";
}

export const tooBig = (limit) => `Your files are too large. You can send up to ${Math.floor(limit / MIB)} MB here.`;

export async function samplePicture() {
  const answer = await fetch("/sample.jpg");
  return new File([await answer.blob()], "cat.jpg", { type: "image/jpeg" });
}

/** A line with a list that is asked for while one types; what is picked shows its label and stands for its value. */
function suggested(spec, attributes) {
  const control = h("input", { ...attributes, type: "text", role: "combobox", autocomplete: "off" });
  const list = h("ul", { class: "suggested", role: "listbox", hidden: true });
  let picked = null;
  let asked = 0;
  const pick = (choice) => {
    picked = choice;
    control.value = choice.name;
    list.hidden = true;
    control.dispatchEvent(new Event("change"));
  };
  const row = (choice) => h("li", { role: "option", onmousedown: () => pick(choice) }, choice.name);
  const show = async () => {
    const number = ++asked;
    const { choices, failed } = await spec.suggest(picked ? String(picked.value) : control.value);
    if (number !== asked || document.activeElement !== control) return;
    const none = h("li", { "aria-disabled": "true" }, failed ?? "No options match your search.");
    list.replaceChildren(...(choices?.length ? choices.map(row) : [none]));
    list.hidden = false;
  };
  control.addEventListener("focus", () => show());
  control.addEventListener("input", () => ((picked = null), show()));
  control.addEventListener("blur", () => (list.hidden = true));
  control.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || list.hidden) return;
    event.stopPropagation(); // it closes the list, and not the command
    list.hidden = true;
  });
  const text = () => control.value.trim();
  const fault = () => {
    if (!text()) return spec.required ? NEEDED : "";
    return !picked && spec.of === "integer" ? faultOfNumber({ ...spec, kind: "integer" }, text()) : "";
  };
  const value = () => (picked ? picked.value : text() && spec.of === "integer" ? Number(text()) : text());
  return { control, node: h("div", { class: "combo" }, control, list), fault, value };
}

const BUILDERS = { choice, files, suggested };
