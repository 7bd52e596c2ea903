"""Pictures of a backtest: calibration and gain, as SVG and PNG, in English and Chinese.

Belongs here: how a backtest looks. Must not be here: computing it (see ``trust_models.backtest``).
The chart library is imported when a picture is drawn, so that commands that draw none start quickly.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import altair as alt

LANGUAGES = ("en", "zh")
COLORS = ("#0072B2", "#D55E00", "#767676")
"""Blue, vermilion and grey of Okabe & Ito (2008): told apart with any kind of colour vision, also by their strokes."""

STROKES = ((1, 0), (7, 3), (2, 3))
FONTS = "Noto Sans CJK SC, Source Han Sans SC, PingFang SC, Microsoft YaHei, DejaVu Sans, Arial, sans-serif"
PANEL = {"width": 330, "height": 270}

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "model": "Model",
        "in_use": "In use (no model yet)",
        "baseline": "Strongest baseline",
        "ideal": "Ideal",
        "random": "At random",
        "panel": "{day}|{customers:,} customers, {lost:.0%} lost; strongest baseline: {baseline}",
        "calibration": "Does the predicted churn risk come true?",
        "calibration_how": "Each point is a tenth of the customers, its bar the 95% interval of the share lost. "
        "The closer to the dotted line, the better.",
        "predicted": "Predicted churn risk (mean)",
        "realised": "Share lost within {days} days",
        "gain": "How many of the lost are found by looking at the riskiest first?",
        "gain_how": "The higher above the dotted line, the better. Each panel is one cut-off: trained on what was "
        "known that day, judged on what followed.",
        "contacted": "Share of customers looked at, riskiest first",
        "found": "Share of the lost who are among them",
    },
    "zh": {
        "model": "模型",
        "in_use": "现用（尚无模型）",
        "baseline": "最强基线",
        "ideal": "理想",
        "random": "随机",
        "panel": "{day}|{customers:,} 名客户，流失 {lost:.0%}；最强基线：{baseline}",
        "calibration": "预测的流失风险是否应验？",
        "calibration_how": "每个点代表十分之一的客户，竖线为流失比例的 95% 区间。越接近虚线越好。",
        "predicted": "预测流失风险（平均）",
        "realised": "{days} 天内流失比例",
        "gain": "先看风险最高的客户，能找出多少流失客户？",
        "gain_how": "高出虚线越多越好。每格为一个截止日：按当日已知信息训练，用之后的事实评判。",
        "contacted": "已查看的客户比例（风险由高到低）",
        "found": "其中包含的流失客户比例",
    },
}
NAMES: Mapping[str, tuple[str, str]] = {
    "constant": ("constant share", "固定比例"),
    "hiatus": ("hiatus rule", "停购规则"),
    "recency": ("recency", "最近购买时间"),
    "rfm": ("RFM logistic", "RFM 逻辑回归"),
    "mbg_nbd": ("MBG/NBD", "MBG/NBD"),
    "bg_nbd": ("BG/NBD", "BG/NBD"),
    "pareto_nbd": ("Pareto/NBD", "Pareto/NBD"),
}


def draw(told: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the pictures of a backtest, as ``backtesting.backtested`` tells it; returns their files.

    A PNG in Chinese needs a font with Chinese characters on this machine; where there is none, the SVG alone is
    written, which a browser shows with a font of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        file
        for language in LANGUAGES
        for name, chart in {"calibration": calibration(told, language), "gain": gain(told, language)}.items()
        for file in _write(chart, folder / f"{name}.{language}", has_png=has_glyphs(WORDS[language]["model"]))
    ]


def calibration(told: Mapping[str, Any], language: str) -> "alt.FacetChart":
    """Predicted risk against the share lost, a panel a cut-off."""
    import altair as alt

    words = WORDS[language]
    frame = _rows(told, "calibration", ("mean_risk", "lost_share", "low", "high"), "ideal", language)
    share = alt.Scale(domain=[0, _top(frame)], nice=False)
    realised = words["realised"].format(days=told["horizon_days"])
    y = alt.Y("lost_share:Q", title=realised, axis=_percent(), scale=share)
    base = alt.Chart(frame).encode(
        x=alt.X("mean_risk:Q", title=words["predicted"], axis=_percent(), scale=share), color=_color(frame)
    )
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.75).encode(y=alt.Y("low:Q", title=realised), y2="high:Q")
    points = base.transform_filter("datum.low !== null").mark_point(filled=True, size=45, opacity=1).encode(y=y)
    lines = base.properties(**PANEL).mark_line(strokeWidth=2, clip=True).encode(y=y, strokeDash=_stroke(frame))
    return _facet((lines, bars, points), words["calibration"], words["calibration_how"])


def gain(told: Mapping[str, Any], language: str) -> "alt.FacetChart":
    """Share of the lost found against share of customers looked at, a panel a cut-off."""
    import altair as alt

    words = WORDS[language]
    frame = _rows(told, "gain", ("share_of_customers", "share_of_lost"), "random", language)
    lines = (
        alt.Chart(frame)
        .properties(**PANEL)
        .mark_line(strokeWidth=2.2)
        .encode(
            x=alt.X("share_of_customers:Q", title=words["contacted"], axis=_percent()),
            y=alt.Y("share_of_lost:Q", title=words["found"], axis=_percent()),
            color=_color(frame),
            strokeDash=_stroke(frame),
        )
    )
    return _facet((lines,), words["gain"], words["gain_how"])


def strongest(cutoff: Mapping[str, Any]) -> str:
    """The baseline of the lowest log loss at a cut-off."""
    losses = {
        row["basis"]: row["value"]
        for row in cutoff["measures"]
        if row["metric"] == "log_loss" and row["basis"] not in ("model", "in_use")
    }
    best: str = min(losses, key=lambda basis: float(losses[basis]))
    return best


def has_glyphs(text: str) -> bool:
    """Whether this machine can draw the characters of a text: without a font, all of them look the same."""
    import vl_convert

    svg = "<svg xmlns='http://www.w3.org/2000/svg' width='20' height='20'><text y='15' font-family='{}'>{}</text></svg>"
    drawn = {vl_convert.svg_to_png(svg.format(FONTS, character)) for character in text}
    return len(drawn) == len(set(text))


def _rows(told: Mapping[str, Any], curve: str, columns: tuple[str, ...], reference: str, language: str) -> pl.DataFrame:
    """The rows of a curve: the model, the strongest baseline and the reference line of every cut-off."""
    words = WORDS[language]
    rows = []
    for cutoff in reversed(told["cutoffs"]):
        best, first = strongest(cutoff), "model" if cutoff["has_model"] else "in_use"
        lost = cutoff["lost"] / cutoff["customers"]
        name = NAMES[best][language == "zh"]
        panel = words["panel"].format(day=cutoff["day"], customers=cutoff["customers"], lost=lost, baseline=name)
        series = {first: words[first], best: words["baseline"]}
        told_rows = [(series[row["basis"]], row) for row in cutoff[curve] if row["basis"] in series]
        ends = [dict.fromkeys(columns) | {columns[0]: end, columns[1]: end} for end in (0.0, 1.0)]
        for label, row in [*told_rows, *((words[reference], end) for end in ends)]:
            rows.append({"panel": panel, "series": label} | {column: row[column] for column in columns})
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(columns, pl.Float64))


def _top(frame: pl.DataFrame) -> float:
    """Where both axes end: where few are lost, the lower corner is all there is to see."""
    drawn: float = frame.filter(pl.col("low").is_not_null()).select(pl.max_horizontal("mean_risk", "high").max()).item()
    return min(1.0, math.ceil(drawn * 20) / 20)


def _percent() -> "alt.Axis":
    import altair as alt

    return alt.Axis(format="%", tickCount=6, labelFlush=False)


def _color(frame: pl.DataFrame) -> "alt.Color":
    import altair as alt

    names = _series(frame)
    scale = alt.Scale(domain=names, range=_styles(names, COLORS))
    return alt.Color("series:N", title=None, sort=names, scale=scale, legend=alt.Legend(symbolType="stroke"))


def _stroke(frame: pl.DataFrame) -> "alt.StrokeDash":
    import altair as alt

    names = _series(frame)
    scale = alt.Scale(domain=names, range=_styles(names, STROKES))
    return alt.StrokeDash("series:N", title=None, sort=names, scale=scale)


def _series(frame: pl.DataFrame) -> list[str]:
    """What is drawn, the reference line last."""
    return frame["series"].unique(maintain_order=True).to_list()


def _styles(names: list[str], styles: tuple[Any, ...]) -> list[Any]:
    """A style each: the first for what is in use, the last for the reference line."""
    return [*[styles[0]] * (len(names) - 2), *styles[1:]]


def _facet(layers: Sequence["alt.Chart"], title: str, subtitle: str) -> "alt.FacetChart":
    import altair as alt

    header = alt.Header(title=None, labelFontSize=12, labelExpr="split(datum.label, '|')", labelLimit=0)
    chart: alt.FacetChart = (
        alt.layer(*layers)
        .facet(facet=alt.Facet("panel:N", header=header, sort=None), columns=2)
        .resolve_axis(x="independent", y="independent")
        .properties(title=alt.TitleParams(title, subtitle=subtitle, anchor="start", offset=14))
        .configure(font=FONTS, background="white", padding=16)
        .configure_title(fontSize=18, subtitleFontSize=13, subtitlePadding=6)
        .configure_axis(labelFontSize=12, titleFontSize=12, gridColor="#E4E4E4")
        .configure_legend(orient="top", labelFontSize=13, symbolSize=300, symbolStrokeWidth=2.5, labelLimit=300)
    )
    return chart


def _write(chart: "alt.FacetChart", stem: Path, *, has_png: bool) -> Iterator[Path]:
    svg, png = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.png")
    chart.save(svg)
    yield svg
    if has_png:
        chart.save(png, scale_factor=2)
        yield png
    else:
        png.unlink(missing_ok=True)  # a picture of an earlier backtest would be taken for this one's
