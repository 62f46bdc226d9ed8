"""Threshold, top-k and dense weight that a list of questions speaks for, and how sure that is.

How sure: the choice is made again on a thousand samples drawn from the list with repetition (the bootstrap, Efron
1979), answerable and unanswerable questions apart; 95 % of those choices are the interval.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chains.evaluate import MOST_TOP_K, Ranking
from core.answers import RetrievalSettings
from core.evaluation import CalibratedSetting, Suggested, Suggestion
from core.messages import Message

_Array = NDArray[np.float64]

_RESAMPLES = 1000
_SEED = 20230314
_THRESHOLDS = np.arange(201) / 200
_TOP_KS = np.arange(1, MOST_TOP_K + 1, dtype=np.float64)
_RECALL_GIVEN_UP = 0.01  # for a smaller top-k
_FEW = 30  # questions of a kind
_SURE, _FAIR = 0.05, 0.15  # width of the interval, as a share of the setting's range

_OBJECTIVES: dict[CalibratedSetting, Message] = {
    "threshold": Message(
        "有答案的问题用上正确段落的比例，与无答案的问题被拒答的比例，两者的平均",
        "mean of the share of answerable questions whose right passage is used and of the share of unanswerable "
        "questions that are refused",
    ),
    "top_k": Message(
        "用上正确段落的比例不比取 20 条时低 1 个百分点以上的最小条数",
        "the fewest chunks that use the right passage for as many questions as 20 do, but for one point",
    ),
    "dense_weight": Message("第一个正确段落名次倒数的平均（MRR@10）", "mean reciprocal rank of the first right chunk"),
}
_INTERVAL = Message(
    "{answerable} 个有答案、{unanswerable} 个无答案的问题；重复抽样 {resamples} 次，95% 落在 {low} 到 {high}：",
    "{answerable} questions with an answer, {unanswerable} without; of {resamples} resamples, 95 % lie between "
    "{low} and {high}: ",
)
_FEW_QUESTIONS = Message(
    "问题太少，只能当作大概的方向。每一类至少 {few} 个才可靠。",
    "too few questions for more than a hint. Make it at least {few} of each kind.",
)
_GRADES = {
    _SURE: Message("可以放心采用。", "it can be relied upon."),
    _FAIR: Message("大致可靠，多加些问题会更准。", "roughly right; more questions would narrow it."),
    1.0: Message("还不可靠，换一批问题结果就可能不同。", "not reliable yet: other questions could give another value."),
}
NO_UNANSWERABLE = Message(
    "列表里没有无答案的问题，所以不建议阈值；加入一些知识库答不了的问题再评测。",
    "No question of the list is unanswerable, so no threshold is suggested; add some that the documents cannot answer.",
)
NOTHING_FOUND = Message(
    "没有一个有答案的问题找到了正确段落，所以没有建议；先看列表里的文件、页和原文是否写对。",
    "For no question was a right passage found, so nothing is suggested; check the list's files, pages and texts.",
)


def suggest(rankings: Mapping[float, Sequence[Ranking]], in_force: RetrievalSettings, embedding: str) -> Suggestion:
    """Choose the dense weight first, then with it the threshold, and with both the top-k.

    Args:
        rankings: of the same questions, by dense weight; the weight in force is among them. One entry means that there
            is no weight to choose.
        embedding: fingerprint of the embedding that ranked; empty for none.
    """
    current = rankings[in_force.dense_weight]
    if all(ranking.rank is None for ranking in current):
        return Suggestion((), embedding, (NOTHING_FOUND,))
    settings: list[Suggested] = []
    weight = in_force.dense_weight
    if len(rankings) > 1:
        settings.append(_suggested_weight(rankings, weight))
        weight = settings[-1].value
    chosen, threshold = rankings[weight], in_force.threshold
    if not all(ranking.answerable for ranking in chosen):
        settings.append(_suggested_threshold(chosen, in_force))
        threshold = settings[-1].value
    settings.append(_suggested_top_k(chosen, threshold, in_force.top_k))
    remarks = () if len(settings) == 2 + (len(rankings) > 1) else (NO_UNANSWERABLE,)
    return Suggestion(tuple(settings), embedding, remarks)


def reciprocal_ranks(rankings: Mapping[float, Sequence[Ranking]]) -> tuple[tuple[float, float], ...]:
    """Return MRR@10 by dense weight."""
    weights, table = _reciprocal_table(rankings)
    return tuple((float(weight), float(score)) for weight, score in zip(weights, table.mean(axis=0), strict=True))


def _suggested_weight(rankings: Mapping[float, Sequence[Ranking]], in_force: float) -> Suggested:
    weights, table = _reciprocal_table(rankings)
    nearest_first = np.argsort(np.abs(weights - in_force), kind="stable")  # of equals, the one nearest to what is

    def choose(scores: _Array) -> int:
        return int(nearest_first[np.argmax(scores[nearest_first])])

    return _suggested("dense_weight", weights, in_force, [table], choose, len(rankings[in_force]) - len(table))


def _reciprocal_table(rankings: Mapping[float, Sequence[Ranking]]) -> tuple[_Array, _Array]:
    """Return the weights, shape (weights,), and each answerable question's reciprocal ranks, (questions, weights)."""
    rows = [[_reciprocal(ranking) for ranking in of_weight if ranking.answerable] for of_weight in rankings.values()]
    return np.array(list(rankings)), np.array(rows).T


def _reciprocal(ranking: Ranking) -> float:
    return 1 / ranking.rank if ranking.rank is not None and ranking.rank <= 10 else 0.0


def _suggested_threshold(rankings: Sequence[Ranking], in_force: RetrievalSettings) -> Suggested:
    right = np.array([_right_relevance(ranking, in_force.top_k) for ranking in rankings if ranking.answerable])
    wrong = np.array([max(ranking.relevance, default=0.0) for ranking in rankings if not ranking.answerable])
    tables = [(right[:, None] >= _THRESHOLDS).astype(float), (wrong[:, None] < _THRESHOLDS).astype(float)]

    def choose(scores: _Array) -> int:
        best = np.flatnonzero(scores >= scores.max() - 1e-12)
        return int(best[len(best) // 2])  # the middle of what does equally well is the farthest from both mistakes

    return _suggested("threshold", _THRESHOLDS, in_force.threshold, tables, choose)


def _right_relevance(ranking: Ranking, top_k: int) -> float:
    """Return the threshold up to which a right chunk is used, −1 where none is at any."""
    rank = ranking.usable_rank
    return ranking.relevance[rank - 1] if rank is not None and rank <= top_k else -1.0


def _suggested_top_k(rankings: Sequence[Ranking], threshold: float, in_force: int) -> Suggested:
    answerable = [ranking for ranking in rankings if ranking.answerable]
    ranks = [_rank_above(ranking, threshold) for ranking in answerable]
    table = (np.array(ranks)[:, None] <= _TOP_KS).astype(float)

    def choose(recalls: _Array) -> int:
        return int(np.argmax(recalls >= recalls[-1] - _RECALL_GIVEN_UP - 1e-12))

    return _suggested("top_k", _TOP_KS, in_force, [table], choose, len(rankings) - len(answerable))


def _rank_above(ranking: Ranking, threshold: float) -> float:
    rank = ranking.usable_rank
    return rank if rank is not None and ranking.relevance[rank - 1] >= threshold else np.inf


def _suggested(
    setting: CalibratedSetting,
    values: _Array,
    in_force: float,
    tables: Sequence[_Array],
    choose: Callable[[_Array], int],
    others: int = 0,
) -> Suggested:
    """Choose a value on the whole list and on resamples of it.

    Args:
        values: what there is to choose from, shape (values,).
        tables: for each kind of question what it scores by value, shape (questions, values), 0–1; kinds count equally.
        choose: picks the best of the values' mean scores.
        others: questions that say nothing of this setting.
    """
    scores = np.mean([table.mean(axis=0) for table in tables], axis=0)
    generator = np.random.default_rng(_SEED)
    drawn = [generator.multinomial(len(table), np.full(len(table), 1 / len(table)), _RESAMPLES) for table in tables]
    means = np.mean([counts @ table / len(table) for counts, table in zip(drawn, tables, strict=True)], axis=0)
    choices = values[[choose(row) for row in means]]
    low, high = (float(value) for value in np.quantile(choices, [0.025, 0.975], method="nearest"))
    best, at = choose(scores), int(np.argmin(np.abs(values - in_force)))
    counts = (len(tables[0]), len(tables[1]) if len(tables) > 1 else others)
    is_few = min(len(table) for table in tables) < _FEW
    certainty = _certainty(setting, counts, (low, high), float(np.ptp(values)), is_few=is_few)
    score, score_in_force = float(scores[best]), float(scores[at])
    return Suggested(
        setting, float(values[best]), low, high, in_force, score, score_in_force, _OBJECTIVES[setting], certainty
    )


def _certainty(
    setting: CalibratedSetting, counts: tuple[int, int], interval: tuple[float, float], span: float, *, is_few: bool
) -> Message:
    low, high = (f"{end:.0f}" if setting == "top_k" else f"{end:.1%}" for end in interval)
    said = _INTERVAL.filled(answerable=counts[0], unanswerable=counts[1], resamples=_RESAMPLES, low=low, high=high)
    width = (interval[1] - interval[0]) / span
    grade = _FEW_QUESTIONS.filled(few=_FEW) if is_few else next(_GRADES[limit] for limit in _GRADES if width <= limit)
    return Message(said.zh + grade.zh, said.en + grade.en)
