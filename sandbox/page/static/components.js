// The components of a message, Components V2 and older ones, as nodes that change in place.

import { button, h } from "./dom.js";
import { perform } from "./live.js";
import { markdown } from "./markdown.js";
import { settle } from "./modal.js";

const STYLES = ["", "primary", "secondary", "success", "danger", "", "primary"];
const CONTAINER = 17;

/** What a message shows, as components: its text, its files and its embeds before its own. */
export function shown(message) {
  const media = message.attachments.filter((file) => /^(image|video)\//.test(file.content_type ?? ""));
  const others = message.attachments.filter((file) => !media.includes(file));
  return [
    ...(message.content ? [{ type: 10, content: message.content }] : []),
    ...(media.length ? [{ type: 12, items: media.map(item) }] : []),
    ...others.map((file) => ({ type: 13, file, name: file.filename, size: file.size })),
    ...message.embeds.map(card),
    ...message.components,
  ];
}

const item = (file) => ({ media: file, description: file.description ?? file.filename });

function card({ title, description, color }) {
  const content = [title && `### ${title}`, description].filter(Boolean).join("\n");
  return { type: CONTAINER, accent_color: color, components: [{ type: 10, content }] };
}

/** Brings the children of a node to these components; what has not changed is left alone, so a video plays on. */
export function fill(parent, components, context) {
  const old = [...parent.children];
  components.forEach((component, number) => {
    const json = JSON.stringify(component);
    const there = old[number];
    if (there?.json === json) return;
    if (there?.kind === CONTAINER && component.type === CONTAINER) {
      tint(there, component);
      fill(there, component.components, context);
      there.json = json;
      return;
    }
    const node = draw(component, context);
    Object.assign(node, { json, kind: component.type });
    if (there) there.replaceWith(node);
    else parent.append(node);
  });
  old.slice(components.length).forEach((node) => node.remove());
}

function draw(component, context) {
  const build = BUILDERS[component.type];
  return build ? build(component, context) : h("p", { class: "subtext" }, `(a component of type ${component.type})`);
}

const BUILDERS = {
  1: ({ components }, context) => h("div", { class: "row" }, components.map((one) => draw(one, context))),
  2: pressable,
  3: select,
  9: ({ components, accessory }, context) =>
    h("div", { class: "section" }, h("div", {}, components.map((one) => draw(one, context))), draw(accessory, context)),
  10: ({ content }) => h("div", { class: "text" }, markdown(content)),
  11: ({ media, description }) => h("img", { class: "thumbnail", src: media.url, alt: description ?? "" }),
  12: (component, context) => h("div", { class: "gallery" }, component.items.map((item) => picture(item, context))),
  13: ({ file, name, size }) => {
    const kilobytes = h("small", {}, ` ${Math.ceil(size / 1024)} KB`);
    return h("a", { class: "file", href: file.url, target: "_blank", rel: "noopener" }, name, kilobytes);
  },
  14: ({ divider }) => (divider ? h("hr") : h("div", { class: "gap" })),
  [CONTAINER]: (component, context) => {
    const node = h("div", { class: "container" });
    tint(node, component);
    fill(node, component.components, context);
    return node;
  },
};

function tint(node, { accent_color: colour }) {
  const hex = Number.isInteger(colour) && `#${colour.toString(16).padStart(6, "0")}`;
  node.style.setProperty("--accent", hex || "var(--line)");
}

function picture({ media, description }, context) {
  const { url: src } = media;
  if (!/^video\//.test(media.content_type ?? "")) return h("img", { src, alt: description ?? "A picture" });
  const label = `Video ${description ?? new URL(src).pathname.split("/").pop()}`;
  const video = h("video", { src, controls: true, playsinline: true, preload: "metadata", "aria-label": label });
  // What comes while one looks plays by itself, without a sound, where that is welcome.
  video.autoplay = context.live && !matchMedia("(prefers-reduced-motion: reduce)").matches;
  video.muted = video.autoplay;
  return video;
}

function pressable(component, context) {
  const { url, style, disabled, emoji, label } = component;
  const words = [emoji?.name, label].filter(Boolean).join(" ");
  if (url) return h("a", { class: "button", href: url, target: "_blank", rel: "noopener noreferrer" }, words, " ↗");
  const then = ({ currentTarget }) => press(currentTarget, component, context);
  return button(words, then, { class: `button ${STYLES[style]}`, disabled });
}

function select(component, context) {
  const many = (component.max_values ?? 1) > 1;
  const words = component.placeholder ?? "Make a selection";
  const node = h(
    "select",
    { "aria-label": words, multiple: many, disabled: component.disabled },
    !many && h("option", { value: "", disabled: true, selected: true }, words),
    component.options.map((one) => h("option", { value: one.value, selected: one.default }, one.label)),
  );
  const choose = () => press(node, component, context, [...node.selectedOptions].map((option) => option.value));
  if (many) return h("div", { class: "row" }, node, button("Choose", choose, { class: "button" }));
  node.addEventListener("change", choose);
  return node;
}

async function press(node, component, { message }, values) {
  if (node.getAttribute("aria-busy")) return;
  node.setAttribute("aria-busy", "true");
  const answer = await perform({ action: "press", message, custom_id: component.custom_id, values });
  node.removeAttribute("aria-busy");
  settle(answer);
}
