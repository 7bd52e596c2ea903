"""The charts of the report as SVG: few colours, each a token that the page repaints for dark screens and for print.

Belongs here: how a chart looks, written in Vega-Lite as plain dictionaries: a night draws forty, and Altair's objects
took a third of the time. Must not be here: where its numbers come from, or what it means in
words. The library that draws is imported when a chart is drawn.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from unicodedata import east_asian_width

VEGA_LITE = "6.4"
"""The version of the grammar that charts are written in."""

BLUE, VERMILION, GREY, TEXT, GRID = "#0072b2", "#c24f00", "#767676", "#1f2933", "#e1e6eb"
"""After Okabe & Ito (2008): told apart with any kind of colour vision; lines differ by their strokes too."""

STEPS = ("#dcebf5", "#a9cfe6", "#6faed4", "#2f86bc", "#0a5a8c")
"""From few to many, in fifths."""

LONGEST_LINE, BREAK = 15, "\x1f"
"""Widest label on one line of the narrow drawing, in Latin letters; and where it is cut."""

FEWEST_STEPS = 4
"""Steps between the numbers of an axis, at least: with fewer, two of them would read the same."""

STROKES = ((1, 0), (6, 3))
FONTS = "DejaVu Sans, Verdana, Noto Sans CJK SC, Source Han Sans SC, PingFang SC, Microsoft YaHei, sans-serif"
"""Wide fonts first: what has room in them has room in the reader's own font, in which the page draws."""

_TAG, _OF_PARTS = re.compile(r"<[^>]*>"), re.compile(r' (?:role|aria-[a-z]+|class)="[^"]*"')
"""What the drawing says of its parts, which have no names to be read aloud; the whole has words of its own."""

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
Spec = dict[str, Any]
Draw = Callable[["Canvas"], Spec]
"""Makes a chart for the room there is."""


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


def picture(draw: Draw, width: int = 460) -> bytes:
    """The drawing as a PNG on white, for pages that show no SVG."""
    import vl_convert

    chart = draw(Canvas(width)) | {"config": CONFIG | {"background": "white", "padding": 12}}
    png: bytes = vl_convert.vegalite_to_png(chart, vl_version=VEGA_LITE)
    return png


def drawn(draw: Draw) -> tuple[str, str]:
    """The wide and the narrow drawing."""
    return _svg(draw(Canvas(WIDE))), _svg(draw(Canvas(NARROW)))


def histogram(rows: Rows, x: str, y: str, form: str) -> Draw:
    """Counts (``customers``) over classes (``low`` to ``high``)."""

    def draw(canvas: Canvas) -> Spec:
        return {
            "data": {"values": _values(rows)},
            "mark": {"type": "bar", "binSpacing": 1, "color": BLUE, "stroke": None},
            "encoding": {
                "x": _quantity("low", x, axis={"format": form, "tickCount": canvas.ticks}) | {"bin": "binned"},
                "x2": {"field": "high"},
                "y": _quantity("customers", y, axis={"tickCount": 5, "tickMinStep": 1}),
            },
            "width": canvas.width,
            "height": 200,
        }

    return draw


def lines(rows: Rows, x: str, y: str, form: str, *, is_time: bool = True) -> Draw:
    """Lines (``x``, ``value``, ``series``) with the interval ``low`` to ``high`` as a band where it is known."""

    def draw(canvas: Canvas) -> Spec:
        values = _values(rows)
        months = {"format": "%Y-%m", "tickCount": 3 if canvas.is_narrow else 6, "labelOverlap": True}
        axis = months | {"labelSeparation": 8} if is_time else {"tickCount": canvas.ticks}
        along = {"field": "x", "type": "temporal" if is_time else "quantitative", "title": x, "axis": axis}
        color, stroke = _styles([value["series"] for value in values])
        told = _fine(form, values)
        height = {"tickCount": 6, "format": told, "tickMinStep": _least_step(told)}
        middle, low = (_quantity(name, y, axis=height, scale={"zero": False}) for name in ("value", "low"))
        spread = {"x": along, "y": low, "y2": {"field": "high"}, "color": color}
        series = [value["series"] for value in values]
        lone = [value for value in values if series.count(value["series"]) == 1]  # a band of one day has no width
        line = {"type": "line", "strokeWidth": 2.2, "point": {"size": 26, "filled": True}}
        return {
            "data": {"values": values},
            "layer": [
                {"mark": {"type": "area", "opacity": 0.18}, "encoding": spread},
                {"data": {"values": lone}, "mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": spread},
                {"mark": line, "encoding": {"x": along, "y": middle, "color": color, "strokeDash": stroke}},
            ],
            "width": canvas.width,
            "height": 230,
        }

    return draw


def dots(rows: Rows, x: str, form: str, *, reference: float | None = None) -> Draw:
    """A dot (``value``) and its interval for every ``label``, in their order; ``panel`` groups them."""

    def draw(canvas: Canvas) -> Spec:
        values = [value | {"whole": reference} for value in _values(rows)]
        if canvas.is_narrow:
            values = [value | {"label": _halved(value["label"])} for value in values]
        told = _fine(form, values)
        axis = {"format": told, "tickCount": canvas.ticks, "labelOverlap": True, "tickMinStep": _least_step(told)}
        labels = {"labelLimit": 130 if canvas.is_narrow else 280, "labelExpr": f"split(datum.label, '{BREAK}')"}
        label = {"field": "label", "type": "nominal", "title": None, "sort": None, "axis": labels}
        low, value = (_quantity(name, x, axis=axis, scale={"zero": False, "nice": True}) for name in ("low", "value"))
        interval = {"type": "rule", "color": BLUE, "strokeWidth": 2}
        dot = {"type": "point", "color": BLUE, "fill": BLUE, "size": 60, "opacity": 1}
        layers = [
            {"mark": interval, "encoding": {"x": low, "x2": {"field": "high"}, "y": label}},
            {"mark": dot, "encoding": {"x": value, "y": label}},
        ]
        if reference is not None:
            mark = {"type": "rule", "color": GREY, "strokeDash": [4, 3], "strokeWidth": 1.5}
            whole = _quantity("whole", x, axis=axis, scale={"zero": False, "nice": True}) | {"aggregate": "mean"}
            layers.insert(0, {"mark": mark, "encoding": {"x": whole}})
        panels = list(dict.fromkeys(row["panel"] for row in values))
        header = {"title": None, "orient": "top", "labelAnchor": "start", "labelFontWeight": "bold"}
        return {
            "data": {"values": values},
            "facet": {"row": {"field": "panel", "type": "nominal", "sort": panels, "header": header}},
            "spec": {
                "layer": layers,
                "width": canvas.width - (110 if canvas.is_narrow else 150),
                "height": {"step": 32 if canvas.is_narrow else 24},
            },
            "resolve": {"scale": {"y": "independent"}},
            "spacing": 14,
        }

    return draw


def cells(rows: Rows, x: str, y: str, legend: str) -> Draw:
    """Shares (``value``) by ``x`` (a number) and ``y`` (a label), in fifths; what is withheld stays empty."""

    def draw(canvas: Canvas) -> Spec:
        scale = {"type": "threshold", "domain": [0.2, 0.4, 0.6, 0.8], "range": list(STEPS)}
        color = {"field": "value", "type": "quantitative", "scale": scale}
        across = {"field": "x", "type": "ordinal", "title": x, "axis": {"labelAngle": 0, "labelOverlap": True}}
        down = {"field": "y", "type": "ordinal", "title": y, "axis": {"labelOverlap": True, "titlePadding": 12}}
        return {
            "data": {"values": _values(rows)},
            "mark": "rect",
            "encoding": {"x": across, "y": down, "color": color | {"legend": {"title": legend, "format": ".0%"}}},
            "width": canvas.width - 40,
            "height": {"step": 13 if canvas.is_narrow else 16},
        }

    return draw


def _quantity(field: str, title: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _styles(series: Sequence[str]) -> tuple[Spec, Spec]:
    """Colour and stroke of each series, with a legend; where there is only one it needs none."""
    names = list(dict.fromkeys(series))
    if len(names) < 2:
        return {"value": BLUE}, {"value": [1, 0]}
    legend = {"symbolType": "stroke", "symbolOpacity": 1, "symbolSize": 300, "symbolStrokeWidth": 2.5}
    common = {"field": "series", "type": "nominal", "title": None, "sort": names, "legend": legend}
    color, stroke = ({"domain": names, "range": list(styles)} for styles in ((BLUE, VERMILION), STROKES))
    return common | {"scale": color}, common | {"scale": stroke}


def _fine(form: str, values: Sequence[dict[str, Any]]) -> str:
    """The format with as many decimals as tell the numbers of an axis apart."""
    ends = [value[name] for value in values for name in ("low", "value", "high") if value.get(name) is not None]
    room = max(ends, default=0) - min(ends, default=0)
    while 0 < room < FEWEST_STEPS * _least_step(form) and form[1] < "3":
        form = f".{int(form[1]) + 1}{form[2:]}"
    return form


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


def _values(rows: Rows) -> list[dict[str, Any]]:
    """The rows as JSON can hold them: days as the midnight they begin with, in no time zone."""
    return [
        {name: f"{value}T00:00:00" if isinstance(value, date) else value for name, value in row.items()} for row in rows
    ]


def _svg(chart: Spec) -> str:
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(chart | {"config": CONFIG}, vl_version=VEGA_LITE)
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
    inner = _TAG.sub(lambda tag: _OF_PARTS.sub("", tag[0]), inner)
    inner = re.sub(r'\bid="', f'id="{name}-', inner).replace("url(#", f"url(#{name}-")
    head = f'<svg viewBox="{box[1]}" role="img" aria-labelledby="{name}-t {name}-d">'
    return f'{head}<title id="{name}-t">{title}</title><desc id="{name}-d">{description}</desc>{inner}'
