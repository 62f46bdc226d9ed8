// The line over a list of hits. Each row has its relevance, falling down the list, and the line stands where its
// threshold falls among them. It is dragged by mouse or finger, or moved by keys; what comes to lie below it is greyed
// at once, and only when it is let go is the server asked.
"use strict";

window.knowglm.threshold = (element, trigger) => {
  const KEY_STEPS = { ArrowUp: 0.01, ArrowRight: 0.01, ArrowDown: -0.01, ArrowLeft: -0.01, PageUp: 0.1, PageDown: -0.1 };
  const KEYS_END_MS = 500; // after the last key
  const EDGE_PX = 48; // where dragging scrolls the page
  let drag = null; // while the line is held: where it was, and which height in the list is which relevance
  let keys = 0; // the timer that ends a run of keys
  let isAsking = false; // the list is about to come anew, and its line gets the focus back

  const handleOf = (event) => event.target.closest("[data-threshold] [role=slider]");
  const lineOf = (handle) => handle.closest("[data-threshold]");
  const rowsOf = (line) => [...line.parentElement.querySelectorAll(":scope > [data-relevance]")];
  const valueOf = (line) => Number(line.dataset.threshold);

  // Shows the line at a threshold, 0–1. Rows and line change places by `order` alone: an element that is taken out of
  // the page to be put in elsewhere loses the focus and the finger that holds it.
  function show(line, value) {
    const rows = rowsOf(line);
    rows.forEach((row, index) => {
      row.style.order = 2 * index;
      row.classList.toggle("below", Number(row.dataset.relevance) < value);
    });
    line.style.order = 2 * rows.filter((row) => Number(row.dataset.relevance) >= value).length - 1;
    line.dataset.threshold = value;
    const handle = line.querySelector("[role=slider]");
    const share = `${Math.round(value * 100)}%`;
    const unit = Number(handle.getAttribute("aria-valuemax")) > 1 ? 100 : 1;
    handle.setAttribute("aria-valuenow", Math.round(value * 100) / 100 * unit);
    handle.setAttribute("aria-valuetext", share);
    handle.textContent = handle.textContent.replace(/[\d.]+%/, share);
  }

  function ask(line) {
    isAsking = document.activeElement === line.querySelector("[role=slider]");
    trigger("release", { threshold: valueOf(line) });
  }

  // Pairs of height below the top of the list and relevance: 1 at the top, each row's own in its middle, 0 at the end.
  // The line itself counts for nothing, so that the rows do not move away under the hand as it passes them.
  function heightsOf(line) {
    const list = line.parentElement.getBoundingClientRect();
    const own = line.getBoundingClientRect().height;
    const pairs = rowsOf(line).map((row) => {
      const box = row.getBoundingClientRect();
      const relevance = Number(row.dataset.relevance);
      return [box.top + box.height / 2 - list.top - (relevance < valueOf(line) ? own : 0), relevance];
    });
    return [[0, 1], ...pairs, [list.height - own, 0]];
  }

  function relevanceAt(height, pairs) {
    const next = pairs.findIndex(([at]) => at >= height);
    if (next === 0) return pairs[0][1];
    if (next < 0) return 0;
    const [[from, high], [to, low]] = [pairs[next - 1], pairs[next]];
    return high + ((low - high) * (height - from)) / (to - from || 1);
  }

  const rounded = (value) => Math.min(1, Math.max(0, Math.round(value * 100) / 100));

  element.addEventListener("pointerdown", (event) => {
    const handle = handleOf(event);
    if (!handle || event.button !== 0) return;
    event.preventDefault();
    handle.focus({ preventScroll: true });
    handle.setPointerCapture(event.pointerId);
    const line = lineOf(handle);
    drag = { line, before: valueOf(line), pairs: heightsOf(line) };
    line.classList.add("held");
  });

  element.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (event.clientY < EDGE_PX) window.scrollBy(0, -12);
    if (event.clientY > window.innerHeight - EDGE_PX) window.scrollBy(0, 12);
    const height = event.clientY - drag.line.parentElement.getBoundingClientRect().top;
    show(drag.line, rounded(relevanceAt(height, drag.pairs)));
  });

  function letGo({ isKept }) {
    if (!drag) return;
    const { line, before } = drag;
    drag = null;
    line.classList.remove("held");
    if (!isKept) show(line, before);
    else if (valueOf(line) !== before) ask(line);
  }
  element.addEventListener("pointerup", () => letGo({ isKept: true }));
  element.addEventListener("pointercancel", () => letGo({ isKept: false }));

  element.addEventListener("keydown", (event) => {
    const handle = handleOf(event);
    if (!handle) return;
    if (event.key === "Escape") return letGo({ isKept: false });
    const line = lineOf(handle);
    const ends = { Home: 0, End: 1 };
    const step = KEY_STEPS[event.key];
    if (step === undefined && !(event.key in ends)) return;
    event.preventDefault();
    show(line, rounded(event.key in ends ? ends[event.key] : valueOf(line) + step));
    clearTimeout(keys);
    keys = setTimeout(() => ask(line), KEYS_END_MS);
  });

  new MutationObserver(() => {
    const handle = isAsking && element.querySelector("[data-threshold] [role=slider]");
    if (!handle || document.activeElement === handle) return;
    isAsking = false;
    if (document.activeElement === document.body) handle.focus({ preventScroll: true });
  }).observe(element, { childList: true, subtree: true });
};
