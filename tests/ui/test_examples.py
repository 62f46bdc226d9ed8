"""The questions that the chat offers a first visitor are answered well, and without any weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.environment import load_settings
from core.answers import AskOptions, Finished
from core.messages import Language
from service.factory import build_app
from service.knowledge_qa import KnowledgeQA
from ui.texts.chat import EXAMPLES

FACTS: dict[Language, tuple[str, ...]] = {
    "zh": ("约 6 GB 显存", "500 元", "文字识别（OCR）", "不会上传到网上"),
    "en": ("models download chatglm-6b", "a threshold that you can drag", "word for word", "--host 0.0.0.0"),
}
"""What the answers must say, in the order of the examples."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeQA]:
    folder: Path = tmp_path_factory.mktemp("examples")
    app = build_app(load_settings({"data_dir": folder, "model_dir": folder / "none"}, environ={}))
    assert not app.refresh_samples().failed
    yield app
    app.close()


@pytest.mark.parametrize("language", FACTS)
@pytest.mark.parametrize("place", range(4))
def test_an_example_is_answered_from_the_samples(app: KnowledgeQA, language: Language, place: int) -> None:
    events = app.ask(EXAMPLES[place].text(language), options=AskOptions(language=language))
    answer = next(event.answer for event in events if isinstance(event, Finished))
    assert not answer.refused
    assert answer.mode == "extractive"
    assert FACTS[language][place] in answer.citations[0].quote


def test_every_example_is_held_by_a_fact() -> None:
    assert {len(facts) for facts in FACTS.values()} == {len(EXAMPLES)} == {4}
