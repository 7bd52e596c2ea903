"""Summaries of customers, kept from night to night: which still stand, and the others made anew, a part at a time.

Belongs here: what kept summaries depend on, whom something happened to since, and bringing the tables up to a night.
Must not be here: what a summary is (``trust_models.summaries``), or what scores are made of them (``scoring``).

A summary stands while nothing becomes known of its customer and no day in it falls due. So a night looks at the events
of those customers only to whom something happened; everything else that summaries depend on is in :func:`_made_of`, and
where any of it has changed, all of them are made anew.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path

import polars as pl

import trust_models
from pipelines.ingest.deliveries import fingerprint
from pipelines.modelling.customer_parts import EVERYBODY, SOURCES, coverage_of, offer_parts, parts
from pipelines.modelling.engines import engine_of
from pipelines.modelling.models import ModelsInUse
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.sql_files import text
from pipelines.staging import TABLES, require_purchases, spoke_otherwise, variables
from pipelines.warehouse import Warehouse
from trust_models.part_work import summaries_of
from trust_models.snapshot import ScoringSettings
from trust_models.summaries import Summaries, anchors
from trust_models.trial_outcomes import added_up

KEPT = "meta.summaries"
TOUCHED, OUTCOMES = "features.touched", "features.trial_outcomes"


@dataclass(frozen=True)
class Shelf:
    """Where the summaries of the day that lies ``days_back`` before the night are kept."""

    name: str
    days_back: int
    has_features: bool

    @property
    def customers(self) -> str:
        """The table with one row a customer."""
        return f"features.customer_{self.name}"

    @property
    def streams(self) -> str:
        """The table with one row a customer and stream."""
        return f"features.stream_{self.name}"

    def day(self, night: date) -> date:
        """The day that the summaries of a night speak of."""
        return night - timedelta(days=self.days_back)


NOW = Shelf("summaries", 0, has_features=True)
BEFORE = Shelf("summaries_before", 30, has_features=False)


@dataclass(frozen=True)
class Brought:
    """What bringing summaries up came to.

    Parameters
    ----------
    made_anew : int
        Customers whose events were looked at.
    because : str or None
        Why it was everybody; None where it was only those to whom something happened.
    """

    made_anew: int
    because: str | None


def bring_up(warehouse: Warehouse, night: date, models: ModelsInUse, shelf: Shelf = NOW) -> Brought:
    """Bring the summaries of a shelf up to a night; they, and what says of what they were made, change together."""
    require_purchases(warehouse)
    settings = models.settings(scoring_settings(warehouse.settings))
    covered = coverage_of(warehouse, settings.as_of(shelf.day(night)))
    made_of = _made_of(warehouse, shelf, night, models, settings, covered)
    kept = _kept(warehouse, shelf)
    because = _why_all(warehouse, kept, night, made_of)
    since = None if because or kept is None else kept[0]
    if since == night:
        return Brought(0, None)
    work = partial(
        summaries_of,
        day=shelf.day(night),
        since=None if since is None else shelf.day(since),
        settings=settings,
        rhythm=models.rhythm,
        covered=covered,
        has_features=shelf.has_features,
    )
    with warehouse.transaction():
        made_anew = offer_parts(warehouse, EVERYBODY if since is None else _changed(shelf, since, night))
        _clear(warehouse, shelf, since)
        outcomes, less = _made(warehouse, shelf, engine_of(warehouse.settings).map(work, parts(warehouse)))
        if shelf.has_features:
            old = [] if since is None else [warehouse.table(OUTCOMES)]
            warehouse.replace(OUTCOMES, added_up([*old, *outcomes], less))
        row = {"shelf": [shelf.name], "night": [night], "made_of": [json.dumps(made_of)], "made_anew": [made_anew]}
        frame = pl.DataFrame(row | {"because": pl.Series([because], dtype=pl.String)})
        warehouse.replace_part(KEPT, frame, "shelf = ?", (shelf.name,))
    return Brought(made_anew, because)


def kept_summaries(warehouse: Warehouse, shelf: Shelf, customers: str) -> Summaries:
    """The summaries of the customers who meet a condition: customers sorted, streams in any order."""
    found, streams = (
        warehouse.frame(f"select * from {table} where {customers}") for table in (shelf.customers, shelf.streams)
    )
    return Summaries(found.sort("customer_id"), streams)


def population_interval_days(warehouse: Warehouse) -> float | None:
    """Days between purchases, Σ span / Σ repeats of all customers; None where nobody has bought twice."""
    days, repeats = warehouse.run(
        f"select sum(last_order_date - first_order_date), sum(purchase_days - 1) from {NOW.customers}"
    )[0]
    return int(days) / int(repeats) if repeats else None


def _clear(warehouse: Warehouse, shelf: Shelf, since: date | None) -> None:
    """Take away what will be made anew: everything, or what is there of those who are wanted."""
    for table in (shelf.customers, shelf.streams):
        if since is None:
            warehouse.run(f"drop table if exists {table}")
        else:
            warehouse.run(f"delete from {table} where customer_id in (select customer_id from wanted)")
    if shelf.has_features:
        warehouse.replace(TOUCHED, pl.DataFrame(schema={"customer_id": pl.String}))


def _made(
    warehouse: Warehouse, shelf: Shelf, parts: Iterable[Mapping[str, pl.DataFrame]]
) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    """Add what was made of each part to the tables; returns the outcomes of the day, and those of the night before."""
    outcomes, less = list[pl.DataFrame](), list[pl.DataFrame]()
    for made in parts:
        warehouse.append(shelf.customers, made["customers"])
        warehouse.append(shelf.streams, made["streams"])
        if shelf.has_features:
            warehouse.append(TOUCHED, made["touched"])
            outcomes.append(made["outcomes"])
            less += [made["outcomes_since"]] if "outcomes_since" in made else []
    return outcomes, less


def _changed(shelf: Shelf, since: date, night: date) -> str:
    """The query of the customers whose summaries of an earlier night no longer stand."""
    first, last = shelf.day(since), shelf.day(night)
    came_or_went = (
        f"select customer_id from staging.{source} where {column} > date '{first}' and {column} <= date '{last}'"
        for source in SOURCES
        for column in ("known_from", "known_until")
    )
    return " union ".join([f"select customer_id from {shelf.customers} where wakes_on <= date '{last}'", *came_or_went])


def _kept(warehouse: Warehouse, shelf: Shelf) -> tuple[date, dict[str, str]] | None:
    """The night that the kept summaries are of, and what they were made of; None where none are kept."""
    if not warehouse.has_table(KEPT) or not warehouse.has_table(shelf.customers):
        return None
    held = warehouse.run(f"select night, made_of from {KEPT} where shelf = ?", (shelf.name,))
    return (held[0][0], json.loads(held[0][1])) if held else None


def _why_all(
    warehouse: Warehouse, kept: tuple[date, dict[str, str]] | None, night: date, made_of: dict[str, str]
) -> str | None:
    """Why no kept summary stands, in a word or two; None where they do."""
    if warehouse.settings.is_full:
        return "asked for"
    if kept is None:
        return "none are kept"
    since, then = kept
    if since > night:
        return f"those of {since} are kept"
    if spoke_otherwise(warehouse, since):
        return "a source was delivered for the first time"
    now = made_of | {"deliveries": str(fingerprint(warehouse, since))}
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    return f"changed: {', '.join(changed)}" if changed else None


def _made_of(
    warehouse: Warehouse,
    shelf: Shelf,
    night: date,
    models: ModelsInUse,
    settings: ScoringSettings,
    covered: pl.DataFrame,
) -> dict[str, str]:
    """Everything that summaries depend on beside the events of their own customers."""
    erased = warehouse.value("select sum(rows_erased) from meta.loads") if warehouse.has_table("meta.loads") else 0
    return {
        "deliveries": str(fingerprint(warehouse, night)),
        "erasures": str(erased or 0),
        "settings": repr(settings),
        "rhythm": repr(models.rhythm),
        "anchors": repr(anchors(shelf.day(night), settings)),
        "coverage": repr(covered.row(0, named=True)),
        "staging": repr(sorted(variables(warehouse).items(), key=lambda pair: pair[0])),
        "code": _code(),
    }


@lru_cache(maxsize=1)
def _code() -> str:
    """Digest of everything that makes staging and summaries: the models, the SQL, the library."""
    files = sorted(Path(trust_models.__file__).parent.glob("*.py"))
    digest = hashlib.sha256(version("polars").encode())
    for content in (*(file.read_bytes() for file in files), *(text(f"staging/{name}.sql").encode() for name in TABLES)):
        digest.update(content)
    return digest.hexdigest()[:16]
