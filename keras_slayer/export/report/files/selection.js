// What is selected: a layer, and of its cores at most one. Rows, cores and pictures follow.

const RESOURCES = [
  ["compartments", "neurons"],
  ["input_axons", "axons in"],
  ["output_axons", "axons out"],
  ["synaptic_memory", "synapses"],
];
const cores = report.mapping.cores;
const selected = { layer: null, core: null };
const pinned = document.getElementById("pinned");

/** Selects, or lets go of what is selected already. */
function select(layer, core = null) {
  const again = selected.layer === layer && selected.core === core;
  selected.layer = again ? null : layer;
  selected.core = again ? null : core;
  showSelection();
}

function showSelection() {
  for (const element of document.querySelectorAll("[data-layer]")) {
    const chosen = Number(element.dataset.layer) === selected.layer;
    element.classList.toggle("selected", chosen);
    element.classList.toggle("dimmed", selected.layer !== null && !chosen);
    element.querySelector("button.name")?.setAttribute("aria-pressed", chosen && selected.core === null);
  }
  for (const element of document.querySelectorAll("[data-core]")) {
    const chosen = Number(element.dataset.core) === selected.core;
    element.classList.toggle("pinned", chosen);
    element.setAttribute("aria-pressed", chosen);
  }
  pinned.replaceChildren();
  if (selected.core !== null) describeCore(pinned, cores[selected.core]);
  else if (selected.layer !== null) describeLayer(pinned, selected.layer);
  else pinned.textContent = "No core is pinned.";
}

function describeCore(target, core) {
  const layer = report.mapping.layers[core.layer];
  const title = add(target, "div");
  addLayerName(title, core.layer, layer.name);
  add(target, "div", {}, `chip ${core.chip}, core ${core.core_on_chip}: ${core.where}`);
  const amounts = [
    count(core.compartments),
    count(core.input_axons),
    count(core.output_axons),
    `${(core.synaptic_memory_bits / 8192).toFixed(1)} KiB`,
  ];
  const tightest = Math.max(...Object.values(core.utilisation));
  const figures = add(target, "div", { class: "figures" });
  RESOURCES.forEach(([field, word], i) => {
    const share = core.utilisation[field];
    add(figures, "span", {}, word);
    add(figures, "span", {}, amounts[i]);
    const strong = share === tightest ? " strong" : "";
    add(figures, "span", { class: `bar${strong}`, style: `--share: ${100 * share}%` }, percent(share));
  });
}

function describeLayer(target, index) {
  const layer = report.mapping.layers[index];
  const title = add(target, "div");
  addLayerName(title, index, layer.name);
  add(target, "div", {}, `${plural(layer.neurons, "neuron")} on ${plural(layer.cores, "core")}`);
  add(target, "div", {}, `limited by ${layer.limited_by}, ${percent(layer.utilisation)} used`);
}

for (const row of document.querySelectorAll("tr[data-layer]")) {
  const name = row.querySelector(".name");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "name";
  button.title = button.textContent = name.textContent;
  name.replaceWith(button);
  row.style.cursor = "pointer";
  row.addEventListener("click", () => select(Number(row.dataset.layer)));
}

for (const node of document.querySelectorAll(".node[data-layer]")) {
  node.style.cursor = "pointer";
  node.addEventListener("click", () => select(Number(node.dataset.layer)));
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  hideTooltip();
  if (selected.layer !== null) select(selected.layer, selected.core);
});


// A drawing that is wider than the page is shown from its first input on.
const input = document.querySelector("svg.wiring .node.input");
if (input) {
  const view = input.closest(".scroll");
  const [box, frame] = [input, view].map((element) => element.getBoundingClientRect());
  view.scrollLeft = (box.left + box.right) / 2 - (frame.left + frame.right) / 2;
}
