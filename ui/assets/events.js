// All that handlers say comes to a page in one stream, which the server ends when no event is left. Gradio's script
// does not fetch it again for an event that the server takes on while word of that end is on its way: nobody would ever
// hear of that event. Here the stream goes on, unnoticed by Gradio, as long as an event has not had its last word.
"use strict";

{
  const fetched = window.fetch.bind(window);
  const events = new Set(); // ids of those without their last word
  const joining = new Set(); // promises of those that the server is just being told of

  window.fetch = (input, options) => {
    const { pathname } = new URL(input.url ?? input, window.location.href);
    if (pathname.endsWith("/gradio_api/queue/join")) return joined(fetched(input, options));
    if (pathname.endsWith("/gradio_api/queue/data")) return lasting(() => fetched(input, options));
    return fetched(input, options);
  };

  async function joined(response) {
    const noted = response.then(async (answer) => answer.ok && events.add((await answer.clone().json()).event_id));
    const ended = noted.catch(() => {}).finally(() => joining.delete(ended));
    joining.add(ended);
    await ended;
    return response;
  }

  async function lasting(fetchAgain) {
    const first = await fetchAgain();
    if (!first.ok) return first;
    const blocks = blocksOf(first, fetchAgain);
    const body = new ReadableStream({
      async pull(controller) {
        const { value, done } = await blocks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => void blocks.return(),
    });
    return new Response(body.pipeThrough(new TextEncoderStream()), { headers: first.headers });
  }

  // Yields the messages of a stream, and of those that follow it.
  async function* blocksOf(response, fetchAgain) {
    for (let rest = ""; response.ok; response = await fetchAgain()) {
      let goesOn = false;
      for await (const piece of pieces(response)) {
        const blocks = (rest + piece).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          goesOn = await endsTooEarly(block);
          if (!goesOn) yield `${block}\n\n`;
        }
      }
      if (!goesOn) return;
    }
  }

  async function* pieces(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  // Takes note of a message, and tells whether it ends the stream although an event still waits for messages.
  async function endsTooEarly(block) {
    const { msg, event_id: id } = block.startsWith("data: ") ? JSON.parse(block.slice(6)) : {};
    if (msg === "process_completed") events.delete(id);
    if (msg === "unexpected_error") events.clear();
    if (msg !== "close_stream") return false;
    await Promise.all(joining);
    return events.size > 0;
  }
}
