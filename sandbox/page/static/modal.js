// What comes back when something was done: a sentence, or a modal to fill in.

import { button, find, h, notice } from "./dom.js";
import { field, thingsFor } from "./fields.js";
import { perform } from "./live.js";
import { markdown } from "./markdown.js";

/** Shows what an answer brings. */
export function settle(answer) {
  notice(answer.error ?? "");
  if (answer.modal) open(answer.modal);
}

const TEXT = 4;
const STRINGS = 3;
const FILES = 19;
const PARAGRAPH = 2;

function kindOf({ type, style }) {
  if (type === TEXT) return style === PARAGRAPH ? "paragraph" : "line";
  return type === FILES ? "files" : "choice";
}

function wanted({ label, description, component }) {
  const needed = component.required !== false;
  const least = component.min_values ?? 1;
  return {
    name: component.custom_id,
    label,
    description,
    required: needed,
    placeholder: component.placeholder,
    value: component.value,
    kind: kindOf(component),
    min: component.type === TEXT ? component.min_length : least,
    max: component.type === TEXT ? (component.max_length ?? 4000) : (component.max_values ?? 1),
    choices: component.type === STRINGS ? component.options : thingsFor(component.type),
  };
}

function open(modal) {
  const dialog = find("modal");
  const fields = [];
  const parts = modal.components.map((part) => {
    if (!part.component) return h("div", {}, markdown(part.content));
    fields.push(field(wanted(part)));
    return fields.at(-1).node;
  });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const submit = h("button", { type: "submit", class: "primary" }, "Submit");
  const form = h(
    "form",
    { novalidate: true },
    h("h2", { id: "modal-title" }, modal.title),
    parts,
    wrong,
    h("div", { class: "row end" }, button("Cancel", () => dialog.close()), submit),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (fields.map((one) => one.check()).some(Boolean)) return fields.find((one) => one.check()).focus();
    submit.disabled = true;
    const values = Object.fromEntries(fields.filter((one) => !one.files).map((one) => [one.name, one.value()]));
    const files = Object.fromEntries(fields.filter((one) => one.files).map((one) => [one.name, one.files()]));
    const answer = await perform({ action: "submit", interaction: modal.interaction, values }, files);
    submit.disabled = false;
    wrong.textContent = answer.error ? `${answer.error} Your text is still here. Try again.` : "";
    if (!answer.error) dialog.close();
  });
  dialog.replaceChildren(form);
  dialog.onclose = () => dialog.opener?.isConnected ? dialog.opener.focus() : find("words").focus();
  dialog.opener = document.activeElement;
  dialog.showModal();
  fields[0]?.focus();
}
