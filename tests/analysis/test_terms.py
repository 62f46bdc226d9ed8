"""Index terms: what is in a text can be found, and only what is in it."""

from collections import Counter

import pytest
from edge_texts import EDGE_TEXTS
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.folding import fold
from analysis.terms import TermKind, index_form, index_terms, kind_of, occurrences, question_terms

TEXTS = st.text(
    st.sampled_from("请假须经部门主管批准甲乙丙丁請門經0123456789abcXYZ.·-_/@ \n，。？！“”🎉🚀𰻝𠮷々〇アのＡ１．"),
    max_size=60,
)


def terms_of(text: str) -> set[str]:
    return set(index_terms(index_form(text)))


def found_in(term: str, text: str) -> int:
    return occurrences(term, index_form(text).runs)


class TestIndexTerms:
    def test_a_word_of_two_characters_is_findable(self) -> None:
        assert found_in("请假", "员工请假须经部门主管批准。") == 1
        assert "请假" in terms_of("员工请假须经部门主管批准。")

    def test_a_single_character_is_findable(self) -> None:
        assert terms_of(EDGE_TEXTS["one_character"]) == {"猫"}

    def test_a_bigram_does_not_reach_across_a_stop(self) -> None:
        assert "假须" not in terms_of("请假。须经批准")
        assert found_in("假须", "请假。须经批准") == 0

    def test_a_bigram_does_not_reach_across_a_word(self) -> None:
        assert found_in("存卡", "显存GPU卡") == 0

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("版本 0.1.17 发布", {"0.1.17"}),
            ("得分3.14分", {"3.14"}),
            ("ChatGLM-6B", {"chatglm", "6b"}),
            ("chatglm2-6b-int4", {"chatglm2", "6b", "int4"}),
            ("v1.2.3。", {"v1.2.3"}),
            ("snake_case", {"snake", "case"}),
            ("a.b@c.com", {"a", "b", "c", "com"}),
            ("ＧＰＵ６ＧＢ", {"gpu6gb"}),
            ("Straße naïve", {"straße", "naïve"}),
            ("Привет мир", {"привет", "мир"}),
            ("2024-05-01", {"2024", "05", "01"}),
        ],
    )
    def test_words_digits_and_versions(self, text: str, words: set[str]) -> None:
        assert {term for term in terms_of(text) if kind_of(term) is TermKind.WORD} == words

    @pytest.mark.parametrize("sign", list("🎉🚀👧☀✅❤⭐⏰"), ids=lambda sign: f"U{ord(sign):X}")
    def test_an_emoji_is_a_term(self, sign: str) -> None:
        assert found_in(sign, f"部署成功{sign}。") == 1
        assert question_terms(sign) == {sign: TermKind.UNIGRAM}

    @pytest.mark.parametrize("sign", list("𰻝𠮷㐂々〇豈かア한龜"), ids=lambda sign: f"U{ord(sign):X}")
    def test_a_rare_character_is_a_term(self, sign: str) -> None:
        assert found_in(fold(sign), f"这个字是{sign}。") == 1
        assert set(question_terms(sign)) <= terms_of(f"这个字是{sign}。")
        assert question_terms(sign)

    def test_traditional_and_full_width_text_has_the_same_terms(self) -> None:
        assert terms_of(EDGE_TEXTS["traditional"]) == terms_of(EDGE_TEXTS["simplified"])
        assert terms_of(EDGE_TEXTS["full_width"]) == terms_of(EDGE_TEXTS["half_width"])

    @pytest.mark.parametrize("text", ["", "  \n", "。，！？", "——……", "|---|", "\ufeff", "（）“”"])
    def test_text_without_anything_to_search_for(self, text: str) -> None:
        assert index_form(text).length == 0
        assert index_terms(index_form(text)) == []
        assert question_terms(text) == {}

    def test_length_counts_ideographs_and_words(self) -> None:
        assert index_form("请假3天, GPU 0.1.17🎉").length == 3 + 1 + 1 + 1 + 1

    def test_repetitions_are_kept(self) -> None:
        assert Counter(index_terms(index_form("请假，再请假 GPU gpu")))["请假"] == 2
        assert found_in("gpu", "请假，再请假 GPU gpu") == 2

    def test_the_kinds_weigh_a_word_most(self) -> None:
        assert TermKind.WORD.value > TermKind.UNIGRAM.value > TermKind.BIGRAM.value
        assert (kind_of("猫"), kind_of("请假"), kind_of("gpu"), kind_of("3.14")) == (
            TermKind.UNIGRAM,
            TermKind.BIGRAM,
            TermKind.WORD,
            TermKind.WORD,
        )


class TestOccurrences:
    @pytest.mark.parametrize(
        ("term", "text"),
        [
            ("3", "32 GB"),
            ("3", "13GB 3.14 v3 3b 1.3"),
            ("gpu", "gpus egpu gpu1"),
            ("0.1", "0.1.17 10.1"),
            ("b", "6b"),
            ("int", "int4 print"),
        ],
    )
    def test_a_word_never_matches_inside_another_word(self, term: str, text: str) -> None:
        assert found_in(term, text) == 0

    @pytest.mark.parametrize(
        ("term", "text", "count"),
        [
            ("3", "3", 1),
            ("3", "共3台", 1),
            ("3", "3 3 3", 3),
            ("3", "3、32、3", 2),
            ("gpu", "GPU显存，ＧＰＵ卡", 2),
            ("0.1.17", "版本0.1.17。", 1),
        ],
    )
    def test_a_word_matches_wherever_it_stands_alone(self, term: str, text: str, count: int) -> None:
        assert found_in(term, text) == count

    @pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
    def test_every_term_of_a_text_occurs_in_it(self, text: str) -> None:
        form = index_form(text)
        for term, count in Counter(index_terms(form)).items():
            assert 1 <= occurrences(term, form.runs) <= count, term

    @given(TEXTS)
    @settings(derandomize=True, max_examples=60, deadline=None)
    def test_occurrences_agree_with_the_terms(self, text: str) -> None:
        form = index_form(text)
        for term, count in Counter(index_terms(form)).items():
            found = occurrences(term, form.runs)
            # a bigram of one character repeated overlaps itself: 哈哈 is twice a term of 哈哈哈
            assert found == count or (len(set(term)) == 1 and 1 <= found <= count), term

    @given(TEXTS, TEXTS)
    @settings(derandomize=True, max_examples=60, deadline=None)
    def test_a_term_of_one_text_occurs_in_another_exactly_if_it_is_a_term_of_it(self, one: str, other: str) -> None:
        theirs, form = terms_of(other), index_form(other)
        for term in terms_of(one):
            assert (occurrences(term, form.runs) > 0) == (term in theirs), term


class TestIndexForm:
    @pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
    def test_deterministic(self, text: str) -> None:
        assert index_form(text) == index_form(text)
        assert index_form(text) == index_form(fold(text))

    @given(TEXTS, TEXTS)
    @settings(derandomize=True, max_examples=60, deadline=None)
    def test_two_paragraphs_have_the_terms_of_both(self, one: str, other: str) -> None:
        together = Counter(index_terms(index_form(f"{one}\n{other}")))
        assert together == Counter(index_terms(index_form(one))) + Counter(index_terms(index_form(other)))


class TestQuestionTerms:
    def test_question_words_become_a_gap(self) -> None:
        terms = set(question_terms("请假找谁审批"))
        assert terms >= {"请假", "审批", "找"}
        assert not terms & {"谁", "找谁", "谁审", "找审"}

    @pytest.mark.parametrize(
        ("question", "expected"),
        [
            ("年假是什么时候", {"年", "假", "年假"}),
            ("年假是什麼時候？", {"年", "假", "年假"}),
            ("请问怎么请假", {"请", "假", "请假"}),
            ("What is the GPU memory?", {"gpu", "memori"}),
            ("WHO wrote ChatGLM", {"wrote", "chatglm"}),
            ("显存要多少", {"显", "存", "要", "显存", "存要"}),
            ("是否需要GPU呢", {"需", "要", "需要", "gpu"}),
            ("ＣＰＵ能不能运行", {"cpu", "运", "行", "运行"}),
        ],
    )
    def test_only_the_subject_is_left(self, question: str, expected: set[str]) -> None:
        assert set(question_terms(question)) == expected

    @pytest.mark.parametrize("question", ["是什么", "为什么？", "谁", "what is the", "请问怎么办呢"])
    def test_a_question_made_only_of_question_words_keeps_its_terms(self, question: str) -> None:
        assert set(question_terms(question)) == terms_of(question)
        assert question_terms(question)

    @pytest.mark.parametrize(
        ("question", "word"),
        [
            ("几何题怎么做", "几何"),
            ("几内亚的首都在哪里", "几内"),
            ("中奖几率是多少", "几率"),
            ("吗啡的副作用是什么", "吗啡"),
            ("哪吒的妈妈是谁", fold("哪吒")),
        ],
        ids=["geometry", "guinea", "probability", "morphine", "nezha"],
    )
    def test_a_word_that_only_contains_a_question_character_stays_whole(self, question: str, word: str) -> None:
        assert word in question_terms(question)

    def test_an_article_that_is_part_of_a_number_stays(self) -> None:
        assert set(question_terms("What is Table A.1?")) <= terms_of("Table A.1 lists the memory needs.")

    def test_numbers_and_versions_stay_whole(self) -> None:
        assert set(question_terms("0.1.17 版有什么变化")) >= {"0.1.17", "变化"}

    @pytest.mark.parametrize(
        "name", [name for name in EDGE_TEXTS if name not in {"english", "mixed", "decimals", "no_punctuation"}]
    )
    def test_terms_of_a_text_without_question_words_are_its_index_terms(self, name: str) -> None:
        assert set(question_terms(EDGE_TEXTS[name])) == terms_of(EDGE_TEXTS[name])

    @given(TEXTS)
    @settings(derandomize=True, max_examples=80, deadline=None)
    def test_a_question_never_asks_for_a_term_that_its_own_text_lacks(self, text: str) -> None:
        assert set(question_terms(text)) <= terms_of(text)

    @pytest.mark.parametrize(
        "question",
        ["请假找谁审批？", "What is chatglm's context?", "哪一年发布0.1.17", "2023年的GPU有多少种", "怎么样安装pip"],
    )
    def test_nor_does_a_question_with_question_words(self, question: str) -> None:
        assert set(question_terms(question)) < terms_of(question)

    def test_each_term_once_with_its_kind(self) -> None:
        assert question_terms("请假请假 GPU gpu") == {
            "请": TermKind.UNIGRAM,
            "假": TermKind.UNIGRAM,
            "请假": TermKind.BIGRAM,
            "假请": TermKind.BIGRAM,
            "gpu": TermKind.WORD,
        }
