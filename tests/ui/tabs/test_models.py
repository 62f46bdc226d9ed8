"""The models tab: what runs and what fits, switches that wait, settings without a load, adapters that are seen."""

import gc
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from golden_cases import TINY
from gradio_page import GradioPage, built
from hub_server import Hub, HubServer, start_hubs
from model_folders import embedding, safetensors
from safetensors.torch import save_file
from tiny_models import change, tiny_checkpoint

from core.accounts import LOCAL_ADMIN, User
from core.answers import AskOptions, Delta, Finished
from core.messages import Language
from models.devices import Device
from service.knowledge_qa import KnowledgeQA
from service.models import language_model
from service.models.downloads import ModelChanges
from ui.tabs.models import ModelsTab

GLM, CAUSAL = "chatglm-6b", "qwen2.5-1.5b-instruct"
READER = User("读者", role="reader")
MODEL, REPOSITORY = "text2vec-base-chinese", "shibing624/text2vec-base-chinese"
on_loopback = pytest.mark.allow_hosts(["127.0.0.1"])
CHAT = AskOptions(mode="chat")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tiny models under the names of large ones: a ChatGLM that hardly ever ends an answer, and a Qwen; a LoRA."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copytree(TINY / "v1_chat_tiny", folder / GLM)
    change(folder / GLM / "config.json", eos_token_id=527)
    tiny_checkpoint(folder / CAUSAL, "qwen2")
    sizes = {"r": 2, "lora_alpha": 16, "target_modules": ["query_key_value"]}
    (folder / "lora").mkdir()
    (folder / "lora" / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **sizes}), "utf-8")
    layer = "base_model.model.transformer.layers.0.attention.query_key_value"
    shapes = {f"{layer}.lora_A.weight": (2, 64), f"{layer}.lora_B.weight": (192, 2)}
    save_file({name: torch.ones(shape) for name, shape in shapes.items()}, folder / "lora/adapter_model.safetensors")
    gc.freeze()  # whenever a model is freed, garbage is looked for: not in the libraries, please
    yield folder
    gc.unfreeze()


@pytest.fixture
def qa(make_app: Callable[..., KnowledgeQA], weights: Path) -> KnowledgeQA:
    return make_app(model_dir=weights, llm=GLM, device="cpu", answer_tokens=8)


@pytest.fixture
def changes() -> Iterator[ModelChanges]:
    changes = ModelChanges()
    yield changes
    changes.close()


@pytest.fixture
def opened(changes: ModelChanges) -> Callable[..., GradioPage]:
    """A page with the tab on show: `opened(qa, user=…, language=…)`."""

    def open_page(qa: KnowledgeQA, *, user: User = LOCAL_ADMIN, language: Language = "zh") -> GradioPage:
        blocks, tab = built(lambda: ModelsTab(qa, changes, language))
        page = GradioPage(blocks, user)
        for step in tab.on_select["fn"](page.request):
            page.load(lambda _, updates=step: updates, tab.on_select["outputs"])
        return page

    return open_page


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with start_hubs(tmp_path_factory.mktemp("hubs")) as running:
        yield running


@pytest.fixture
def hub(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A mirror that HF_ENDPOINT names, with one model."""
    hub = server.new_hub()
    source = embedding(tmp_path / "published")
    files = {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    hub.publish(REPOSITORY, **{**files, "model.safetensors": safetensors(3_000_000)})
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("//", "//user:secret@"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return hub


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that have been loaded."""
    names: list[str] = []
    load = language_model.load_language_model

    def noted(target: Any, *arguments: Any) -> Any:
        names.append(target.name)
        return load(target, *arguments)

    monkeypatch.setattr(language_model, "load_language_model", noted)
    return names


def tick(page: GradioPage) -> None:
    """Let the page's timer run once."""
    (fn,) = [fn for fn in page._blocks.fns.values() if any(event == "tick" for _, event in fn.targets)]
    page._run(fn, gr.EventData(None, {}))


def settled(page: GradioPage, changes: ModelChanges) -> None:
    """Wait until the change has been made, and let the page take note."""
    until(lambda: changes.last is not None and changes.last.ended)
    tick(page)


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.005)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def buttons(html: str) -> list[tuple[str, str]]:
    found = re.findall(r"<button[^>]*>", html)
    return [(_attribute(tag, "action"), _attribute(tag, "model")) for tag in found]


def _attribute(tag: str, name: str) -> str:
    match = re.search(rf'data-{name}="([^"]*)"', tag)
    return match[1] if match else ""


def load(page: GradioPage, model: str) -> None:
    page.fire("model-catalogue", "click", {"action": "load", "model": model})


def answered(qa: KnowledgeQA) -> str:
    *_, last = qa.ask("年假有几天", options=CHAT)
    assert isinstance(last, Finished)
    return last.answer.text


# --- what is shown -------------------------------------------------------------------------------------------------


def test_what_is_known_is_shown_before_the_memory_has_been_looked_at(qa: KnowledgeQA, changes: ModelChanges) -> None:
    blocks, tab = built(lambda: ModelsTab(qa, changes, "zh"))
    first, second = tab.on_select["fn"](GradioPage(blocks).request)
    shown = [words(next(step[one] for one in step if one.elem_id == "model-catalogue")) for step in (first, second)]
    assert ["int4 4.6 GB" in text for text in shown] == [True, True]
    assert ["✓" in text or "✗" in text for text in shown] == [False, True]
    assert ["正在看这台机器的内存" in text for text in shown] == [True, False]


def test_the_catalogue_says_what_each_model_needs_and_what_fits(
    qa: KnowledgeQA, opened: Callable[..., GradioPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Device("cpu", "CPU", 8.0, 16.0, bf16=True)
    monkeypatch.setattr("service.models.inventory.find_devices", lambda _: [small])
    page = opened(qa)
    said = words(page.value("model-catalogue"))
    assert "CPU：内存可用 8.0 / 16.0 GB" in said
    row = said[said.index("chatglm2-6b ") : said.index("chatglm2-6b-int4")]
    assert "没有" in row
    assert "12.5 GB" in row
    assert "fp16 12.5 GB ✗" in row
    assert "int4 4.6 GB ✓" in row
    assert "嵌入模型" in said
    page.fire("model-name", "input", value="chatglm2-6b")
    labels = [label for label, _ in page.shown("model-precision", "choices")]
    assert "int4（4.6 GB，放得下）" in labels
    assert "fp16（12.5 GB，现在放不下）" in labels


def test_what_runs_is_said_in_words(qa: KnowledgeQA, opened: Callable[..., GradioPage]) -> None:
    page = opened(qa)
    assert "回答由 chatglm-6b 写 还没有载入" in words(page.value("model-now"))
    qa.load_model()
    assert re.search(r"回答由 chatglm-6b \(.+\) on cpu 写 已载入内存", words(opened(qa).value("model-now")))


def test_embedded_mode_is_said_with_its_reason(
    make_app: Callable[..., KnowledgeQA], opened: Callable[..., GradioPage]
) -> None:
    said = words(opened(make_app()).value("model-now"))
    assert said.startswith("当前为内置模式：")
    assert said.count("内置模式") == 1
    assert "chatglm-6b 的权重" in said


def test_what_is_in_force_without_weights_is_not_offered_again(
    make_app: Callable[..., KnowledgeQA], qa: KnowledgeQA, opened: Callable[..., GradioPage]
) -> None:
    embedded = ("load", "extractive")
    assert embedded not in buttons(opened(make_app()).value("model-catalogue"))
    assert embedded in buttons(opened(qa).value("model-catalogue"))


def test_a_reader_sees_what_runs_and_is_offered_nothing(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage]
) -> None:
    page = opened(qa, user=READER)
    assert "回答由 chatglm-6b 写" in words(page.value("model-now"))
    assert "chatglm2-6b" in page.value("model-catalogue")
    assert "<button" not in page.value("model-catalogue") + page.value("model-now")
    assert page.shown("model-manage", "visible") is False
    for data in ({"action": "load", "model": CAUSAL}, {"action": "unload"}, {"action": "download", "model": GLM}):
        with pytest.raises(gr.Error, match=r"admin|管理"):
            page.fire("model-catalogue", "click", data)
    for name, data in (("model-switch", {}), ("model-diagnose", {}), ("model-work", {"action": "cancel-change"})):
        with pytest.raises(gr.Error, match=r"admin|管理"):
            page.fire(name, "click", data)
    assert changes.last is None


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_part_speaks_the_language_of_the_page(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], language: Language
) -> None:
    qa.use_model(temperature=0.5)
    page = opened(qa, language=language)
    qa.use_model(llm="extractive")
    load(page, GLM)
    settled(page, changes)
    texts = [words(page.value(name)) for name in ("model-now", "model-work", "model-catalogue", "model-switch")]
    texts += [str(getattr(page._widget(f"sampling-{name}"), "label", "")) for name in ("temperature", "seed")]
    for text in texts:
        assert bool(re.search("[\u4e00-\u9fff]", text)) is (language == "zh"), text


# --- switching -----------------------------------------------------------------------------------------------------


def test_pain_45_a_model_is_switched_and_switched_back(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], loads: list[str]
) -> None:
    page, written = opened(qa), answered(qa)
    load(page, CAUSAL)
    settled(page, changes)
    assert qa.model_in_force.startswith(f"{CAUSAL} (")
    assert f"换用 {CAUSAL} 完成" in words(page.value("model-work"))
    assert qa.model_in_force in words(page.value("model-now"))
    assert (page.value("model-name"), ("unload", "") in buttons(page.value("model-catalogue"))) == (CAUSAL, True)
    assert answered(qa) != written
    load(page, GLM)
    settled(page, changes)
    assert answered(qa) == written
    assert loads == [GLM, CAUSAL, GLM]


def test_pain_45_a_switch_waits_for_the_answer_that_is_being_written_and_new_questions_wait(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage]
) -> None:
    page, writing = opened(qa), qa.ask("年假有几天", options=CHAT)
    next(event for event in writing if isinstance(event, Delta))
    load(page, CAUSAL)
    until(lambda: changes.last.progress is not None)  # type: ignore[union-attr]
    tick(page)
    assert "等待 1 个正在写的回答" in words(page.value("model-work"))
    assert "正在更换语言模型" in words(opened(qa, user=READER).value("model-now"))
    texts: list[str] = []
    asking = threading.Thread(target=lambda: texts.append(answered(qa)))
    asking.start()
    time.sleep(0.05)
    assert (texts, qa.model_in_force.startswith(GLM)) == ([], True)
    assert isinstance(list(writing)[-1], Finished)
    settled(page, changes)
    asking.join(20)
    assert qa.model_in_force.startswith(CAUSAL)
    assert len(texts) == 1


def test_a_switch_goes_on_without_its_page_and_another_page_follows_it(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage]
) -> None:
    page, writing = opened(qa), qa.ask("年假有几天", options=CHAT)
    next(event for event in writing if isinstance(event, Delta))
    load(page, CAUSAL)
    other = opened(qa)
    assert f"换用 {CAUSAL} 进行中" in words(other.value("model-work"))
    with pytest.raises(gr.Error, match="已经在更换"):
        load(other, "extractive")
    writing.close()
    settled(other, changes)
    assert qa.model_in_force in words(other.value("model-now"))


def test_while_it_waits_a_switch_can_be_cancelled_and_nothing_has_changed(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage]
) -> None:
    page, writing = opened(qa), qa.ask("年假有几天", options=CHAT)
    next(event for event in writing if isinstance(event, Delta))
    before = qa.settings
    load(page, CAUSAL)
    page.fire("model-work", "click", {"action": "cancel-change"})
    settled(page, changes)
    assert "已取消，仍用原来的模型" in words(page.value("model-work"))
    assert isinstance(list(writing)[-1], Finished)
    assert qa.settings == before


def test_a_precision_that_is_refused_says_why_and_the_old_model_stays(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], weights: Path
) -> None:
    page, written, before = opened(qa), answered(qa), qa.settings
    page.write("model-name", str(weights / CAUSAL))
    page.write("model-precision", "int4")
    page.fire("model-switch", "click", {"action": "switch"})
    settled(page, changes)
    assert changes.last is not None
    assert changes.last.error is not None
    said = words(page.value("model-work"))
    assert "失败" in said
    assert words(changes.last.error.advice("zh")) in said
    assert "仍用原来的模型" in said
    assert (qa.settings, answered(qa)) == (before, written)


def test_a_model_that_does_not_fit_names_the_precision_that_would(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    page, written = opened(qa), answered(qa)
    full = Device("cpu", "CPU", 0.0001, 16.0, bf16=False)
    monkeypatch.setattr("models.chatglm.chat_model.find_devices", lambda _: [full])
    page.write("model-precision", "fp32")
    page.fire("model-switch", "click", {"action": "switch"})
    settled(page, changes)
    assert "内存不够" in words(page.value("model-work"))
    monkeypatch.undo()
    assert answered(qa) == written


def test_a_model_is_loaded_in_the_precision_and_on_the_device_that_were_chosen(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage]
) -> None:
    page = opened(qa)
    assert [value for _, value in page.shown("model-precision", "choices")] == [
        "auto", "fp16", "bf16", "fp32", "int8", "int4",
    ]  # fmt: skip
    assert {value for _, value in page.shown("model-device", "choices")} >= {"auto", "cpu"}
    page.write("model-precision", "int8")
    page.write("model-device", "cpu")
    page.fire("model-switch", "click", {"action": "switch"})
    settled(page, changes)
    assert re.fullmatch(rf"{GLM} \(int8(, exact)?\) on cpu", qa.model_in_force)
    assert (page.value("model-precision"), page.value("model-device")) == ("int8", "cpu")


def test_a_model_is_unloaded_and_the_next_question_loads_it(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], loads: list[str]
) -> None:
    written = answered(qa)
    page = opened(qa)
    page.fire("model-catalogue", "click", {"action": "unload"})
    settled(page, changes)
    assert qa.model_in_force == GLM
    assert "还没有载入" in words(page.value("model-now"))
    assert answered(qa) == written
    assert loads == [GLM, GLM]


def test_what_was_changed_is_said_to_end_with_the_program_and_how_to_keep_it(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage]
) -> None:
    page = opened(qa)
    assert "KNOWGLM_" not in page.value("model-now")
    load(page, "extractive")
    settled(page, changes)
    now = page.value("model-now")
    assert "只到程序结束为止" in now
    assert 'data-text="KNOWGLM_LLM=extractive"' in now
    assert "KNOWGLM_" not in opened(qa, user=READER).value("model-now")
    load(page, GLM)
    settled(page, changes)
    assert "KNOWGLM_" not in page.value("model-now")


def test_a_model_server_of_the_start_can_be_gone_back_to(
    make_app: Callable[..., KnowledgeQA], weights: Path, changes: ModelChanges, opened: Callable[..., GradioPage]
) -> None:
    qa = make_app(model_dir=weights, llm="qwen", llm_url="http://127.0.0.1:9/v1")
    page = opened(qa)
    server = page.value("model-name")
    assert (dict(map(reversed, page.shown("model-name", "choices")))[server]) == "qwen（启动时设置的服务）"
    load(page, GLM)
    settled(page, changes)
    assert qa.model_in_force.startswith(f"{GLM} (")
    page.write("model-name", server)
    page.fire("model-switch", "click", {"action": "switch"})
    settled(page, changes)
    assert (qa.settings.llm, qa.settings.llm_url) == ("qwen", "http://127.0.0.1:9/v1")
    assert "KNOWGLM_" not in page.value("model-now")


# --- adapters ------------------------------------------------------------------------------------------------------


def test_pain_48_an_adapter_is_seen_to_be_in_force_and_is_removed_by_clearing(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], weights: Path
) -> None:
    page, plain = opened(qa), answered(qa)
    page.write("model-adapter", f" {weights / 'lora'} ")
    page.fire("model-switch", "click", {"action": "switch"})
    settled(page, changes)
    assert "微调权重 lora 已生效" in words(page.value("model-now"))
    assert page.value("model-adapter") == str(weights / "lora")
    assert answered(qa) != plain
    qa.unload_model()
    assert "微调权重 lora 会随模型载入" in words(opened(qa).value("model-now"))
    page.write("model-adapter", "")
    page.fire("model-switch", "click", {"action": "switch"})
    settled(page, changes)
    assert "微调权重" not in page.value("model-now")
    assert answered(qa) == plain


def test_pain_48_an_adapter_that_cannot_be_applied_is_refused_and_the_old_model_stays(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], weights: Path, tmp_path: Path
) -> None:
    page, plain = opened(qa), answered(qa)
    for model, folder in ((CAUSAL, weights / "lora"), (GLM, tmp_path)):
        page.write("model-name", model)
        page.write("model-adapter", str(folder))
        page.fire("model-switch", "click", {"action": "switch"})
        settled(page, changes)
        assert str(folder) in words(page.value("model-work"))
        assert (answered(qa), qa.settings.adapter) == (plain, "")


def test_another_model_does_not_inherit_the_adapter(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], weights: Path
) -> None:
    qa.use_model(adapter=str(weights / "lora"), precision="fp32")
    page = opened(qa)
    load(page, CAUSAL)
    settled(page, changes)
    assert qa.model_in_force.startswith(f"{CAUSAL} (")
    assert (qa.settings.adapter, qa.settings.precision) == ("", "auto")


# --- sampling ------------------------------------------------------------------------------------------------------


def test_sampling_is_changed_without_loading_anything(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage], loads: list[str]
) -> None:
    page, greedy = opened(qa), answered(qa)
    for name, value in {"temperature": 1.5, "top_p": 1.0, "seed": 3.0, "answer_tokens": 12.0}.items():
        page.write(f"sampling-{name}", value)
    page.fire("model-sampling-save", "click")
    settled(page, changes)
    assert (qa.settings.temperature, qa.settings.seed, qa.settings.answer_tokens) == (1.5, 3, 12)
    assert answered(qa) != greedy
    assert loads == [GLM]
    assert "KNOWGLM_ANSWER_TOKENS=12 KNOWGLM_SEED=3 KNOWGLM_TEMPERATURE=1.5 KNOWGLM_TOP_P=1.0" in page.value(
        "model-now"
    )
    with pytest.raises(gr.Error, match="没有改动"):
        page.fire("model-sampling-save", "click")


def test_a_setting_that_does_nothing_is_named(
    qa: KnowledgeQA, changes: ModelChanges, opened: Callable[..., GradioPage]
) -> None:
    page = opened(qa)
    page.write("sampling-seed", 7)
    page.fire("model-sampling-save", "click")
    settled(page, changes)
    assert "这些设置目前不起作用：seed" in words(page.value("model-now"))
    page.write("sampling-seed", None)
    page.fire("model-sampling-save", "click")
    settled(page, changes)
    assert qa.settings.seed is None
    assert "不起作用" not in page.value("model-now")


# --- downloads -----------------------------------------------------------------------------------------------------


def confirmation(page: GradioPage, model: str) -> str:
    """Return what is asked before a model is downloaded."""
    (tag,) = [
        tag
        for tag in re.findall(r"<button[^>]*>", page.value("model-catalogue"))
        if (_attribute(tag, "action"), _attribute(tag, "model")) == ("download", model)
    ]
    return _attribute(tag, "confirm")


def download(page: GradioPage, model: str = MODEL) -> None:
    page.fire("model-catalogue", "click", {"action": "download", "model": model})


def ended(qa: KnowledgeQA, model: str = MODEL) -> bool:
    return all(job.ended for job in qa.jobs.of(model))


def test_nothing_is_fetched_before_somebody_agrees_to_what_it_takes(
    make_app: Callable[..., KnowledgeQA], opened: Callable[..., GradioPage], hub: Hub
) -> None:
    asked = confirmation(opened(make_app()), "chatglm-6b-int4")
    host = hub.url.split("/")[2]
    assert f"从 {host} 下载 chatglm-6b-int4，还要约 3.9 GB" in asked
    assert re.search(r"可用 \d+\.\d GB", asked)
    assert "secret" not in asked
    assert hub.requests == []


@on_loopback
def test_a_model_is_downloaded_in_the_background(
    make_app: Callable[..., KnowledgeQA], opened: Callable[..., GradioPage], hub: Hub
) -> None:
    qa = make_app()
    hub.plan(pause_s=0.003)
    page = opened(qa)
    download(page)
    until(lambda: any(job.progress and job.progress.done > 100_000 for job in qa.jobs.of(MODEL)))
    tick(page)
    assert re.search(
        rf"下载 {MODEL} 进行中 取消 \d+% · model.safetensors，已有 0.00 / 0.00 GB", words(page.value("model-work"))
    )
    download(opened(qa))  # a second click is no second download
    assert len(qa.jobs.of(MODEL)) == 1
    hub.plan()
    until(lambda: ended(qa))
    tick(page)
    assert f"下载 {MODEL} 完成 下载完了" in words(page.value("model-work"))
    assert ("download", MODEL) not in buttons(page.value("model-catalogue"))
    assert (qa.settings.model_dir / MODEL / "model.safetensors").stat().st_size > 3_000_000


@on_loopback
def test_a_download_is_cancelled_and_goes_on_where_it_stopped(
    make_app: Callable[..., KnowledgeQA], opened: Callable[..., GradioPage], hub: Hub
) -> None:
    qa = make_app()
    hub.plan(pause_s=0.003)
    page = opened(qa)
    download(page)
    until(lambda: any(job.progress and job.progress.done > 100_000 for job in qa.jobs.of(MODEL)))
    page.fire("model-work", "click", {"action": "cancel", "job": qa.jobs.of(MODEL)[0].id})
    until(lambda: ended(qa))
    tick(page)
    assert f"下载 {MODEL} 已取消" in words(page.value("model-work"))
    assert "已经下载的部分都在" in words(page.value("model-work"))
    assert f"继续下载 {MODEL}" in page.value("model-catalogue")
    hub.plan()
    download(page)
    until(lambda: ended(qa))
    assert qa.jobs.of(MODEL)[0].state == "done"
    ranges = [one["range"] for one in hub.requests if one["file"] == "model.safetensors"]
    assert re.fullmatch(r"bytes=[1-9]\d*-", ranges[-1])


@on_loopback
def test_a_hub_out_of_reach_is_an_error_with_advice(
    make_app: Callable[..., KnowledgeQA], opened: Callable[..., GradioPage], hub: Hub
) -> None:
    qa = make_app()
    hub.plan(statuses={"": 503})
    page = opened(qa)
    download(page)
    until(lambda: ended(qa))
    tick(page)
    said = words(page.value("model-work"))
    assert "没有完成" in said
    assert "HF_ENDPOINT" in said


def test_what_is_not_in_the_catalogue_is_not_downloaded(
    make_app: Callable[..., KnowledgeQA], opened: Callable[..., GradioPage], hub: Hub
) -> None:
    page = opened(make_app())
    for name in ("../../elsewhere", "extractive", "lexical"):
        with pytest.raises(gr.Error, match="不在可下载的模型之列"):
            download(page, name)
    assert hub.requests == []


def test_without_an_address_no_download_is_offered_and_the_tab_works(
    make_app: Callable[..., KnowledgeQA], opened: Callable[..., GradioPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "nonsense")
    page = opened(make_app())
    assert "download" not in {action for action, _ in buttons(page.value("model-catalogue"))}
    page.fire("model-diagnose", "click")
    assert "HF_ENDPOINT=nonsense" in words(page.value("model-doctor"))


@on_loopback
def test_what_the_visitor_fills_in_survives_the_end_of_a_download(
    make_app: Callable[..., KnowledgeQA], opened: Callable[..., GradioPage], hub: Hub
) -> None:
    qa = make_app()
    page = opened(qa)
    download(page)
    page.write("model-adapter", "/half/a/pa")
    until(lambda: ended(qa))
    tick(page)
    assert page.value("model-adapter") == "/half/a/pa"
    assert ("download", MODEL) not in buttons(page.value("model-catalogue"))


# --- the doctor ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("online", [False, True])
def test_the_doctor_contacts_nobody_unless_that_is_wanted(
    qa: KnowledgeQA, opened: Callable[..., GradioPage], monkeypatch: pytest.MonkeyPatch, online: bool
) -> None:
    import ui.tabs.model_doctor as doctor

    asked: list[bool] = []
    diagnose = doctor.diagnose

    def noted(settings: Any, *, online: bool) -> Any:
        asked.append(online)
        return diagnose(settings)

    monkeypatch.setattr(doctor, "diagnose", noted)
    page = opened(qa)
    if online:
        page.write("model-online", True)
    first, _ = page.fire("model-diagnose", "click")
    assert asked == [online]
    assert "正在检查" in str(first)
    assert re.search(r"\d+ 个问题，\d+ 个提醒", words(page.value("model-doctor")))
    assert "chatglm-6b：文件齐全" in words(page.value("model-doctor"))
