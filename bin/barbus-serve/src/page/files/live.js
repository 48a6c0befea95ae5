// New bars and states from the server, over one connection that is made again when it breaks.

const RETRY_MS = 2000;

export class Live {
  /** `handlers` has `open`, `bars`, `state`, `resync` and `lost`. */
  constructor(handlers) {
    this.handlers = handlers;
    this.source = null;
    this.retry = 0;
  }

  /** Receives the events of `bus` instead of those of another one. */
  connect(bus) {
    this.close();
    const source = new EventSource(`/live?${new URLSearchParams({ bus })}`);
    this.source = source;
    source.addEventListener("open", () => this.handlers.open());
    source.addEventListener("bars", (event) => this.handlers.bars(JSON.parse(event.data)));
    source.addEventListener("state", (event) => this.handlers.state(JSON.parse(event.data)));
    source.addEventListener("resync", () => this.handlers.resync());
    source.addEventListener("error", () => {
      this.handlers.lost();
      // The browser itself tries again after a broken connection, but not after a refusal.
      if (source.readyState === EventSource.CLOSED) {
        this.retry = setTimeout(() => this.connect(bus), RETRY_MS);
      }
    });
  }

  close() {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }
}
