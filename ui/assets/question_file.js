// A file of questions, sent to the knowledge base whose list is on show; the tab is then told what became of it.
"use strict";

window.knowglm.questionFile = (element, trigger) => {
  async function sent(kb, file) {
    const address = `/questions?${new URLSearchParams({ kb, name: file.name })}`;
    const response = await fetch(address, { method: "POST", body: file });
    const answer = await response.json();
    return response.ok ? answer : { problem: [answer.reason, answer.advice].filter(Boolean).join("\n") };
  }

  element.addEventListener("change", async (event) => {
    const { kb } = event.target.closest("[data-kb]").dataset;
    const [file] = event.target.files;
    event.target.value = ""; // so that the same file can be chosen again once it is corrected
    if (file) trigger("upload", await sent(kb, file).catch((error) => ({ problem: String(error) })));
  });
};
