"""The charts of the report as SVG: few colours, each a token that the page repaints for dark screens and for print.

Belongs here: how a chart looks. Must not be here: where its numbers come from, or what it means in words. The chart
library is imported when a chart is drawn.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import polars as pl

if TYPE_CHECKING:
    import altair as alt

BLUE, VERMILION, GREY, TEXT, GRID = "#0072b2", "#c24f00", "#767676", "#1f2933", "#e1e6eb"
"""After Okabe & Ito (2008): told apart with any kind of colour vision; lines differ by their strokes too."""

STEPS = ("#dcebf5", "#a9cfe6", "#6faed4", "#2f86bc", "#0a5a8c")
"""From few to many, in fifths."""

LONGEST_LINE, BREAK = 15, "\x1f"
"""Widest label on one line of the narrow drawing, in Latin letters; and where it is cut."""

STROKES = ((1, 0), (6, 3))
FONTS = "DejaVu Sans, Verdana, Noto Sans CJK SC, Source Han Sans SC, PingFang SC, Microsoft YaHei, sans-serif"
"""Wide fonts first: what has room in them has room in the reader's own font, in which the page draws."""

WIDE, NARROW = 640, 300
"""Widths of the plot, in pixels: one drawing for desks and paper, one that can be read on a phone."""

CONFIG = {
    "font": FONTS,
    "background": "transparent",
    "padding": 4,
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": TEXT,
        "titleColor": TEXT,
        "gridColor": GRID,
        "domainColor": GREY,
        "tickColor": GREY,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "header": {"labelColor": TEXT, "labelFontSize": 12},
    "legend": {
        "orient": "top",
        "labelColor": TEXT,
        "titleColor": TEXT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 280,
        "titleLimit": 300,
    },
}

Rows = Sequence[dict[str, Any]]
Draw = Callable[["Canvas"], Any]
"""Makes a chart for the room there is; the chart library types its own methods loosely."""


@dataclass(frozen=True)
class Canvas:
    """How much room there is."""

    width: int

    @property
    def is_narrow(self) -> bool:
        """Whether it is a phone's."""
        return self.width <= NARROW

    @property
    def ticks(self) -> int:
        """About how many numbers an axis has room for."""
        return 4 if self.is_narrow else 8


def drawn(draw: Draw) -> tuple[str, str]:
    """The wide and the narrow drawing."""
    return _svg(draw(Canvas(WIDE))), _svg(draw(Canvas(NARROW)))


def histogram(rows: Rows, x: str, y: str, form: str) -> Draw:
    """Counts (``customers``) over classes (``low`` to ``high``)."""

    def draw(canvas: Canvas) -> Any:
        import altair as alt

        return (
            alt.Chart(_frame(rows))
            .mark_bar(color=BLUE, stroke=None, binSpacing=1)
            .encode(
                x=alt.X("low:Q", bin="binned", title=x, axis=alt.Axis(format=form, tickCount=canvas.ticks)),
                x2="high:Q",
                y=alt.Y("customers:Q", title=y, axis=alt.Axis(tickMinStep=1, tickCount=5)),
            )
            .properties(width=canvas.width, height=200)
        )

    return draw


def lines(rows: Rows, x: str, y: str, form: str, *, is_time: bool = True) -> Draw:
    """Lines (``x``, ``value``, ``series``) with the interval ``low`` to ``high`` as a band where it is known."""

    def draw(canvas: Canvas) -> Any:
        import altair as alt

        frame = _frame(rows)
        months = alt.Axis(format="%Y-%m", tickCount=3 if canvas.is_narrow else 6, labelOverlap=True, labelSeparation=8)
        axis = months if is_time else alt.Axis(tickCount=canvas.ticks)
        base = alt.Chart(frame).encode(x=alt.X("x:T" if is_time else "x:Q", title=x, axis=axis))
        names = frame["series"].unique(maintain_order=True).to_list()
        color: Any = alt.value(BLUE)
        dash: Any = alt.value([1, 0])
        if len(names) > 1:
            colors, strokes = (alt.Scale(domain=names, range=styles) for styles in ([BLUE, VERMILION], STROKES))
            legend = alt.Legend(symbolType="stroke", symbolOpacity=1, symbolSize=300, symbolStrokeWidth=2.5)
            color = alt.Color("series:N", title=None, sort=names, scale=colors, legend=legend)
            dash = alt.StrokeDash("series:N", title=None, sort=names, scale=strokes, legend=legend)
        band = base.mark_area(opacity=0.18).encode(y=_value("low", y, form), y2="high:Q", color=color)
        line = base.mark_line(strokeWidth=2.2, point={"size": 26, "filled": True}).encode(
            y=_value("value", y, form), color=color, strokeDash=dash
        )
        lone = frame.filter(pl.len().over("series") == 1)  # a band of one day has no width
        ends = (
            base.properties(data=lone)
            .mark_rule(strokeWidth=1.5)
            .encode(y=_value("low", y, form), y2="high:Q", color=color)
        )
        return alt.layer(band, ends, line).properties(width=canvas.width, height=230)

    return draw


def dots(rows: Rows, x: str, form: str, *, reference: float | None = None) -> Draw:
    """A dot (``value``) and its interval for every ``label``, in their order; ``panel`` groups them."""

    def draw(canvas: Canvas) -> Any:
        import altair as alt

        frame = _frame(rows).with_columns(whole=pl.lit(reference))
        if canvas.is_narrow:
            frame = frame.with_columns(pl.col("label").map_elements(_halved, return_dtype=pl.String))
        scale = alt.Scale(zero=False, nice=True)
        axis = alt.Axis(format=form, tickCount=canvas.ticks, labelOverlap=True, tickMinStep=_least_step(form))
        labels = alt.Axis(labelLimit=130 if canvas.is_narrow else 280, labelExpr=f"split(datum.label, '{BREAK}')")
        base = alt.Chart(frame).encode(y=alt.Y("label:N", title=None, sort=None, axis=labels))
        layers = [
            base.mark_rule(color=BLUE, strokeWidth=2).encode(
                x=alt.X("low:Q", title=x, scale=scale, axis=axis), x2="high:Q"
            ),
            base.mark_point(color=BLUE, fill=BLUE, size=60, opacity=1).encode(x=alt.X("value:Q", title=x, scale=scale)),
        ]
        if reference is not None:
            mark = alt.Chart(frame).mark_rule(color=GREY, strokeDash=[4, 3], strokeWidth=1.5)
            layers.insert(0, mark.encode(x=alt.X("mean(whole):Q", title=x, scale=scale, axis=axis)))
        room = canvas.width - (110 if canvas.is_narrow else 150)
        panels = frame["panel"].unique(maintain_order=True).to_list()
        header = alt.Header(title=None, orient="top", labelAnchor="start", labelFontWeight="bold")
        return (
            alt.layer(*layers)
            .properties(width=room, height=alt.Step(32 if canvas.is_narrow else 24))
            .facet(row=alt.Row("panel:N", sort=panels, header=header))
            .resolve_scale(y="independent")
            .properties(spacing=14)
        )

    return draw


def cells(rows: Rows, x: str, y: str, legend: str) -> Draw:
    """Shares (``value``) by ``x`` (a number) and ``y`` (a label), in fifths; what is withheld stays empty."""

    def draw(canvas: Canvas) -> Any:
        import altair as alt

        scale = alt.Scale(type="threshold", domain=[0.2, 0.4, 0.6, 0.8], range=list(STEPS))
        sizes = {"width": canvas.width - 40, "height": alt.Step(13 if canvas.is_narrow else 16)}
        return (
            alt.Chart(_frame(rows))
            .mark_rect()
            .encode(
                x=alt.X("x:O", title=x, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
                y=alt.Y("y:O", title=y, axis=alt.Axis(labelOverlap=True, titlePadding=12)),
                color=alt.Color("value:Q", scale=scale, legend=alt.Legend(title=legend, format=".0%")),
            )
            .properties(**sizes)
        )

    return draw


def _value(column: str, title: str, form: str) -> "alt.Y":
    import altair as alt

    axis = alt.Axis(format=form, tickCount=6, tickMinStep=_least_step(form))
    return alt.Y(f"{column}:Q", title=title, scale=alt.Scale(zero=False), axis=axis)


def _least_step(form: str) -> float:
    """The smallest step between two numbers of an axis that its format can tell apart."""
    decimals = int(form[1]) if form.startswith(".") else 0
    return 10.0 ** -(decimals + 2 * form.endswith("%"))


def _halved(label: str) -> str:
    """A long label on two lines; nothing of it is lost, so that no two become the same."""
    wide = sum(1 + (east_asian_width(character) in "WF") for character in label)
    if wide <= LONGEST_LINE:
        return label
    middle = len(label) // 2
    gaps = [place for place, character in enumerate(label) if character == " "]
    place = min(gaps, key=lambda gap: abs(gap - middle), default=middle)
    return label[:place] + BREAK + label[place:].lstrip()


def _frame(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame(list(rows), infer_schema_length=None)


def _svg(chart: Any) -> str:
    """Draw; its parts were validated as they were made, so the whole is not once more, which would take most time."""
    import altair as alt
    import vl_convert

    with alt.data_transformers.enable("default", max_rows=None):
        specification = chart.to_dict(validate=False)
    specification["config"] = CONFIG
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    svg: str = vl_convert.vegalite_to_svg(specification, vl_version=version)
    return svg


def embedded(svg: str, name: str, title: str, description: str) -> str:
    """A drawing as a part of a page: it scales, it is one picture with words of its own, and its ids are its own.

    Parameters
    ----------
    svg : str
        A drawing of :func:`drawn`.
    name : str
        Unique in the page.
    title, description : str
        Markup: already escaped.
    """
    inner = svg[svg.index(">", svg.index("<svg")) + 1 :]
    box = re.search(r'viewBox="([^"]+)"', svg)
    assert box, "every drawing has a viewBox"
    inner = re.sub(r'\bid="', f'id="{name}-', inner).replace("url(#", f"url(#{name}-")
    head = f'<svg viewBox="{box[1]}" role="img" aria-labelledby="{name}-t {name}-d">'
    return f'{head}<title id="{name}-t">{title}</title><desc id="{name}-d">{description}</desc>{inner}'
