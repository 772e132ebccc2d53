// Search runs in a worker. Browsers refuse workers to pages that are opened as files (file://): then
// the script of the worker runs in a frame of its own instead, with the same messages.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      const inside = frame.contentWindow
      // What the script of a worker expects to find.
      inside.postMessage = (data) => setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })))
      inside.importScripts = (...scripts) =>
        scripts.reduce((done, script) => done.then(() => this.load(inside, script)), Promise.resolve())
      this.load(inside, url).then(() => {
        this.frame = inside
        this.waiting.splice(0).forEach((data) => this.postMessage(data))
      })
    }

    load(inside, url) {
      return new Promise((resolve, reject) => {
        const script = inside.document.createElement("script")
        script.src = url
        script.onload = resolve
        script.onerror = reject
        inside.document.body.appendChild(script)
      })
    }

    postMessage(data) {
      if (this.frame) this.frame.dispatchEvent(new MessageEvent("message", { data }))
      else this.waiting.push(data)
    }

    terminate() {}
  }
}
