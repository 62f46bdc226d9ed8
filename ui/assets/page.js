// What the page does by itself, without asking the server. Texts come from the server, in data attributes.
"use strict";

const knowglm = {
  // Makes every element with data-action inside `element` clickable: `trigger` gets its dataset and those around it.
  actions(element, trigger) {
    element.addEventListener("click", (event) => {
      const target = event.target.closest("[data-action]");
      if (!target || !element.contains(target)) return;
      const data = knowglm.gathered(target, element);
      if (knowglm.own[data.action]) return void knowglm.own[data.action](target, data, trigger);
      if (data.confirm && !window.confirm(data.confirm)) return;
      if (data.prompt) {
        data.value = window.prompt(data.prompt, data.value || "");
        if (data.value === null) return;
      }
      trigger("click", data);
    });
  },

  // The datasets of an element and of those around it; the inner ones win.
  gathered(target, root) {
    const sets = [];
    for (let node = target; node && node !== root; node = node.parentElement) sets.unshift({ ...node.dataset });
    return Object.assign({}, ...sets);
  },

  // Actions that need no server.
  own: {
    async copy(target) {
      const text = target.closest("[data-text]")?.dataset.text ?? "";
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        knowglm.copyTheOldWay(text); // the clipboard is only there on https and on this machine
      }
      target.classList.add("done");
      setTimeout(() => target.classList.remove("done"), 1500);
    },
    theme() {
      const dark = document.body.classList.toggle("dark");
      localStorage.setItem("knowglm-theme", dark ? "dark" : "light");
    },
    drawer() {
      document.querySelector("#conversations")?.classList.toggle("open");
    },
    "check-all"(target) {
      for (const box of target.closest("table").querySelectorAll("tbody input[type=checkbox]")) {
        box.checked = target.checked;
      }
    },
    // Hands over the names of the checked rows.
    checked(target, data, trigger) {
      const boxes = [...document.querySelectorAll(`#${data.table} tbody input:checked`)];
      if (!boxes.length) return;
      const names = boxes.map((box) => box.value);
      const question = data.confirm?.replace("{count}", names.length).replace("{names}", names.join("、"));
      if (question && !window.confirm(question)) return;
      trigger("click", { ...data, action: data.then, names });
    },
  },

  copyTheOldWay(text) {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  },

  // Keeps the conversation on show in the address, so that a reload and a bookmark come back to it.
  remember() {
    const shown = document.querySelector("#transcript [data-conversation]");
    if (!shown) return; // nothing is loaded yet
    const id = shown.dataset.conversation;
    const address = new URL(window.location.href);
    if ((address.searchParams.get("c") ?? "") === id) return;
    id ? address.searchParams.set("c", id) : address.searchParams.delete("c");
    window.history.replaceState(null, "", address);
  },

  // Keeps the end of an answer in sight while it is written, unless the reader has scrolled up.
  follow(scroller) {
    let atEnd = true;
    scroller.addEventListener("scroll", () => {
      atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
    });
    const end = () => (scroller.querySelector(".welcome") ? 0 : scroller.scrollHeight);
    new MutationObserver(() => atEnd && scroller.scrollTo(0, end())).observe(scroller, {
      childList: true, subtree: true, characterData: true,
    });
  },
};

{
  const chosen = localStorage.getItem("knowglm-theme");
  if (chosen) document.body.classList.toggle("dark", chosen === "dark");
  document.documentElement.lang = window.location.pathname.startsWith("/en") ? "en" : "zh-CN";
  // The chat fills the window below what stands above it, which is as high as its texts make it.
  const measure = () => {
    const top = document.querySelector("#chat")?.getBoundingClientRect().top;
    if (top) document.documentElement.style.setProperty("--chat-top", `${Math.round(top + window.scrollY)}px`);
  };
  new ResizeObserver(measure).observe(document.body);
  new MutationObserver(knowglm.remember).observe(document.body, { childList: true, subtree: true });
}
window.knowglm = knowglm;
