"""Making the report: read one night, tell it in each language, write it in one step.

Belongs here: the order of the sections, and the files. Must not be here: what a section says.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.bi.published import published
from pipelines.errors import UserError
from pipelines.report import changes, churn, complaints, groups, losses, measures, method, overview, scores
from pipelines.report.appendix import appendix
from pipelines.report.blocks import Section
from pipelines.report.facts import Facts
from pipelines.report.page import page
from pipelines.report.story import Story
from pipelines.report.words import LANGUAGES
from pipelines.settings import Settings
from pipelines.storage.durable_files import write_durably

FRAME = ("skip", "contents", "table_behind", "as_of_label", "made_label", "published_label", "footer")


def make_reports(
    settings: Settings, made_at: datetime, languages: Sequence[str] = LANGUAGES, folder: Path | None = None
) -> list[Path]:
    """Write the report of what is published, one file a language; returns the files.

    Parameters
    ----------
    settings : Settings
        Names the warehouse folder and the unit.
    made_at : datetime
        The time of making, with its zone: it stands on the cover.
    languages : sequence of {"en", "zh"}
        What is written.
    folder : Path, optional
        Where the files go; default ``WAREHOUSE/reports/<as_of>``. A file of the same name is replaced in one step.

    Raises
    ------
    UserError
        If nothing is published, or the folder cannot be written.
    """
    with published(settings) as reader:
        facts = Facts(reader)
        stories = [Story(facts, language, made_at, settings.unit_name) for language in languages]
        pages = {story.language: rendered(story) for story in stories}
    target = folder or settings.warehouse / "reports" / f"{facts.run['as_of']}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        return [_written(target / f"report.{language}.html", text) for language, text in pages.items()]
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); choose another folder") from error


def rendered(story: Story) -> str:
    """The file in one language."""
    run, zone = story.facts.run, ZoneInfo(story.facts.run["time_zone"])
    cover = {
        "title": story.say("title"),
        "subtitle": story.say("subtitle"),
        "unit": story.unit or "",
        "day": str(run["as_of"]),
        "made": _time(story.made_at, zone),
        "published": _time(run["published_at"].replace(tzinfo=UTC), zone),
    }
    return page(story.language, cover, sections(story), {key: story.say(key) for key in FRAME})


def sections(story: Story) -> tuple[Section, ...]:
    """The report in its order: summary, method, analysis, measures, appendix."""
    analysis = (
        scores.distribution(story),
        scores.trend(story),
        changes.changes(story),
        scores.dimensions(story),
        groups.groups(story),
        groups.products(story),
        losses.losses(story),
        complaints.complaints(story),
        churn.risk(story),
        churn.monthly(story),
        churn.survival(story),
        churn.cohorts(story),
        churn.precursors(story),
    )
    return (
        overview.summary(story),
        method.method(story),
        Section("analysis", story.say("analysis"), (), analysis),
        measures.measures(story),
        appendix(story),
    )


def _time(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"


def _written(path: Path, text: str) -> Path:
    write_durably(path, text.encode("utf-8"))
    return path
