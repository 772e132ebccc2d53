// An exported network in WebAssembly, in a browser or in Node.js:
//
//   const module = await WebAssembly.compileStreaming(fetch("network.wasm"));
//   const network = new Network(module, await (await fetch("network.ksn")).arrayBuffer());
//   const [spikes] = network.step([[3, 17, 230]]);
//
// A place is the number of an element in the flattened input,
// (y * width + x) * channels + polarity of an image.

export class Network {
  #wasm;
  #failed = false;

  // `module` is network.wasm, compiled; `file` the bytes of a flat file.
  constructor(module, file) {
    // The module writes no files; what the C library asks of the system is refused.
    const system = { fd_close: () => 8, fd_seek: () => 8, fd_write: () => 8 };
    const fail = (what) => {
      throw new Error(this.#text(what, this.#memory.indexOf(0, what) - what));
    };
    this.#wasm = new WebAssembly.Instance(module, {
      wasi_snapshot_preview1: system,
      keras_slayer: { fail },
    }).exports;
    this.#wasm._initialize();
    this.#withBytes(file, (at, size) => this.#call("load", at, size));
    const part = (number) => ({
      name: this.#text(this.#wasm.name(number), this.#wasm.name_size(number)),
      shape: Array.from({ length: this.#wasm.rank(number) }, (_, axis) =>
        this.#wasm.side(number, axis)),
    });
    const inputs = this.#wasm.inputs();
    // Names and shapes: (height, width, channels), or (neurons).
    this.inputs = Array.from({ length: inputs }, (_, i) => part(i));
    this.outputs = Array.from({ length: this.#wasm.outputs() }, (_, i) => part(inputs + i));
  }

  // One step. `spikes` has for each input the places that spike, ascending; the result has for each
  // output the neurons that spike.
  step(spikes) {
    if (spikes.length !== this.inputs.length) {
      throw new RangeError(`the network has ${this.inputs.length} inputs, not ${spikes.length}`);
    }
    spikes.forEach((places, input) => {
      const size = this.inputs[input].shape.reduce((a, b) => a * b);
      for (const place of places) {
        if (!Number.isInteger(place) || place < 0 || place >= size) {
          throw new RangeError(`places of input ${input} must be 0 to ${size - 1}, not ${place}`);
        }
      }
    });
    spikes.forEach((places, input) => {
      const at = this.#call("places", input, places.length);
      new Int32Array(this.#wasm.memory.buffer, at, places.length).set(places);
    });
    this.#call("step");
    return this.outputs.map((_, output) => {
      const count = this.#wasm.spike_count(output);
      return new Int32Array(this.#wasm.memory.buffer, this.#wasm.spiked(output), count).slice();
    });
  }

  // Back to rest.
  reset() {
    this.#call("reset");
  }

  // A recording for an input, from text with a first line x,y,t,p (t in microseconds): for each
  // of so many steps of dt milliseconds the places that spike.
  readEvents(input, text, steps, dt) {
    if (!this.inputs[input]) throw new RangeError(`there is no input ${input}`);
    if (!Number.isInteger(steps) || steps < 1 || !(dt >= 0.001 && dt < Infinity)) {
      throw new RangeError(`steps and dt must be positive, not ${steps} and ${dt}`);
    }
    const recording = Array.from({ length: steps }, () => []);
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.#withBytes(bytes, (at, size) => {
      const count = this.#call("read_events", input, at, size, steps, dt);
      for (let event = 0; event < count; ++event) {
        recording[this.#wasm.event_step(event)].push(this.#wasm.event_place(event));
      }
    });
    return recording;
  }

  get #memory() {
    return new Uint8Array(this.#wasm.memory.buffer); // another one whenever memory has grown
  }

  #text(at, size) {
    return new TextDecoder().decode(this.#memory.slice(at, at + size));
  }

  #withBytes(bytes, work) {
    const at = this.#call("allocate", Math.max(bytes.byteLength, 1));
    if (at === 0) throw new RangeError("there is not enough memory");
    this.#memory.set(new Uint8Array(bytes), at);
    work(at, bytes.byteLength);
    this.#wasm.release(at);
  }

  // After an error the module's stack is not what it was.
  #call(name, ...values) {
    if (this.#failed) throw new Error("this network has failed before; make another one");
    this.#failed = true;
    const result = this.#wasm[name](...values);
    this.#failed = false;
    return result;
  }
}
