"""A report as one HTML file: template, style and drawings in one, nothing loaded from anywhere.

Belongs here: putting blocks into the template. Must not be here: what they say. Every text is escaped by the template;
the only markup that goes in as it stands is that of the chart library, and the project's own style sheet.
"""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipelines.report.blocks import Figure, Section
from pipelines.report.charts import embedded

FOLDER = Path(__file__).parent
TAGS: Mapping[str, str] = {"en": "en", "zh": "zh-CN"}


def page(language: str, cover: Mapping[str, str], sections: tuple[Section, ...], words: Mapping[str, str]) -> str:
    """The whole file as text.

    Parameters
    ----------
    language : {"en", "zh"}
        Language of all texts.
    cover : mapping of str to str
        Title, unit (may be empty), and the lines about the day and the making.
    sections : tuple of Section
        In their order.
    words : mapping of str to str
        The few words of the frame: skip link, contents, table behind a chart, language of the other file.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = _drawing
    style = Markup((FOLDER / "page.css").read_text(encoding="utf-8"))  # noqa: S704  (our own file)
    return environment.get_template("page.html.jinja").render(
        lang=TAGS[language], cover=cover, sections=sections, words=words, style=style
    )


def _drawing(figure: Figure, size: str) -> Markup:
    svg = {"wide": figure.wide, "narrow": figure.narrow}[size]
    title, description = str(escape(figure.title)), str(escape(figure.description))
    return Markup(embedded(svg, f"{figure.name}-{size}", title, description))  # noqa: S704  (escaped just above)
