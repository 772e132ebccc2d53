// The map: every core of every chip as a square, 16 in a row.

const ROW = 16;
const PITCH = 30;

function drawCores() {
  const { chips, cores_per_chip: size } = report.mapping;
  for (let chip = 0; chip < chips; chip += 1) {
    const here = cores.filter((core) => core.chip === chip);
    const figure = add(document.getElementById("core-map"), "figure");
    const caption = `Chip ${chip}: ${count(here.length)} of ${count(size)} cores`;
    add(figure, "figcaption", {}, caption);
    const rows = Math.ceil(size / ROW);
    const svg = add(figure, "svg", {
      viewBox: `-1 -1 ${ROW * PITCH} ${rows * PITCH}`, role: "group", "aria-label": caption,
    });
    for (let slot = 0; slot < size; slot += 1) {
      const x = (slot % ROW) * PITCH;
      const y = Math.floor(slot / ROW) * PITCH;
      if (slot >= here.length) addSquare(svg, x, y, "unused");
      else addCore(svg, x, y, here[slot]);
    }
  }
  document.querySelector(".core")?.setAttribute("tabindex", "0");
  chooseInk();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", chooseInk);
}

function addSquare(parent, x, y, kind) {
  const side = PITCH - 3;
  return add(parent, "rect", { x, y, width: side, height: side, rx: 3, class: kind });
}

function addCore(svg, x, y, core) {
  const use = Math.max(...Object.values(core.utilisation));
  const name = report.mapping.layers[core.layer].name;
  const group = add(svg, "g", {
    class: "core", role: "button", tabindex: "-1", "aria-pressed": "false",
    "aria-label": `chip ${core.chip}, core ${core.core_on_chip}, ${name}, ${core.where}, ${percent(use)} used`,
    "data-core": core.index, "data-layer": core.layer,
    style: `${layerColour(core.layer)}; --use: ${use}`,
  });
  addSquare(group, x, y, "square");
  const middle = (PITCH - 3) / 2;
  add(group, "text", { x: x + middle, y: y + middle + 4 }, core.layer + 1);
  const show = (px, py) => showTooltip(px, py, (target) => describeCore(target, core));
  group.addEventListener("pointermove", (event) => show(event.clientX, event.clientY));
  group.addEventListener("pointerleave", hideTooltip);
  group.addEventListener("focus", () => {
    if (!group.matches(":focus-visible")) return;
    const box = group.getBoundingClientRect();
    show(box.right, box.bottom);
  });
  group.addEventListener("blur", hideTooltip);
  group.addEventListener("click", () => {
    moveFocus(core.index);
    select(core.layer, core.index);
  });
  group.addEventListener("keydown", (event) => pressKey(event, core));
}

/** Among all cores one is reached by the tab key, the others from it by arrow keys. */
function moveFocus(index) {
  const target = document.querySelector(`.core[data-core="${index}"]`);
  if (!target) return;
  document.querySelector('.core[tabindex="0"]').setAttribute("tabindex", "-1");
  target.setAttribute("tabindex", "0");
  target.focus();
}

function pressKey(event, core) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -ROW, ArrowDown: ROW };
  if (event.key in steps) moveFocus(core.index + steps[event.key]);
  else if (event.key === "Enter" || event.key === " ") select(core.layer, core.index);
  else return;
  event.preventDefault();
}

/** White numbers on dark squares, dark ones on light squares. */
function chooseInk() {
  for (const core of document.querySelectorAll(".core")) {
    const fill = getComputedStyle(core.querySelector("rect")).fill;
    // color-mix() computes to "color(srgb r g b)", components from 0 to 1.
    const [red, green, blue] = fill.match(/[\d.]+(?:e-?\d+)?/g).map((part) => Number(part) ** 2.2);
    core.classList.toggle("dark", 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.2);
  }
}

drawCores();
showSelection();

