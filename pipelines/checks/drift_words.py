"""The words for drift, in English and Chinese.

Belongs here: one sentence a verdict, and the names of what is compared. Must not be here: measures or limits.
"""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

import numpy as np

from trust_models.drift import Distribution, Realised, contributions
from trust_models.feature_catalogue import FeatureSettings, driver_of

Texts = tuple[str, str]

ADVICE: Texts = (
    "check first whether the deliveries are complete and as usual; where customers really behave otherwise, run"
    " 'trust train'; nothing was retrained because of it",
    "请先检查交付数据是否完整、正常；如果客户行为确实发生了变化，请运行 'trust train'；系统没有因此自动重新训练",
)

_SCORES: Mapping[str, Texts] = MappingProxyType(
    {
        "trust_score": ("the trust score", "信任评分"),
        "trust_experience": ("trust from experience alone", "仅凭经历的信任"),
        "churn_risk": ("the churn risk", "流失风险"),
    }
)
DRIVERS: Mapping[str, Texts] = MappingProxyType(
    {
        "silence": ("silence since the last order", "最近一次下单后的沉默"),
        "frequency": ("how often customers order", "下单频率"),
        "trend": ("orders lately and before", "近期与此前的订单"),
        "spending": ("amounts", "消费金额"),
        "variety": ("variety of what is bought and where", "购买的品类与渠道"),
        "season": ("season", "季节"),
        "delivery": ("deliveries", "配送"),
        "returns": ("returns and faults", "退货与过失"),
        "complaints": ("complaints", "投诉"),
        "tenure": ("time as a customer", "成为客户的时长"),
        "segment": ("groups of customers", "客户分组"),
        "other": ("other behaviour", "其他行为"),
    }
)


def subject(name: str) -> Texts:
    """What a column speaks of, with its name."""
    words = _SCORES.get(name) or DRIVERS[driver_of([name], FeatureSettings())[name]]
    return f"{name} ({words[0]})", f"{name}（{words[1]}）"


def unmoved(name: str, index: float, since: date | str) -> Texts:
    """Nothing, or little enough."""
    english, chinese = subject(name)
    return (
        f"{english} is distributed as at the training of {since}: PSI {index:.2f}",
        f"{chinese}的分布与 {since} 训练时一致：PSI {index:.2f}",
    )


def noticed(name: str, index: float, since: date | str, place: Texts) -> Texts:
    """Something, but not enough to warn of."""
    english, chinese = subject(name)
    return (
        f"{english} has moved a little since the training of {since}: PSI {index:.2f}; {place[0]}; no need to act yet",
        f"{chinese}的分布较 {since} 训练时略有变化：PSI {index:.2f}；{place[1]}；暂无需处理",
    )


def warned(name: str, index: float, since: date | str, place: Texts, limit: float) -> Texts:
    """Enough to warn of, and what to do."""
    english, chinese = subject(name)
    return (
        f"{english} has moved since the training of {since}: PSI {index:.2f}, a warning from {limit:g}; {place[0]};"
        f" {ADVICE[0]}",
        f"{chinese}的分布较 {since} 训练时已明显变化：PSI {index:.2f}，警告界限 {limit:g}；{place[1]}；{ADVICE[1]}",
    )


def not_judged(name: str, index: float, why: Texts) -> Texts:
    """Measured, but no verdict is possible, and why."""
    english, chinese = subject(name)
    return f"{english}: PSI {index:.2f}, not judged: {why[0]}", f"{chinese}：PSI {index:.2f}，不作判断：{why[1]}"


def too_few(limit: float) -> Texts:
    """Why a high index of few customers is no verdict."""
    return (
        f"with so few customers chance alone reaches {limit:.2f}",
        f"客户数太少，仅凭偶然就可达到 {limit:.2f}",
    )


def too_young(days: int) -> Texts:
    """Why nothing is judged while records have just begun."""
    return (
        f"records began less than {days} days before the training, and while the past fills, everything moves",
        f"训练前的记录不足 {days} 天，历史尚在积累，所有分布都会变化",
    )


def not_compared(model: str) -> Texts:
    """A model without distributions on its card."""
    return (
        f"the {model} model was trained before distributions were kept: drift is not checked until its next training",
        f"{'信任' if model == 'trust' else '流失'}模型训练时尚未保存分布：下次训练之前不检查漂移",
    )


def place(before: Distribution, now: Distribution) -> Texts:
    """Where the distribution has moved most: which customers are more or fewer, and their shares before and now."""
    which = int(np.argmax(contributions(before, now)))
    was, is_ = before.counts[which] / before.customers, now.counts[which] / now.customers
    english, chinese = _bin(before, which)
    return (
        f"customers {english} went from {was:.1%} to {is_:.1%}",
        f"{chinese}的客户从 {was:.1%} 变为 {is_:.1%}",
    )


def _bin(of: Distribution, which: int) -> Texts:
    borders, levels = of.borders, of.levels
    if which == len(of.counts) - 1:
        return "without a value", "没有取值"
    if levels:
        is_known = which < len(levels)
        return (f"with '{levels[which]}'", f"取值为 '{levels[which]}'") if is_known else ("with others", "取其他值")
    if not borders:
        return "with a value", "有取值"
    if which == 0:
        return f"up to {borders[0]:.4g}", f"不超过 {borders[0]:.4g}"
    low = f"{borders[which - 1]:.4g}"
    if which == len(borders):
        return f"over {low}", f"超过 {low}"
    return f"over {low} up to {borders[which]:.4g}", f"超过 {low} 至 {borders[which]:.4g}"


def evidence(before: float, now: float, since: date | str, *, is_passed: bool) -> Texts:
    """Customers without evidence enough for a trust score, at training and now."""
    english = f"{now:.1%} of the customers have too little evidence for a trust score; {before:.1%} at the training of"
    chinese = f"{now:.1%} 的客户证据不足以评价信任；{since} 训练时为 {before:.1%}"
    if is_passed:
        return f"{english} {since}", chinese
    return (
        f"{english} {since}; check whether complaints, promised dates and returns are still delivered, then whether"
        " many customers are new; nothing was retrained because of it",
        f"{chinese}；请检查投诉、承诺日期和退货数据是否仍在交付，以及是否有大量新客户；系统没有因此自动重新训练",
    )


def came_true(night: date, days: int, found: Realised, *, is_passed: bool) -> Texts:
    """Predicted risk beside what came true."""
    english = (
        f"on {night} a churn of {found.predicted:.1%} within {days} days was predicted; {found.share:.1%} came true"
        f" (95% interval {found.low:.1%} to {found.high:.1%}, {found.customers:,} customers)"
    )
    chinese = (
        f"{night} 预测 {days} 天内流失 {found.predicted:.1%}，实际为 {found.share:.1%}"
        f"（95% 区间 {found.low:.1%} 至 {found.high:.1%}，{found.customers:,} 名客户）"
    )
    if is_passed:
        return english, chinese
    direction = ("low", "偏低") if found.excess > 0 else ("high", "偏高")
    return (
        f"{english}: the risks were too {direction[0]}; do not read them as probabilities until 'trust train' has made"
        " a new model and model_quality says that it holds; nothing was retrained because of it",
        f"{chinese}：风险{direction[1]}；在运行 'trust train' 并经 model_quality 确认之前，请勿将其视为概率；"
        "系统没有因此自动重新训练",
    )


def not_yet_true(first: date) -> Texts:
    """No night is old enough for its predictions to be judged."""
    return (
        f"not checked yet: predicted and realised churn can be compared from {first} on, when the first window is over",
        f"尚未检查：第一个预测窗口于 {first} 结束，此后才能比较预测与实际流失",
    )


def nobody_to_judge(night: date) -> Texts:
    """A night without a customer whose outcome is known."""
    return (
        f"not checked: no customer scored on {night} has a known outcome",
        f"未检查：{night} 评分的客户中没有已知结果者",
    )
