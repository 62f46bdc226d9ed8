"""Threshold, top-k and dense weight that a list of questions speaks for, and how sure that is.

How sure: the choice is made again on a thousand samples drawn from the list with repetition (the bootstrap, Efron
1979), answerable and unanswerable questions apart; 95 % of those choices are the interval.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chains.evaluation.evaluate import MOST_TOP_K, Ranking, curve_point
from core.answers import RetrievalSettings
from core.evaluation import CalibratedSetting, Suggested, Suggestion, WeightPoint
from core.messages import Message

_Array = NDArray[np.float64]
_Size = tuple[int, int]  # how many questions have an answer, and how many have none

_RESAMPLES = 1000
_SEED = 20230314
_THRESHOLDS = np.arange(201) / 200
_TOP_KS = np.arange(1, MOST_TOP_K + 1, dtype=np.float64)
_GIVEN_UP = 0.01  # of the score, for a smaller top-k or for leaving the weight as it is
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
    "dense_weight": Message(
        "正确段落名次倒数的平均（被最佳阈值去掉的算 0），与无答案的问题被拒答的比例，两者的平均；"
        "相差不到 1 个百分点时保留接近现值的",
        "mean of the reciprocal rank of the right passage, 0 where the best threshold drops it, and of the share of "
        "unanswerable questions that are refused; of values within a point, the nearest to the one in force",
    ),
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
    now = curve_point(current, in_force.threshold, in_force.top_k, 0)
    answerable = sum(ranking.answerable for ranking in current)
    size = answerable, len(current) - answerable
    settings: list[Suggested] = []
    weight, threshold = in_force.dense_weight, in_force.threshold
    if len(rankings) > 1:
        settings.append(_weight(rankings, in_force.top_k, weight, size))
        weight = settings[-1].value
    if now.refused is not None:
        before = _InForce(threshold, ((now.recall or 0.0) + now.refused) / 2, size)
        settings.append(_threshold(rankings[weight], in_force.top_k, before))
        threshold = settings[-1].value
    recall = curve_point(rankings[weight], threshold, in_force.top_k, 0).recall or 0.0
    settings.append(_top_k(rankings[weight], threshold, _InForce(in_force.top_k, recall, size)))
    return Suggestion(tuple(settings), embedding, (NO_UNANSWERABLE,) if now.refused is None else ())


def weight_curve(rankings: Mapping[float, Sequence[Ranking]], top_k: int) -> tuple[WeightPoint, ...]:
    """Return what each dense weight reaches."""
    points = []
    for weight, of_weight in rankings.items():
        reciprocal = [_reciprocal(ranking) for ranking in of_weight if ranking.answerable]
        score = np.mean([table.mean() for table in _weight_scores(of_weight, top_k)])
        points.append(WeightPoint(weight, float(np.mean(reciprocal)) if reciprocal else None, float(score)))
    return tuple(points)


@dataclass(frozen=True, slots=True)
class _InForce:
    """What a suggestion is held against.

    Attributes:
        score: see `Suggested.score_in_force`.
    """

    value: float
    score: float
    size: _Size


def _weight(rankings: Mapping[float, Sequence[Ranking]], top_k: int, in_force: float, size: _Size) -> Suggested:
    weights = np.array(list(rankings))
    by_weight = [_weight_scores(of_weight, top_k) for of_weight in rankings.values()]
    tables = [np.array(columns).T for columns in zip(*by_weight, strict=True)]
    nearest_first = np.argsort(np.abs(weights - in_force), kind="stable")

    def choose(scores: _Array) -> int:
        return int(next(at for at in nearest_first if scores[at] >= scores.max() - _GIVEN_UP - 1e-12))

    score = float(np.mean([table.mean(axis=0)[nearest_first[0]] for table in tables]))
    return _suggested("dense_weight", weights, tables, choose, _InForce(in_force, score, size))


def _weight_scores(rankings: Sequence[Ranking], top_k: int) -> list[_Array]:
    """Return the scores of the answerable questions, then of the others if there are any, with the best threshold."""
    reciprocal = np.array([_reciprocal(ranking) for ranking in rankings if ranking.answerable])
    if all(ranking.answerable for ranking in rankings):
        return [reciprocal]
    used, refused = _separation(rankings, top_k)
    best = _middle_best((used.mean(axis=0) + refused.mean(axis=0)) / 2)
    return [reciprocal * used[:, best], refused[:, best]]


def _reciprocal(ranking: Ranking) -> float:
    return 1 / ranking.rank if ranking.rank is not None and ranking.rank <= 10 else 0.0


def _threshold(rankings: Sequence[Ranking], top_k: int, before: _InForce) -> Suggested:
    return _suggested("threshold", _THRESHOLDS, _separation(rankings, top_k), _middle_best, before)


def _separation(rankings: Sequence[Ranking], top_k: int) -> tuple[_Array, _Array]:
    """Return by threshold which answerable questions use a right chunk, and which of the others are refused.

    Both have a row a question and a column a threshold, of zeros and ones.
    """
    right = np.array([_right_relevance(ranking, top_k) for ranking in rankings if ranking.answerable])
    wrong = np.array([max(ranking.relevance, default=0.0) for ranking in rankings if not ranking.answerable])
    return (right[:, None] >= _THRESHOLDS).astype(float), (wrong[:, None] < _THRESHOLDS).astype(float)


def _middle_best(scores: _Array) -> int:
    """Return where the middle of all that does best stands: the farthest from both mistakes."""
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return int(best[len(best) // 2])


def _right_relevance(ranking: Ranking, top_k: int) -> float:
    """Return the threshold up to which a right chunk is used, −1 where none is at any."""
    rank = ranking.usable_rank
    return ranking.relevance[rank - 1] if rank is not None and rank <= top_k else -1.0


def _top_k(rankings: Sequence[Ranking], threshold: float, before: _InForce) -> Suggested:
    ranks = [_rank_above(ranking, threshold) for ranking in rankings if ranking.answerable]
    table = (np.array(ranks)[:, None] <= _TOP_KS).astype(float)

    def choose(recalls: _Array) -> int:
        return int(np.argmax(recalls >= recalls[-1] - _GIVEN_UP - 1e-12))

    return _suggested("top_k", _TOP_KS, [table], choose, before)


def _rank_above(ranking: Ranking, threshold: float) -> float:
    rank = ranking.usable_rank
    return rank if rank is not None and ranking.relevance[rank - 1] >= threshold else np.inf


def _suggested(
    setting: CalibratedSetting,
    values: _Array,
    tables: Sequence[_Array],
    choose: Callable[[_Array], int],
    before: _InForce,
) -> Suggested:
    """Choose a value on the whole list and on resamples of it.

    Args:
        values: what there is to choose from, shape (values,).
        tables: for each kind of question what it scores by value, shape (questions, values), 0–1; kinds count equally.
        choose: picks the best of the values' mean scores.
    """
    scores = np.mean([table.mean(axis=0) for table in tables], axis=0)
    generator = np.random.default_rng(_SEED)
    drawn = [generator.multinomial(len(table), np.full(len(table), 1 / len(table)), _RESAMPLES) for table in tables]
    means = np.mean([counts @ table / len(table) for counts, table in zip(drawn, tables, strict=True)], axis=0)
    choices = values[[choose(row) for row in means]]
    low, high = (float(value) for value in np.quantile(choices, [0.025, 0.975], method="nearest"))
    best = choose(scores)
    is_few = min(len(table) for table in tables) < _FEW
    certainty = _certainty(setting, before.size, (low, high), float(np.ptp(values)), is_few=is_few)
    value, score = float(values[best]), float(scores[best])
    return Suggested(setting, value, low, high, before.value, score, before.score, _OBJECTIVES[setting], certainty)


def _certainty(
    setting: CalibratedSetting, size: _Size, interval: tuple[float, float], span: float, *, is_few: bool
) -> Message:
    low, high = (f"{end:.0f}" if setting == "top_k" else f"{end:.1%}" for end in interval)
    said = _INTERVAL.filled(answerable=size[0], unanswerable=size[1], resamples=_RESAMPLES, low=low, high=high)
    width = (interval[1] - interval[0]) / span
    grade = _FEW_QUESTIONS.filled(few=_FEW) if is_few else next(_GRADES[limit] for limit in _GRADES if width <= limit)
    return Message(said.zh + grade.zh, said.en + grade.en)
