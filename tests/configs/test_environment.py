"""From the environment and flags to settings: everything is checked, every problem is named, in both languages."""

from pathlib import Path
from typing import Any

import pytest

from configs.environment import interface_language, load_settings
from configs.model_config import Settings
from core.errors import ConfigError
from core.messages import Language


def problems_of(language: Language = "en", flags: dict[str, Any] | None = None, /, **environ: str) -> list[str]:
    """Load settings that are wrong and return the list of what is wrong with them."""
    with pytest.raises(ConfigError) as caught:
        load_settings(flags, environ={f"KNOWGLM_{name}": value for name, value in environ.items()})
    return [problem.text(language) for problem in caught.value.problems]


class TestPrecedence:
    def test_without_anything_the_defaults_are_in_force(self) -> None:
        settings = load_settings(environ={})
        assert settings == Settings()
        assert settings.model_fields_set == set()

    def test_the_environment_overrides_a_default(self) -> None:
        settings = load_settings(environ={"KNOWGLM_TOP_K": "9", "KNOWGLM_LLM": "extractive"})
        assert (settings.top_k, settings.llm) == (9, "extractive")
        assert settings.model_fields_set == {"top_k", "llm"}

    def test_a_flag_overrides_the_environment(self) -> None:
        environ = {"KNOWGLM_TOP_K": "9", "KNOWGLM_CHUNK_CHARS": "400"}
        settings = load_settings({"top_k": 3}, environ=environ)
        assert (settings.top_k, settings.chunk_chars) == (3, 400)

    def test_a_right_flag_hides_a_wrong_variable(self) -> None:
        assert load_settings({"top_k": 3}, environ={"KNOWGLM_TOP_K": "many"}).top_k == 3

    def test_a_flag_that_was_not_given_leaves_the_environment_in_force(self) -> None:
        assert load_settings({"top_k": None}, environ={"KNOWGLM_TOP_K": "9"}).top_k == 9

    @pytest.mark.parametrize("empty", ["", "   ", "\t"], ids=["empty", "blanks", "tab"])
    def test_an_empty_variable_counts_as_unset(self, empty: str) -> None:
        environ = {"KNOWGLM_TOP_K": empty, "KNOWGLM_LLM": empty, "KNOWGLM_THRESHOLD": empty, "KNOWGLM_NO_SUCH": empty}
        settings = load_settings(environ=environ)
        assert settings == Settings()
        assert settings.model_fields_set == set()

    def test_the_process_environment_is_read_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KNOWGLM_TOP_K", "11")
        assert load_settings().top_k == 11

    def test_variables_of_other_programs_are_left_alone(self) -> None:
        assert load_settings(environ={"TOP_K": "x", "PATH": "/bin", "KNOWGLMX_TOP_K": "x"}) == Settings()

    def test_a_falsy_flag_is_a_value(self) -> None:
        settings = load_settings({"passage_chars": 0, "history_turns": 0}, environ={"KNOWGLM_PASSAGE_CHARS": "300"})
        assert (settings.passage_chars, settings.history_turns) == (0, 0)

    def test_settings_do_not_change_afterwards(self) -> None:
        settings = load_settings(environ={})
        with pytest.raises(ValueError, match="frozen"):
            settings.top_k = 3  # type: ignore[misc]

    def test_folders_may_hold_any_characters(self) -> None:
        folder = "/数据 盘/{知识库}/𠮷"
        settings = load_settings(environ={"KNOWGLM_DATA_DIR": folder})
        assert settings.data_dir == Path(folder)

    @pytest.mark.parametrize("name", ["LLM", "DEVICE", "PROMPT", "LANG", "PRECISION", "EMBEDDING"])
    def test_blanks_around_a_value_do_not_count(self, name: str) -> None:
        """Windows' `set KNOWGLM_LLM=extractive && python …` leaves a blank at the end of the value."""
        values = {
            "LLM": "extractive",
            "DEVICE": "cpu",
            "PROMPT": "brief",
            "LANG": "en",
            "PRECISION": "int4",
            "EMBEDDING": "lexical",
        }
        settings = load_settings(environ={f"KNOWGLM_{name}": f" {values[name]} "})
        assert getattr(settings, name.lower()) == values[name]


ALL_WRONG = {
    "TOPK": "3",  # a misspelt name
    "GARBAGE_XYZZY": "1",  # a name like none of ours
    "MAX_FILE_MB": "many",  # not a number
    "TOP_K": "51",  # out of range
    "PRECISION": "int2",  # not among the choices
    "DEVICE": "gpu0",  # not of the pattern
    "LLM": "chatglm6b",  # not in the catalogue
    "CHUNK_CHARS": "100",
    "CHUNK_OVERLAP_CHARS": "60",  # too large for these chunks
}


class TestProblems:
    @pytest.mark.parametrize("language", ["zh", "en"])
    def test_every_problem_is_listed_at_once(self, language: Language) -> None:
        listed = problems_of(language, **ALL_WRONG)
        for name in set(ALL_WRONG) - {"CHUNK_CHARS"}:
            given = tuple(f"KNOWGLM_{name}{sign}" for sign in "=:：")
            mentions = [problem for problem in listed if problem.startswith(given)]
            assert len(mentions) == 1, (name, listed)
        assert len(listed) == 8

    def test_the_error_shows_all_of_them_and_exits_with_2(self) -> None:
        with pytest.raises(ConfigError) as caught:
            load_settings(environ={f"KNOWGLM_{name}": value for name, value in ALL_WRONG.items()})
        for language in ("zh", "en"):
            text = caught.value.text(language)
            assert "8" in text
            assert all(f"KNOWGLM_{name}" in text for name in ALL_WRONG if name != "CHUNK_CHARS")
        assert caught.value.exit_code == 2

    def test_a_wrong_flag_is_named_like_a_flag(self) -> None:
        listed = problems_of("en", {"top_k": 0, "topk": 3})
        assert sorted(problem.split(":")[0] for problem in listed) == ["--top-k=0", "--topk"]
        assert any("did you mean --top-k?" in problem for problem in listed)

    def test_flags_and_variables_are_reported_together(self) -> None:
        listed = problems_of("en", {"top_k": 0}, CHUNK_CHARS="1")
        assert any(problem.startswith("--top-k=0") for problem in listed)
        assert any(problem.startswith("KNOWGLM_CHUNK_CHARS=1:") for problem in listed)

    @pytest.mark.parametrize(
        ("name", "value", "suggestion"),
        [
            ("TOPK", "3", "KNOWGLM_TOP_K"),
            ("CHUNK_SIZE_CHARS", "3", "KNOWGLM_CHUNK_CHARS"),
            ("TRESHOLD", "0.3", "KNOWGLM_THRESHOLD"),
            ("EMBEDING", "lexical", "KNOWGLM_EMBEDDING"),
            ("MODEL_PATH", "/x", "KNOWGLM_MODEL_DIR"),
            ("LLM", "chatglm6b", "chatglm-6b"),
            ("LLM", "extract", "extractive"),
            ("EMBEDDING", "text2vec-large-chinse", "text2vec-large-chinese"),
            ("EMBEDDING", "bge-large-zh", "bge-large-zh-v1.5"),
            ("PROMPT", "defualt", "default"),
            ("PRECISION", "FP16", "fp16"),
            ("MISSING_MODEL", "embeded", "embedded"),
        ],
    )
    def test_the_right_name_is_suggested(self, name: str, value: str, suggestion: str) -> None:
        assert f"是不是想写 {suggestion}？" in problems_of("zh", **{name: value})[0]
        assert f"did you mean {suggestion}?" in problems_of("en", **{name: value})[0]

    def test_nothing_is_suggested_for_a_name_like_none_of_ours(self) -> None:
        assert "did you mean" not in problems_of("en", GARBAGE_XYZZY="1")[0]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("TOP_K", "0"),
            ("TOP_K", "51"),
            ("TOP_K", "5.5"),
            ("TOP_K", "five"),
            ("CHUNK_CHARS", "49"),
            ("CHUNK_CHARS", "2001"),
            ("HISTORY_TURNS", "-1"),
            ("MAX_FILE_MB", "0"),
            ("CONTEXT_CHARS", "99"),
        ],
    )
    def test_a_number_out_of_range_is_told_the_range(self, name: str, value: str) -> None:
        field = Settings.model_fields[name.lower()]
        low = next(item.ge for item in field.metadata if hasattr(item, "ge"))
        high = next(item.le for item in field.metadata if hasattr(item, "le"))
        [problem] = problems_of("en", **{name: value})
        assert problem.startswith(f"KNOWGLM_{name}={value}:")
        assert f"from {low} to {high}" in problem
        assert f"{low}–{high}" in problems_of("zh", **{name: value})[0]

    @pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CUDA", "cpu,cuda"])
    def test_a_device_of_the_wrong_form_is_refused(self, device: str) -> None:
        assert f"KNOWGLM_DEVICE={device}" in problems_of("en", DEVICE=device)[0]
        assert "cuda:N" in problems_of("zh", DEVICE=device)[0]
        assert f"KNOWGLM_EMBEDDING_DEVICE={device}" in problems_of("en", EMBEDDING_DEVICE=device)[0]

    @pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:11"])
    def test_devices(self, device: str) -> None:
        assert load_settings(environ={"KNOWGLM_DEVICE": device}).device == device

    @pytest.mark.parametrize("language", ["zh", "en"])
    @pytest.mark.parametrize("value", ["{0}", "{top_k}", "{", "}}", "{}"])
    def test_braces_in_a_value_are_shown_as_they_are(self, language: Language, value: str) -> None:
        with pytest.raises(ConfigError) as caught:
            load_settings(environ={"KNOWGLM_TOP_K": value, "KNOWGLM_LLM": value, f"KNOWGLM_X{value}": "1"})
        text = caught.value.text(language)
        assert f"KNOWGLM_TOP_K={value}" in text
        assert f"KNOWGLM_LLM={value}" in text

    def test_the_two_languages_do_not_mix(self) -> None:
        for problem in problems_of("en", **ALL_WRONG):
            assert problem.isascii(), problem
        for problem in problems_of("zh", **ALL_WRONG):
            assert any("\u4e00" <= sign <= "\u9fff" for sign in problem), problem
            assert "must be" not in problem

    def test_choices_are_listed(self) -> None:
        assert "fp32, int8, int4" in problems_of("en", PRECISION="int2")[0]
        assert "auto、zh、en" in problems_of("zh", LANG="fr")[0]


class TestOverlap:
    @pytest.mark.parametrize(("chunk", "overlap"), [("100", "50"), ("250", "125"), ("2000", "500")])
    def test_up_to_half_a_chunk(self, chunk: str, overlap: str) -> None:
        settings = load_settings(environ={"KNOWGLM_CHUNK_CHARS": chunk, "KNOWGLM_CHUNK_OVERLAP_CHARS": overlap})
        assert settings.chunk_overlap_chars == int(overlap)

    def test_more_is_refused_and_the_limit_is_told(self) -> None:
        [problem] = problems_of("en", CHUNK_CHARS="100", CHUNK_OVERLAP_CHARS="51")
        assert problem.startswith("KNOWGLM_CHUNK_OVERLAP_CHARS=51")
        assert "(50)" in problem

    def test_an_overlap_that_only_the_flag_for_the_chunk_makes_too_large(self) -> None:
        [problem] = problems_of("en", {"chunk_chars": 60}, CHUNK_OVERLAP_CHARS="100")
        assert "(30)" in problem

    def test_a_chunk_length_that_is_no_number_does_not_make_the_overlap_wrong(self) -> None:
        """Whether 200 is too much depends on a number that we were not given."""
        [problem] = problems_of("en", CHUNK_CHARS="many", CHUNK_OVERLAP_CHARS="200")
        assert problem.startswith("KNOWGLM_CHUNK_CHARS=many")


class TestFractions:
    """A share is written as 0.4, as 40% or as auto; 40 would be a misunderstanding."""

    @pytest.mark.parametrize("name", ["threshold", "dense_weight"])
    @pytest.mark.parametrize(
        ("value", "expected"), [("0.4", 0.4), ("40%", 0.4), (" 40 % ", 0.4), ("0", 0), ("1", 1), ("100%", 1)]
    )
    def test_forms(self, name: str, value: str, expected: float) -> None:
        settings = load_settings(environ={f"KNOWGLM_{name.upper()}": value})
        assert getattr(settings, name) == pytest.approx(expected)
        assert getattr(load_settings({name: value}, environ={}), name) == pytest.approx(expected)

    @pytest.mark.parametrize("name", ["threshold", "dense_weight"])
    @pytest.mark.parametrize("value", ["auto", "AUTO", " auto "])
    def test_auto_leaves_it_to_the_knowledge_base(self, name: str, value: str) -> None:
        settings = load_settings(environ={f"KNOWGLM_{name.upper()}": value})
        assert getattr(settings, name) is None
        assert name in settings.model_fields_set

    def test_auto_as_a_flag_overrides_the_environment(self) -> None:
        assert load_settings({"threshold": "auto"}, environ={"KNOWGLM_THRESHOLD": "0.4"}).threshold is None

    def test_a_number_as_a_flag(self) -> None:
        assert load_settings({"threshold": 0.25}, environ={}).threshold == 0.25

    @pytest.mark.parametrize("value", ["40", "1.1", "-0.1", "150%", "-5%", "nan", "inf", "nan%", "x%", "%", "high"])
    def test_what_is_no_share_is_refused_as_the_user_wrote_it(self, value: str) -> None:
        [problem] = problems_of("en", THRESHOLD=value)
        assert problem.startswith(f"KNOWGLM_THRESHOLD={value}:")
        assert "0–1" in problem or "percentage" in problem


class TestNames:
    @pytest.mark.parametrize("folder", ["./my-model", "/models/bge", "~/m3e", "D:\\模型\\bge", "weights/自训练"])
    def test_an_embedding_may_be_a_folder(self, folder: str) -> None:
        assert load_settings(environ={"KNOWGLM_EMBEDDING": folder}).embedding == folder

    def test_an_embedding_that_is_neither_a_name_nor_a_folder(self) -> None:
        [problem] = problems_of("en", EMBEDDING="my-model")
        assert "lexical" in problem
        assert "text2vec-large-chinese" in problem

    def test_a_language_model_is_a_name_a_folder_or_a_servers(self) -> None:
        assert problems_of("en", LLM="chatglm-7b")[0].startswith("KNOWGLM_LLM=chatglm-7b")
        assert load_settings(environ={"KNOWGLM_LLM": "./chatglm-7b"}).llm == "./chatglm-7b"
        on_server = {"KNOWGLM_LLM": "qwen2.5:7b", "KNOWGLM_LLM_URL": "http://127.0.0.1:1/v1"}
        assert load_settings(environ=on_server).llm == "qwen2.5:7b"

    def test_a_servers_address_is_one(self) -> None:
        assert problems_of("en", LLM_URL="localhost:8000")[0].startswith("KNOWGLM_LLM_URL=localhost:8000")

    def test_keys_are_not_shown(self) -> None:
        settings = load_settings(environ={"KNOWGLM_LLM_API_KEY": "sk-secret"})
        assert "sk-secret" not in repr(settings) + settings.model_dump_json()
        assert settings.llm_api_key.get_secret_value() == "sk-secret"


class TestInterfaceLanguage:
    @pytest.mark.parametrize(
        ("environ", "language"),
        [
            ({"KNOWGLM_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
            ({"KNOWGLM_LANG": "zh", "LANG": "en_US.UTF-8"}, "zh"),
            ({"KNOWGLM_LANG": "auto", "LANG": "en_US.UTF-8"}, "en"),
            ({"LANG": "en_GB"}, "en"),
            ({"LANG": "zh_TW.UTF-8"}, "zh"),
            ({"LANG": "C.UTF-8"}, "zh"),
            ({"LANG": "POSIX"}, "zh"),
            ({"LANG": "de_DE.UTF-8"}, "zh"),
            ({}, "zh"),
            ({"LC_ALL": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
            ({"LC_MESSAGES": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
            ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "en_US.UTF-8"}, "en"),
            ({"LC_ALL": "zh_CN.UTF-8", "LC_MESSAGES": "en_US", "LANG": "en_US"}, "zh"),
        ],
        ids=lambda value: (
            "-".join(f"{k}.{v}" for k, v in value.items()) or "none" if isinstance(value, dict) else value
        ),
    )
    def test_from_the_environment(self, environ: dict[str, str], language: str) -> None:
        assert interface_language(environ=environ) == language

    @pytest.mark.parametrize(("lang", "expected"), [("zh", "zh"), ("en", "en"), ("auto", "en")])
    def test_settings_come_first(self, lang: str, expected: str) -> None:
        settings = load_settings({"lang": lang}, environ={})
        assert interface_language(settings, environ={"KNOWGLM_LANG": "zh", "LANG": "en_US.UTF-8"}) == expected

    def test_a_wrong_language_is_reported_in_the_locale_s(self) -> None:
        """The error about KNOWGLM_LANG=fr has to be said in some language."""
        assert interface_language(environ={"KNOWGLM_LANG": "fr", "LANG": "en_US.UTF-8"}) == "en"

    def test_the_process_environment_is_read_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LANG", "en_US.UTF-8")
        assert interface_language() == "en"
