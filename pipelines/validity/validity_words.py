"""The words of the validity pages: what was measured, why, and what is said of which number.

Belongs here: sections, rows, and claims that are chosen by comparing a figure with a limit.
Must not be here: figures of any run, or how pages are laid out (``validity_pages``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from trust_models.trust_validation import Figure

Style = Literal["rank", "share", "ratio", "points", "loss", "count"]


class Text(NamedTuple):
    """The same words in English and Chinese."""

    en: str
    zh: str


class Row(NamedTuple):
    """A line of a table: which figure, what it is called, how it is written."""

    key: str
    label: Text
    style: Style = "rank"


class Outcome(NamedTuple):
    """What is said of the companies whose figure passes the test; ``fails`` where it is bad news."""

    test: Callable[[Figure], bool]
    text: Text
    fails: bool = False


class Claim(NamedTuple):
    """One statement about one figure: the first outcome whose test a company's figure passes is said of it."""

    row: Row
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Section:
    """A measure: what is asked and how, its table, and what is said of it."""

    title: Text
    text: Text
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]


def at_least(limit: float) -> Callable[[Figure], bool]:
    """Whether the value reaches a limit."""
    return lambda found: _value(found) >= limit


def below(limit: float) -> Callable[[Figure], bool]:
    """Whether the value stays below a limit."""
    return lambda found: _value(found) < limit


def is_above_zero(found: Figure) -> bool:
    """Whether the whole interval lies above 0."""
    return found.low is not None and found.low > 0


def is_below_zero(found: Figure) -> bool:
    """Whether the whole interval lies below 0."""
    return found.high is not None and found.high < 0


def always(_: Figure) -> bool:
    """Whatever is left."""
    return True


def _value(found: Figure) -> float:
    assert found.value is not None
    return found.value


def _claim(row: Row, *outcomes: Outcome) -> Claim:
    return Claim(row, outcomes)


def _good(test: Callable[[Figure], bool], en: str, zh: str) -> Outcome:
    return Outcome(test, Text(en, zh))


def _bad(test: Callable[[Figure], bool], en: str, zh: str) -> Outcome:
    return Outcome(test, Text(en, zh), fails=True)


def _row(key: str, en: str = "", zh: str = "", style: Style = "rank") -> Row:
    return Row(key, Text(en, zh), style)


CEILING_SHARE = 0.92
COVERAGE = (0.88, 0.92)

_RATIO = _row("ratio/trust_score", "`trust_score`: share of the ceiling", "`trust_score`：达到上限的比例", "ratio")
_SCORED_RATIO = _row(
    "scored/ratio",
    "customers given a score, `trust_score`: share of the ceiling",
    "给出评分的客户，`trust_score`：达到上限的比例",
    "ratio",
)
_SCORED_LEAD = _row(
    "scored/lead",
    "customers given a score: `trust_score` less `trust_experience`",
    "给出评分的客户：`trust_score` 减 `trust_experience`",
)
_BEATS_JOSANG = _row(
    "lead/trust_experience/josang", "`trust_experience` less Jøsang", "`trust_experience` 减 Jøsang", "rank"
)
_BEATS_FREE = _row(
    "lead/trust_experience/complaint_free",
    "`trust_experience` less complaint-free rate",
    "`trust_experience` 减无投诉率",
    "rank",
)
_COVERED = _row("coverage/90", "90% interval, all", "90% 区间，全部", "share")


def _is_covered(found: Figure) -> bool:
    return COVERAGE[0] <= _value(found) <= COVERAGE[1]


REQUIREMENTS: tuple[Claim, ...] = (
    _claim(
        _RATIO,
        _good(
            at_least(CEILING_SHARE),
            "`trust_score` reaches at least 92% of the ceiling",
            "`trust_score` 至少达到上限的 92%",
        ),
    ),
    _claim(
        _SCORED_RATIO,
        _good(
            at_least(CEILING_SHARE),
            "the same of the customers who are given a score (`scored`)",
            "同上，仅限给出评分（`scored`）的客户",
        ),
    ),
    _claim(
        _COVERED,
        _good(
            _is_covered,
            "the 90% interval holds the true value for 88% to 92% of the customers",
            "90% 区间包含 88% 至 92% 客户的真实值",
        ),
    ),
    _claim(
        _BEATS_JOSANG,
        _good(
            is_above_zero, "`trust_experience` clearly beats Jøsang's score", "`trust_experience` 明显优于 Jøsang 评分"
        ),
    ),
    _claim(
        _BEATS_FREE,
        _good(
            is_above_zero,
            "`trust_experience` clearly beats the complaint-free rate",
            "`trust_experience` 明显优于无投诉率",
        ),
    ),
)
"""What has to be reached in every company; the one outcome of each is the requirement."""


def _beats(row: Row, en: str, zh: str) -> Claim:
    return _claim(
        row,
        _good(
            is_above_zero,
            f"`trust_experience` finds true trust clearly better than {en}",
            f"`trust_experience` 比{zh}明显更接近真实信任",
        ),
        _bad(
            is_below_zero,
            f"`trust_experience` finds true trust clearly worse than {en}",
            f"`trust_experience` 比{zh}明显更远离真实信任",
        ),
        _bad(always, f"`trust_experience` and {en} cannot be told apart", f"`trust_experience` 与{zh}分不出高下"),
    )


AGREEMENT = Section(
    Text("How close the scores come to true trust", "评分与真实信任有多接近"),
    Text(
        "The figure is a rank correlation: 1 where the score puts all customers in the order of their true trust,"
        " 0 where it puts them in any order. Behaviour tells only part of what people feel, so 1 cannot be had."
        " The *ceiling* is what a learner finds that was shown the true trust of other customers and then saw the"
        " same evidence (boosted trees, five folds, three shuffles): no company could train it. It also learns"
        " from mere numbers, because who trusts more buys more and complains less; two further ceilings show"
        " this: what the numbers of trials tell, however they ended, and what is told beside segment, region,"
        " class and channel, which give away who buys more than others like them. A trust score must not take"
        " buying for trust, so it leaves that part alone. The simple rules are Jøsang's beta reputation with its"
        " usual settings, (r + 1) / (r + s + 2) over all counts of experience, and the complaint-free rate, 1 −"
        " complaints / orders. All customers with an order are in, however little is known of them; where most are"
        " hardly known, the order among those decides. So the same stands beside it for the customers of whom enough"
        " is known to be given a score.",
        "数值为秩相关：1 表示评分给出的次序与真实信任完全一致，0 表示毫无关系。行为只透露内心的一部分，"
        "所以不可能达到 1。*上限*是一个看过其他客户真实信任、再看同样证据的学习器所能做到的（提升树，五折，"
        "打乱三次）；任何企业都无法训练它。它还会从次数本身学习，因为信任高的人买得多、投诉少；"
        "另有两个上限说明这一点：一个只看试验次数而不论结果，一个加看客户群、地区、类别和渠道，"
        "由此可知谁比同类客户买得多。信任评分不应把购买当作信任，所以不用这一部分。简单规则有两个："
        "Jøsang 贝塔信誉的通常设置，即对全部体验计数取 (r + 1) / (r + s + 2)；以及无投诉率，"
        "即 1 − 投诉数 / 订单数。凡有订单的客户都计入，无论对其所知多少；多数客户几乎未知时，结果取决于他们之间的次序。"
        "因此另列所知足以给出评分的客户。",
    ),
    (
        _row("rho/trust_score", "`trust_score`", "`trust_score`"),
        _row("rho/ceiling", "its ceiling", "其上限"),
        _RATIO,
        _row("rho/trust_experience", "`trust_experience`", "`trust_experience`"),
        _row("rho/experience_ceiling", "its ceiling", "其上限"),
        _row(
            "ratio/trust_experience",
            "`trust_experience`: share of the ceiling",
            "`trust_experience`：达到上限的比例",
            "ratio",
        ),
        _row("rho/trials_ceiling", "ceiling of the numbers of trials alone", "仅凭试验次数的上限"),
        _row("rho/groups_ceiling", "ceiling of counts and groups of customers", "计数加客户群的上限"),
        _row("rho/josang", "Jøsang, W = 2", "Jøsang，W = 2"),
        _row("rho/complaint_free", "complaint-free rate", "无投诉率"),
        _BEATS_JOSANG,
        _BEATS_FREE,
        _row(
            "lead/trust_score/trust_experience",
            "`trust_score` less `trust_experience`",
            "`trust_score` 减 `trust_experience`",
        ),
        _row("rho/trust_score", "customers", "客户数", "count"),
        _row("scored/trust_score", "customers given a score: `trust_score`", "给出评分的客户：`trust_score`"),
        _row("scored/ceiling", "its ceiling", "其上限"),
        _SCORED_RATIO,
        _row(
            "scored/trust_experience",
            "customers given a score: `trust_experience`",
            "给出评分的客户：`trust_experience`",
        ),
        _SCORED_LEAD,
        _row("scored/trust_score", "customers given a score", "给出评分的客户数", "count"),
    ),
    (
        _claim(
            _RATIO,
            _good(at_least(CEILING_SHARE), "`trust_score` reaches 92% of the ceiling", "`trust_score` 达到上限的 92%"),
            _bad(always, "`trust_score` does not reach 92% of the ceiling", "`trust_score` 未达到上限的 92%"),
        ),
        _claim(
            _RATIO,
            _good(
                at_least(1.0),
                "the score lies at or above the ceiling: the learner had too few customers to learn from",
                "评分不低于上限：客户太少，学习器学得不够",
            ),
        ),
        _claim(
            _SCORED_RATIO,
            _good(
                at_least(CEILING_SHARE),
                "of the customers given a score, `trust_score` reaches 92% of the ceiling",
                "在给出评分的客户中，`trust_score` 达到上限的 92%",
            ),
            _bad(
                always,
                "of the customers given a score, `trust_score` does not reach 92% of the ceiling",
                "在给出评分的客户中，`trust_score` 未达到上限的 92%",
            ),
        ),
        _claim(
            _SCORED_LEAD,
            _good(
                is_above_zero,
                "of the customers given a score, coming back adds to what experience tells",
                "在给出评分的客户中，回来购买带来了体验之外的信息",
            ),
        ),
        _beats(_BEATS_JOSANG, "Jøsang's score", " Jøsang 评分"),
        _beats(_BEATS_FREE, "the complaint-free rate", "无投诉率"),
        _claim(
            _row("lead/trust_score/trust_experience"),
            _good(is_above_zero, "coming back adds to what experience tells", "回来购买带来了体验之外的信息"),
            _bad(
                is_below_zero,
                "coming back makes the score worse than experience alone",
                "加入回来购买后，评分反而不如只用体验",
            ),
            _bad(always, "coming back adds nothing clear to what experience tells", "回来购买没有带来明显的额外信息"),
        ),
    ),
)

PROFILE = Section(
    Text("The dimensions", "各维度"),
    Text(
        "Rank correlation of each dimension score with the true trust in that dimension. A dimension of which a"
        " company has hardly any trials can hardly be told.",
        "各维度评分与该维度真实信任的秩相关。企业中几乎没有相应试验的维度，也就几乎无从判断。",
    ),
    tuple(
        _row(f"dimension/{name}", en, zh)
        for name, en, zh in (
            ("product_quality", "product quality", "产品质量"),
            ("service_quality", "service quality", "服务质量"),
            ("reputation", "company reputation", "企业声誉"),
            ("transparency", "communication transparency", "沟通透明度"),
            ("values", "value alignment", "价值观契合"),
        )
    ),
    (
        _claim(
            _row("dimension/weakest"),
            _good(
                is_above_zero,
                "every dimension score goes with its own true trust; the weakest",
                "每个维度评分都与该维度的真实信任一致；最弱的",
            ),
            _bad(
                always,
                "at least one dimension score says nothing of its own true trust; the weakest",
                "至少有一个维度评分说明不了该维度的真实信任；最弱的",
            ),
        ),
    ),
)


def _held(key: str, en: str, zh: str) -> Claim:
    return _claim(
        _row(key, style="share"),
        _good(_is_covered, f"the 90% interval {en} keeps its promise", f"{zh}的 90% 区间名副其实"),
        _bad(below(COVERAGE[0]), f"the 90% interval {en} is too narrow", f"{zh}的 90% 区间太窄"),
        _bad(always, f"the 90% interval {en} is wider than it need be", f"{zh}的 90% 区间比需要的宽"),
    )


COVERAGE_OF_INTERVALS = Section(
    Text("Whether the intervals hold what they promise", "区间是否名副其实"),
    Text(
        "The share of customers whose true percentile lies inside their interval, at three levels. Thin, middle"
        " and rich are thirds of the customers by the reliability of their score.",
        "真实百分位落在区间之内的客户比例，共三个水平。证据少、中、多，是按评分可靠度把客户分成的三等份。",
    ),
    tuple(
        _row(f"coverage/{level}{suffix}", f"{level}% interval, {en}", f"{level}% 区间，{zh}", "share")
        for level in (80, 90, 95)
        for suffix, en, zh in (
            ("", "all", "全部"),
            ("/thin", "thin evidence", "证据少"),
            ("/middle", "middle", "证据中等"),
            ("/rich", "rich evidence", "证据多"),
        )
    ),
    (
        _held("coverage/90", "of all customers", "全体客户"),
        _held("coverage/90/thin", "on thin evidence", "证据少的客户"),
        _held("coverage/90/rich", "on rich evidence", "证据多的客户"),
    ),
)


def _event_rows(score: str) -> tuple[Row, ...]:
    groups = (("unresolved", "unresolved", "未办妥"), ("resolved", "resolved", "办妥"))
    return (
        *(
            row
            for group, en, zh in groups
            for row in (
                _row(f"event/{score}/{group}/before", f"`{score}`, {en}: before", f"`{score}`，{zh}：之前", "points"),
                *(
                    row
                    for days in (30, 60)
                    for row in (
                        _row(
                            f"event/{score}/{group}/{days}/change",
                            f"change after {days} days",
                            f"{days} 天后的变化",
                            "points",
                        ),
                        _row(
                            f"event/{score}/{group}/{days}/matched",
                            "… of matched customers without a complaint",
                            "……无投诉的相似客户",
                            "points",
                        ),
                        _row(f"event/{score}/{group}/{days}/effect", "… difference", "……两者之差", "points"),
                    )
                ),
                _row(f"event/{score}/{group}/before", "complaints", "投诉数", "count"),
            )
        ),
        *(
            _row(
                f"event/{score}/recovery/{days}",
                f"what a good resolution saves, after {days} days",
                f"办妥挽回的部分，{days} 天后",
                "points",
            )
            for days in (30, 60)
        ),
    )


def _event_claims(score: str) -> tuple[Claim, ...]:
    return (
        _claim(
            _row(f"event/{score}/unresolved/60/effect", style="points"),
            _good(
                is_below_zero,
                f"`{score}` falls clearly after an unresolved complaint, in points after 60 days",
                f"投诉未办妥后 `{score}` 明显下降，60 天后的分数变化",
            ),
            _bad(
                always,
                f"`{score}` does not fall clearly after an unresolved complaint, in points after 60 days",
                f"投诉未办妥后 `{score}` 没有明显下降，60 天后的分数变化",
            ),
        ),
        _claim(
            _row(f"event/{score}/recovery/60", style="points"),
            _good(
                is_above_zero,
                f"a good resolution saves a clear part of `{score}`, in points",
                f"妥善办理明显挽回了一部分 `{score}`，分数",
            ),
            _bad(
                always,
                f"a good resolution saves no clear part of `{score}`, in points",
                f"妥善办理没有明显挽回 `{score}`，分数",
            ),
        ),
        _claim(
            _row(f"event/{score}/resolved/60/effect", style="points"),
            _good(
                is_below_zero,
                f"after a good resolution a trace remains in `{score}`: recovery is partial, in points",
                f"妥善办理后 `{score}` 仍留有痕迹，只恢复了一部分，分数",
            ),
            _good(
                is_above_zero,
                f"after a good resolution `{score}` is higher than without a complaint, in points",
                f"妥善办理后 `{score}` 高于没有投诉的客户，分数",
            ),
            _good(
                always,
                f"after a good resolution no clear trace remains in `{score}`, in points",
                f"妥善办理后 `{score}` 没有明显痕迹，分数",
            ),
        ),
    )


EVENTS = Section(
    Text("What a complaint does to the score", "投诉对评分的影响"),
    Text(
        "Each customer is compared with themselves: the score of the last month end before a complaint was"
        " opened, and of the first month ends 30 and 60 days after its outcome was due. Unresolved: not settled"
        " in time, rejected, or reopened. Beside it stands the change, over the same nights, of customers who"
        " bought at the time, began with a score in the same step of five points, and did not complain."
        " Parameters are frozen. A customer who complained again in between is left out.",
        "每位客户与自己比较：投诉提出之前最后一个月末的评分，和投诉应有结果之日满 30 天、"
        "60 天后的第一个月末的评分。未办妥指未按时办结、被驳回或再次提出。旁边列出同样两个夜晚之间，"
        "当时也有购买、起点评分处在同一个五分区间、没有投诉的客户的变化。参数保持不变。其间再次投诉的客户不计入。",
    ),
    (*_event_rows("trust_score"), *_event_rows("trust_experience")),
    (*_event_claims("trust_score"), *_event_claims("trust_experience")),
)


def _gain_rows(name: str, en: str, zh: str) -> tuple[Row, ...]:
    return (
        _row(f"{name}/share", f"{en}: customers", f"{zh}：客户数", "count"),
        _row(f"{name}/share", "… share of them for whom it came true", "……其中发生的比例", "share"),
        _row(f"{name}/auc_base", "… AUC of RFM", "……RFM 的 AUC"),
        _row(
            f"{name}/auc_gain",
            "… gain in AUC with `trust_experience` (over chance where RFM is below 0.5)",
            "……加入 `trust_experience` 后 AUC 的增加（RFM 低于 0.5 时与 0.5 相比）",
        ),
        _row(f"{name}/log_loss_base", "… log loss of RFM", "……RFM 的对数损失", "loss"),
        _row(
            f"{name}/log_loss_gain",
            "… drop in log loss with `trust_experience`",
            "……加入 `trust_experience` 后对数损失的下降",
            "loss",
        ),
        _row(
            f"{name}/slope",
            "… log-odds per standard deviation of `trust_experience`",
            "……`trust_experience` 每增加一个标准差的对数几率",
        ),
    )


def _gain_claims(name: str, en: str, zh: str) -> tuple[Claim, ...]:
    return (
        _claim(
            _row(f"{name}/auc_gain"),
            _good(
                is_above_zero,
                f"`trust_experience` helps to tell apart {en}, gain in AUC",
                f"`trust_experience` 有助于分辨{zh}，AUC 的增加",
            ),
            _bad(
                is_below_zero,
                f"`trust_experience` makes it harder to tell apart {en}, gain in AUC",
                f"`trust_experience` 使分辨{zh}更难，AUC 的增加",
            ),
            _bad(
                always,
                f"`trust_experience` adds nothing clear in telling apart {en}, gain in AUC",
                f"`trust_experience` 对分辨{zh}没有明显帮助，AUC 的增加",
            ),
        ),
        _claim(
            _row(f"{name}/log_loss_gain", style="loss"),
            _good(
                is_above_zero,
                f"`trust_experience` makes the stated chances of {en} better, drop in log loss",
                f"`trust_experience` 使{zh}的概率更准，对数损失的下降",
            ),
            _bad(
                is_below_zero,
                f"`trust_experience` makes the stated chances of {en} worse, drop in log loss",
                f"`trust_experience` 使{zh}的概率更不准，对数损失的下降",
            ),
            _bad(
                always,
                f"`trust_experience` makes the stated chances of {en} not clearly better, drop in log loss",
                f"`trust_experience` 没有使{zh}的概率明显更准，对数损失的下降",
            ),
        ),
    )


DISCRIMINATION = Section(
    Text("More than frequency", "不只是购买频率"),
    Text(
        "A trust score that only counts orders would be worth nothing. First: the rank correlation of the scores"
        " with the orders of the last year, beside that of true trust itself, which makes people buy more."
        " Second: does `trust_experience` tell something of what follows that recency, frequency and monetary"
        " value (RFM) do not? The scores are as of 180 days before the end, with parameters trained as of that"
        " day; a logistic regression on the logarithms of RFM, with and without `trust_experience`, is judged on"
        " customers that it was not fitted on. *Later complaints*: of those who order in the following 90 days,"
        " who complains in them? *Return after a failure*: of those for whom something fails in the following 90"
        " days, who orders again within 90 days of it?",
        "只会数订单的信任评分毫无价值。第一，评分与过去一年订单数的秩相关，并与真实信任自身的秩相关对照，"
        "因为信任本来就使人多买。第二，对于之后发生的事，`trust_experience` 能否说出最近购买、"
        "频率和金额（RFM）说不出的内容？评分取结束前 180 天的值，参数也只用到那一天；以 RFM 的对数做逻辑回归，"
        "加与不加 `trust_experience`，都在未参与拟合的客户上评判。*之后的投诉*：在随后 90 天内下单的客户中，"
        "谁会在其间投诉？*失败后再来*：在随后 90 天内遇到失败的客户中，谁会在失败后 90 天内再下单？",
    ),
    (
        _row("frequency/trust_score", "orders and `trust_score`", "订单数与 `trust_score`"),
        _row("frequency/trust_experience", "orders and `trust_experience`", "订单数与 `trust_experience`"),
        _row("frequency/latent_trust", "orders and true trust", "订单数与真实信任"),
        *_gain_rows("complaints", "later complaints", "之后的投诉"),
        *_gain_rows("returns", "return after a failure", "失败后再来"),
    ),
    (
        _claim(
            _row("frequency/trust_score"),
            _good(
                lambda found: abs(_value(found)) < 0.5,
                "`trust_score` is not just frequency: it shares less than a quarter of its variance in rank with it",
                "`trust_score` 不只是购买频率：两者共有的秩方差不到四分之一",
            ),
            _bad(
                always,
                "`trust_score` is to a good part frequency: it shares a quarter or more of its variance in rank"
                " with it",
                "`trust_score` 在很大程度上就是购买频率：两者共有四分之一以上的秩方差",
            ),
        ),
        *_gain_claims("complaints", "who complains later", "之后谁会投诉"),
        _claim(
            _row("complaints/slope"),
            _good(
                below(0.0),
                "the more `trust_experience`, the fewer complaints later",
                "`trust_experience` 越高，之后的投诉越少",
            ),
            _bad(
                always,
                "the more `trust_experience`, the more complaints later",
                "`trust_experience` 越高，之后的投诉越多",
            ),
        ),
        *_gain_claims("returns", "who returns after a failure", "失败后谁会再来"),
        _claim(
            _row("returns/slope"),
            _good(
                lambda found: _value(found) > 0,
                "the more `trust_experience`, the more return after a failure",
                "`trust_experience` 越高，失败后再来的越多",
            ),
            _bad(
                always,
                "the more `trust_experience`, the fewer return after a failure",
                "`trust_experience` 越高，失败后再来的越少",
            ),
        ),
    ),
)

RELIABILITY = Section(
    Text("The same customer, measured twice", "同一客户测两次"),
    Text(
        "The trials of each customer are dealt at random into two halves, both are scored, and the correlation of"
        " the two scores is stepped up to the whole evidence (Spearman and Brown). Beside it stands the mean"
        " reliability that the model claims. The first says how well the score repeats itself, the second how"
        " well it tells trust. The first may lie above the second: two halves also share what is not trust, such"
        " as how much there is to know of a customer and the quality that this customer happens to meet.",
        "把每位客户的试验随机分成两半，分别评分，两个评分的相关再换算到全部证据（Spearman–Brown）。"
        "旁边是模型自称的平均可靠度。前者说明评分能否重现自己，后者说明评分能否说明信任。前者可能高于后者："
        "两半还共有一些不是信任的东西，例如对该客户所知的多少，以及该客户碰上的质量。",
    ),
    tuple(
        _row(f"{measure}/{score}", f"`{score}`, {en}", f"`{score}`，{zh}")
        for score in ("trust_score", "trust_experience")
        for measure, en, zh in (
            ("split_half", "split-half", "折半信度"),
            ("reliability", "claimed by the model", "模型自称"),
        )
    ),
    tuple(
        _claim(
            _row(f"split_half/{score}"),
            _good(
                at_least(0.7),
                f"`{score}` repeats itself well enough to compare customers (0.7 or more)",
                f"`{score}` 的重现程度足以比较客户（0.7 以上）",
            ),
            _bad(
                always,
                f"`{score}` does not repeat itself well enough to compare single customers (below 0.7); groups can"
                " be compared",
                f"`{score}` 的重现程度不足以比较单个客户（低于 0.7），可以比较客户群",
            ),
        )
        for score in ("trust_score", "trust_experience")
    ),
)

QUIET = Section(
    Text("Nights in which nothing happened", "没有事情发生的夜晚"),
    Text(
        "From the last night but one to the last, with frozen parameters: how far does the score of a customer"
        " move who had no new trial? Only fading may move it.",
        "从倒数第二夜到最后一夜，参数不变：没有新试验的客户，评分移动多少？只有淡化可以使它移动。",
    ),
    tuple(
        row
        for score in ("trust_score", "trust_experience")
        for row in (
            _row(f"quiet/{score}/share", f"`{score}`: nothing new", f"`{score}`：没有新情况", "share"),
            _row(f"quiet/{score}/mean", "… mean move in points", "……平均移动分数"),
            _row(f"quiet/{score}/largest", "… largest move in points", "……最大移动分数"),
        )
    ),
    tuple(
        _claim(
            _row(f"quiet/{score}/largest"),
            _good(
                below(0.5), f"no `{score}` moves by half a point without cause", f"没有任何 `{score}` 无故移动半分以上"
            ),
            _bad(
                always,
                f"some `{score}` moves by half a point or more without cause",
                f"有的 `{score}` 无故移动半分以上",
            ),
        )
        for score in ("trust_score", "trust_experience")
    ),
)


def _need_claim(score: str) -> Claim:
    return _claim(
        _row(f"need/{score}", style="points"),
        _good(
            lambda found: abs(_value(found)) < 1.0,
            f"`{score}` hardly moves (less than a point) when a need ends",
            f"需求结束时 `{score}` 几乎不动（不到一分）",
        ),
        _bad(
            is_below_zero,
            f"`{score}` is clearly lower, as if the need that ended were distrust, in points",
            f"`{score}` 明显偏低，仿佛需求结束就是不信任，分数",
        ),
        _bad(
            is_above_zero,
            f"`{score}` is clearly higher when a need ends, in points",
            f"需求结束时 `{score}` 明显偏高，分数",
        ),
        _bad(
            always,
            f"`{score}` may move by a point or more when a need ends, but not clearly, in points",
            f"需求结束时 `{score}` 可能移动一分以上，但不明显，分数",
        ),
    )


NEED = Section(
    Text("Leaving without distrust", "并非因为不信任而离开"),
    Text(
        "Some customers leave because they no longer need anything, whatever their trust. Their scores, at least"
        " 90 days after they left, are compared with those of customers who stayed and whose true trust is the"
        " same (twenty steps). The difference should be nothing. `trust_experience` does not look at silence;"
        " `trust_score` does, and the difference says how far silence moves it.",
        "有的客户离开只是因为不再需要，与信任无关。取离开至少 90 天后的评分，"
        "与真实信任相同（分二十档）且仍未离开的客户比较，差应为零。`trust_experience` 不看沉默；"
        "`trust_score` 看，这个差就是沉默使它移动的分数。",
    ),
    (
        _row("need/trust_score", "`trust_score`, points", "`trust_score`，分", "points"),
        _row("need/trust_experience", "`trust_experience`, points", "`trust_experience`，分", "points"),
        _row("need/trust_score", "customers who left for need", "因需求结束离开的客户", "count"),
    ),
    (_need_claim("trust_score"), _need_claim("trust_experience")),
)

_AGREEMENTS = (
    ("pearson", "correlation", "相关"),
    ("pearson_weighted", "correlation, weighted", "相关，加权"),
    ("spearman", "rank correlation", "秩相关"),
    ("spearman_weighted", "rank correlation, weighted", "秩相关，加权"),
    ("survey_reliability", "reliability of the survey (alpha)", "问卷信度（alpha）"),
    ("score_reliability", "mean reliability of the scores", "评分的平均可靠度"),
    ("pearson_disattenuated", "disattenuated", "去衰减"),
    ("pearson_weighted_disattenuated", "disattenuated, weighted", "去衰减，加权"),
)

SURVEYS = Section(
    Text("Beside asked trust", "与问卷信任对照"),
    Text(
        "Some customers are asked. Their answer, rescaled to 0–1 and averaged over its dimensions, is held"
        " against the `trust_score` of the last month end before it. Those who answer are not like all others:"
        " class A is asked more often, the content answer more. The weighted figures give each answer its design"
        " weight divided by the chance to answer (logistic on RFM, segment and class). Disattenuated means"
        " without the blur of both measurements: r / √(reliability of the survey · reliability of the score), cut"
        " at 1, with Cronbach's alpha over the dimensions of an answer and the mean reliability of the scores."
        " Alpha counts a personal style of answering as reliable, so the disattenuated figure is rather too low"
        " on that side; and where the model claims too little reliability, it is too high. A survey of one"
        " dimension has no alpha. Fewer than 30 answers: nothing is said. The same comparison can be made in a"
        " real company.",
        "有些客户会被问到。回答换算到 0–1 并在其各维度上取平均，与此前最后一个月末的 `trust_score` 对照。"
        "回答的人与其他人不同：A 类客户更常被问到，满意的人更愿意回答。加权的数值以设计权重除以回答的概率（以 RFM"
        "、客户群和类别做逻辑回归）。去衰减指除去两种测量的模糊：r / √(问卷信度 · 评分可靠度)，最大取 1；"
        "问卷信度取一份回答各维度上的 Cronbach alpha，评分可靠度取平均值。alpha 把个人的作答习惯也算作可靠，"
        "所以去衰减值在这一侧偏低；若模型自称的可靠度太低，去衰减值又偏高。只有一个维度的问卷没有 alpha。少于 30 "
        "份回答则不下结论。真实企业也可以做同样的对照。",
    ),
    tuple(
        row
        for instrument in ("trust", "servqual", "csat")
        for row in (
            _row(f"survey/{instrument}/pearson", f"{instrument}: answers", f"{instrument}：回答数", "count"),
            *(_row(f"survey/{instrument}/{metric}", f"… {en}", f"……{zh}") for metric, en, zh in _AGREEMENTS),
            _row(
                f"survey/{instrument}/effective_responses",
                "… answers that the weighted ones are worth",
                "……加权后相当于多少份回答",
                "points",
            ),
        )
    ),
    tuple(
        _claim(
            _row(f"survey/{instrument}/pearson_weighted"),
            _good(
                is_above_zero,
                f"`trust_score` goes clearly with the {instrument} survey, weighted",
                f"`trust_score` 与 {instrument} 问卷明显一致，加权",
            ),
            _bad(
                always,
                f"`trust_score` does not go clearly with the {instrument} survey, weighted",
                f"`trust_score` 与 {instrument} 问卷没有明显的一致，加权",
            ),
        )
        for instrument in ("trust", "servqual", "csat")
    ),
)

SECTIONS = (
    AGREEMENT,
    PROFILE,
    COVERAGE_OF_INTERVALS,
    EVENTS,
    DISCRIMINATION,
    RELIABILITY,
    QUIET,
    NEED,
    SURVEYS,
)
