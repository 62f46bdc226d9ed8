"""What the page hears from its server, where one thing comes upon another."""

from collections.abc import Callable
from typing import Any

from web_pages import answered, ask
from web_site import Site

LATE_NEWS_OF_THE_END = """
    const fetched = window.fetch;
    window.fetch = async (input, options) => {
        const response = await fetched(input, options);
        if (!String(input.url ?? input).includes("/queue/data")) return response;
        const late = new TransformStream({
            async transform(piece, controller) {
                window.isEnding = new TextDecoder().decode(piece).includes("close_stream");
                if (window.isEnding) await new Promise((done) => setTimeout(done, 1000));
                controller.enqueue(piece);
            },
        });
        return new Response(response.body.pipeThrough(late), { headers: response.headers });
    };
"""


def test_a_question_is_answered_that_comes_while_a_stream_ends(site: Site, visit: Callable[..., Any]) -> None:
    """A page that was told of the end of a stream too late never heard of what it had asked meanwhile."""
    page = visit(site.url)
    page.context.add_init_script(LATE_NEWS_OF_THE_END)
    page.reload()
    page.wait_for_selector(".welcome")
    page.evaluate("window.isEnding = false")
    page.fill("#conversation-search textarea, #conversation-search input", "x")
    page.wait_for_function("window.isEnding")
    ask(page, "ChatGLM-6B 有多少参数？")
    assert "62 亿" in answered(page).inner_text()
