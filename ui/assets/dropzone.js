// Uploads: files and folders that are dropped or chosen go to the server one by one, and each says how far it is. What
// the server then does with them is a job, which goes on without the page. Texts come from the server.
"use strict";

{
  const PARALLEL = 2;
  const MB = 1024 * 1024;

  class Refusal extends Error {}

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  const made = (tag, className = "", text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

  // --- what was dropped or chosen ---

  // Returns files as { file, path }, those of folders at any depth; an entry that cannot be read has no file.
  async function below(entry) {
    const path = entry.fullPath.slice(1);
    try {
      if (entry.isFile) return [{ path, file: await new Promise((done, failed) => entry.file(done, failed)) }];
      return (await Promise.all((await children(entry.createReader())).map(below))).flat();
    } catch {
      return [{ path, file: null }];
    }
  }

  async function children(reader) {
    const found = [];
    for (;;) { // a reader hands out a hundred at a time
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) return found;
      found.push(...some);
    }
  }

  async function dropped(transfer) {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean); // gone after an await
    if (!entries.length) return chosen(transfer.files);
    return (await Promise.all(entries.map(below))).flat();
  }

  const chosen = (files) => [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

  // What systems and office programs hide from their users is no document.
  const isShown = ({ path }) => !path.split("/").some((part) => part.startsWith(".") || part.startsWith("~$"));

  // --- one file ---

  class Row {
    constructor({ file, path }, texts) {
      Object.assign(this, { file, path, texts });
      this.element = made("li");
      this.bar = Object.assign(made("progress"), { max: 1, value: 0, ariaLabel: path });
      this.state = made("span", "badge");
      this.reason = made("span", "reason");
      this.element.append(made("bdi", "", path), this.state, this.bar, this.reason);
      this.become("waiting");
    }

    become(state, reason = "") {
      this.is = state;
      this.element.className = state;
      this.state.textContent = this.texts[state];
      this.reason.textContent = reason;
      this.bar.hidden = state !== "sending";
    }

    // What keeps the file from being taken, as far as the browser can tell.
    objection(zone) {
      const suffix = /\.[^./]+$/.exec(this.path)?.[0].toLowerCase() ?? "";
      if (!zone.suffixes.split(" ").includes(suffix)) return this.texts.unsupported;
      if (!this.file) return this.texts.unreadable;
      if (!this.file.size) return this.texts.empty;
      return this.file.size > Number(zone.limitMb) * MB ? this.texts.too_large : "";
    }

    async send(batch, signal) {
      this.become("sending");
      const address = `/uploads/${batch}?name=${encodeURIComponent(this.path)}`;
      try {
        await request("PUT", address, this.texts, { body: this.file, signal, progress: (share) => (this.bar.value = share) });
        this.become("received");
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.become(signal.aborted ? "cancelled" : "refused", error.message);
      }
    }
  }

  // Resolves to the server's answer; rejects with the reason that it gives.
  function request(method, address, texts, { body = null, signal = null, progress = null } = {}) {
    return new Promise((resolve, reject) => {
      const sent = new XMLHttpRequest();
      const abort = () => sent.abort();
      sent.open(method, address);
      if (progress) sent.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
      sent.onload = () => {
        const answer = parsed(sent.responseText);
        if (sent.status < 300 && answer) return resolve(answer);
        const said = answer?.reason && [answer.reason, answer.advice].filter(Boolean).join("\n");
        reject(new Refusal(said || filled(texts.failed, { status: sent.status })));
      };
      sent.onerror = () => reject(new Refusal(texts.lost));
      sent.onabort = () => reject(new Refusal(""));
      sent.onloadend = () => signal?.removeEventListener("abort", abort);
      if (signal?.aborted) return reject(new Refusal(""));
      signal?.addEventListener("abort", abort);
      sent.send(body);
    });
  }

  function parsed(text) {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }

  // --- the files of one drop ---

  class Upload {
    constructor(items, zone, completed) {
      Object.assign(this, { zone, completed, texts: JSON.parse(zone.texts) });
      this.rows = items.map((item) => new Row(item, this.texts));
      this.element = made("section", "upload");
      this.count = made("span", "note");
      this.count.setAttribute("role", "status");
      this.cancel = this.button("cancel", () => this.stopping.abort());
      this.retry = this.button("retry", () => this.run());
      this.clear = this.button("clear", () => this.element.remove());
      const head = made("p", "head");
      head.append(made("b", "", this.texts.title), this.count, this.cancel, this.retry, this.clear);
      const list = made("ol", "queue");
      list.append(...this.rows.map((row) => row.element));
      this.element.append(head, list);
    }

    button(name, action) {
      const button = Object.assign(made("button", "", this.texts[name]), { type: "button" });
      button.addEventListener("click", action);
      return button;
    }

    async run() {
      this.stopping = new AbortController();
      window.addEventListener("beforeunload", warned);
      for (const row of this.rows) {
        const objection = row.objection(this.zone);
        row.become(objection ? "refused" : "waiting", objection);
      }
      this.show(true);
      try {
        await this.transfer(this.rows.filter((row) => row.is === "waiting"));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        for (const row of this.rows) if (row.is !== "refused") row.become("refused", error.message);
      } finally {
        window.removeEventListener("beforeunload", warned);
      }
      this.rows.filter((row) => row.is === "received").forEach((row) => row.element.remove());
      this.rows = this.rows.filter((row) => row.is !== "received");
      this.show(false);
      if (!this.rows.length) this.element.remove();
    }

    async transfer(waiting) {
      if (!waiting.length) return;
      const { batch } = await request("POST", `/uploads?kb=${encodeURIComponent(this.zone.kb)}`, this.texts);
      const next = waiting.values(); // shared, so that each file is taken once
      const lane = async () => {
        for (const row of next) {
          if (this.stopping.signal.aborted) row.become("cancelled");
          else await row.send(batch, this.stopping.signal);
          this.show(true);
        }
      };
      await Promise.all(Array.from({ length: PARALLEL }, lane));
      if (this.stopping.signal.aborted) {
        for (const row of waiting) if (row.is === "received") row.become("cancelled");
        await request("DELETE", `/uploads/${batch}`, this.texts);
      } else if (waiting.some((row) => row.is === "received")) {
        this.completed(await request("POST", `/uploads/${batch}`, this.texts));
      }
    }

    show(isRunning) {
      const done = this.rows.filter((row) => row.is === "received").length;
      this.count.textContent = isRunning ? filled(this.texts.count, { done, total: this.rows.length }) : "";
      this.cancel.hidden = !isRunning;
      this.clear.hidden = isRunning;
      this.retry.hidden = isRunning || this.rows.every((row) => row.objection(this.zone));
    }
  }

  const warned = (event) => event.preventDefault(); // the browser asks before it leaves the page

  // --- the drop zone ---

  const queue = made("div", "kg uploads"); // one for the page: uploads go on while the zone is drawn anew
  let announce = () => {};

  // Makes the drop zone in `element` work; `trigger` hears of every upload that the server has taken on.
  window.knowglm.dropzone = (element, trigger) => {
    announce = (answer) => trigger("click", { action: "uploaded", ...answer });
    element.after(queue);
    const zone = () => element.querySelector("[data-texts]");
    const start = (items) => {
      const shown = items.filter(isShown);
      if (!shown.length || !zone()) return;
      const upload = new Upload(shown, { ...zone().dataset }, (answer) => announce(answer));
      queue.prepend(upload.element);
      upload.run();
    };
    const marked = (event, isOver) => {
      event.preventDefault();
      zone()?.classList.toggle("over", isOver);
    };
    element.addEventListener("dragover", (event) => marked(event, true));
    element.addEventListener("dragleave", (event) => marked(event, false));
    element.addEventListener("drop", async (event) => {
      marked(event, false);
      start(await dropped(event.dataTransfer));
    });
    element.addEventListener("click", (event) => {
      const pick = event.target.closest("[data-pick]")?.dataset.pick;
      if (pick) element.querySelector(`input[name=${pick}]`).click();
    });
    element.addEventListener("change", (event) => {
      start(chosen(event.target.files));
      event.target.value = ""; // so that the same file can be chosen again
    });
  };
}
