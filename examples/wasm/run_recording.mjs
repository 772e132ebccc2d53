// Runs a recording through an exported network, as examples/cpp/run_recording does, in Node.js:
//
//   node run_recording.mjs NETWORK.ksn STEPS DT EVENTS.csv ...
import { readFileSync, writeFileSync } from "node:fs";

import { Network } from "./network.mjs";

const [file, steps, dt, ...events] = process.argv.slice(2);
if (events.length === 0) {
  console.error("usage: node run_recording.mjs NETWORK.ksn STEPS DT EVENTS.csv ...");
  process.exit(2);
}
try {
  const wasm = process.env.NETWORK_WASM ?? new URL("network.wasm", import.meta.url);
  const network = new Network(new WebAssembly.Module(readFileSync(wasm)), readFileSync(file));
  if (events.length !== network.inputs.length) {
    throw new RangeError(`the network takes ${network.inputs.length} files of events`);
  }
  const recordings = events.map((path, input) =>
    network.readEvents(input, readFileSync(path), Number(steps), Number(dt)));
  const lines = ["output,step,neuron"];
  for (let step = 0; step < Number(steps); ++step) {
    network.step(recordings.map((recording) => recording[step])).forEach((spikes, output) => {
      for (const neuron of spikes) lines.push(`${output},${step},${neuron}`);
    });
  }
  writeFileSync(1, lines.join("\n") + "\n");
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
