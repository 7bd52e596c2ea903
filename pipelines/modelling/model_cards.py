"""Model cards as pages: what a manager should know of a model before its scores are used, in English and Chinese.

Belongs here: the layout of the page, made of ``card.json`` alone; what the card does not say is said to be not known.
Must not be here: files (see ``model_store``), fixed texts (see ``model_card_words``), or any measuring.

The sections are those of Mitchell et al. (2019), Model Cards for Model Reporting, FAT* 2019, 220-229.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from scipy.special import expit

from pipelines.checks.drift_words import DRIVERS
from pipelines.checks.findings import one_line
from pipelines.modelling import model_card_words as words
from trust_models.feature_catalogue import FeatureSettings, driver_of
from trust_models.trust_words import CHINESE as STREAMS_ZH
from trust_models.trust_words import ENGLISH as STREAMS_EN

FILES = {"en": "card.en.md", "zh": "card.zh-CN.md"}
_TOLD = {
    "format",
    "kind",
    "version",
    "trained_as_of",
    "is_promoted",
    "horizon_days",
    "definition",
    "basis",
    "has_candidate",
}
_TOLD |= {"chosen", "software_version", "library_versions", "sha256", "data_window", "customers", "rhythm", "features"}
_TOLD |= {"reference", "quality", "snapshots", "streams", "notes", "functioning", "shifts", "half_life", "refit"}
_TOLD |= {"deliveries", "is_refit", "calibration"}

Card = Mapping[str, Any]


def pages(card: Card) -> dict[str, bytes]:
    """The pages of a card: file name → Markdown, UTF-8."""
    return {file: page(card, lang).encode() for lang, file in FILES.items()}


def page(card: Card, lang: str) -> str:
    """The card as Markdown, in English (``en``) or Chinese (``zh``)."""
    told = _Page(card, 0 if lang == "en" else 1)
    parts = [f"# {told.say(words.TITLE)}{told.of(words.TITLES)}"]
    for name, section in _SECTIONS.items():
        parts += [f"## {told.say(words.HEADINGS[name])}", *section(told)]
    return "\n\n".join([*parts, told.say(words.FOOT)]) + "\n"


@dataclass(frozen=True)
class _Page:
    """A card and the language that it is told in: 0 English, 1 Chinese."""

    card: Card
    lang: int

    def say(self, texts: words.Texts, **values: str) -> str:
        """One of the two texts, with values in it."""
        text = texts[self.lang]
        return text.format(**values) if values else text

    def of(self, by_kind: Mapping[str, words.Texts], **values: str) -> str:
        """The text for this kind of model."""
        kind = self.card["kind"]
        return self.say(by_kind[kind], **values)

    @property
    def not_known(self) -> str:
        """The words for what the card does not say."""
        return self.say(words.NOT_KNOWN)

    def fact(self, label: words.Texts, value: str) -> str:
        """A label and what is to be said of it."""
        return self.say(label) + self.say(words.COLON) + value

    def value(self, name: str) -> str:
        """An entry of the card as text for Markdown."""
        return self.shown(self.card.get(name))

    def shown(self, value: Any) -> str:
        """A value as text for Markdown."""
        if value is None:
            return self.not_known
        if isinstance(value, bool):
            return self.say(words.YES if value else words.NO)
        if isinstance(value, int):
            return f"{value:,}"
        if isinstance(value, float):
            return f"{value:.4g}"
        return plain(str(value))

    def table(self, head: Iterable[words.Texts | str], rows: Iterable[Sequence[str]]) -> str:
        """A table; cells must be Markdown already."""
        names = [name if isinstance(name, str) else self.say(name) for name in head]
        lines = [names, ["---"] * len(names), *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plain(text: str) -> str:
    """Text that means itself in Markdown, inside a table too."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", one_line(text))


def code(text: str) -> str:
    """A name as code, inside a table too."""
    return "`" + one_line(text).replace("`", "'").replace("|", "\\|") + "`"


def _summary(told: _Page) -> list[str]:
    horizon = {"horizon_days": told.value("horizon_days")} if told.card["kind"] == "churn" else {}
    lines = [told.of(words.SUMMARY, **horizon)]
    facts = [told.fact(words.PROMOTED, told.value("is_promoted"))]
    if told.card["kind"] == "churn":
        lost = words.LOST.get(str(told.card.get("definition")), words.NOT_KNOWN)
        facts.append(told.fact(words.WHAT_LOST_MEANS, told.say(lost)))
        facts += [told.fact(words.FROM, _basis(told, told.card.get("basis"))), _beside_baselines(told)]
    return [*lines, _bullets(facts)]


def _beside_baselines(told: _Page) -> str:
    loss = {row["basis"]: row["value"] for row in told.card.get("quality", ()) if row["metric"] == "log_loss"}
    rules = {basis: value for basis, value in loss.items() if basis != "model" and value is not None}
    if not rules or loss.get("model") is None:
        return told.say(words.NOT_COMPARED)
    best = min(rules, key=lambda basis: rules[basis])
    model, least = measured("log_loss", loss["model"]), measured("log_loss", rules[best])
    return told.say(words.BEST, model=str(model), baseline=_basis(told, best), loss=str(least))


def _basis(told: _Page, basis: Any) -> str:
    """What gave a number, in words."""
    if basis is None:
        return told.not_known
    name = str(basis).removeprefix("baseline:")
    label = told.say(words.BASES[name]) if name in words.BASES else plain(name)
    return label if name == basis else f"{label} ({told.say(words.BASELINE)})"


def _details(told: _Page) -> list[str]:
    versions: Mapping[str, str] = told.card.get("library_versions") or {}
    values = {name: told.value(name) for name in words.DETAILS}
    values["form"] = told.of(words.FORMS)
    values["library_versions"] = ", ".join(f"{plain(n)} {plain(v)}" for n, v in versions.items()) or told.not_known
    values["chosen"] = _basis(told, told.card.get("chosen"))
    if told.card["kind"] != "churn":
        del values["chosen"]
    rows = [(told.say(words.DETAILS[name]), value) for name, value in values.items()]
    others = [(code(name), _other(told, told.card[name])) for name in told.card if name not in _TOLD]
    extra = [told.fact(words.ALSO_ON_CARD, ""), told.table(("", ""), others)] if others else []
    return [told.table(("", ""), rows), *extra]


def _other(told: _Page, value: Any) -> str:
    return told.say(words.IN_JSON) if isinstance(value, list | dict) else told.shown(value)


def _use(told: _Page) -> list[str]:
    return [told.of(words.USES)]


def _out_of_scope(told: _Page) -> list[str]:
    return [_bullets(map(told.say, words.OUT_OF_SCOPE))]


def _factors(told: _Page) -> list[str]:
    groups = told.say(words.GROUPS, not_known=told.not_known)
    if told.card["kind"] != "churn":
        return [told.say(words.FACTORS_TRUST), *(_functioning(told) if "functioning" in told.card else [groups])]
    features = list(told.card.get("features", ()))
    drivers = driver_of(features, FeatureSettings())
    ordered = sorted(features, key=lambda name: list(DRIVERS).index(drivers[name]))
    rows = [
        (told.say(DRIVERS[driver]), ", ".join(map(code, names)))
        for driver, names in groupby(ordered, key=lambda name: drivers[name])
    ]
    shown = told.table(words.FEATURES_HEAD, rows) if rows else told.not_known
    return [told.say(words.FACTORS_CHURN), shown, groups]


def _functioning(told: _Page) -> list[str]:
    """Groups in which a stream of evidence does not mean what it means in others."""
    pairs = told.card["functioning"]
    differing = [
        (
            code(pair["stream"]),
            f"{plain(pair['factor'])}: {plain(pair['group'])}",
            told.shown(pair["customers"]),
            f"× {math.exp(pair['shift']):.2f}",
            told.shown(pair["is_adjusted"]),
        )
        for pair in pairs
        if pair["is_different"]
    ]
    shown = told.table(words.FUNCTIONING_HEAD, differing) if differing else told.say(words.NO_DIFFERENCE)
    return [told.say(words.FUNCTIONING, tested=f"{len(pairs):,}"), shown]


def _metrics(told: _Page) -> list[str]:
    if told.card["kind"] != "churn":
        return [told.say(words.METRICS_TRUST)]
    names = [*words.METRICS, *(name for name in _measures(told) if name not in words.METRICS)]
    rows = [(code(name), told.say(words.METRICS.get(name, words.UNEXPLAINED))) for name in names]
    return [told.table(words.METRIC_HEAD, rows)]


def _measures(told: _Page) -> list[str]:
    """The metrics on the card, in the order of the words."""
    given = list(dict.fromkeys(row["metric"] for row in told.card.get("quality", ())))
    return sorted(given, key=lambda name: (name not in words.METRICS, [*words.METRICS, *given].index(name)))


def _evaluation_data(told: _Page) -> list[str]:
    if told.card["kind"] != "churn":
        return [told.say(words.NOT_VALIDATED, not_known=told.not_known)]
    days = sorted({str(row["as_of"]) for row in told.card.get("quality", ())})
    if not days:
        return [told.say(words.NOT_EVALUATED, not_known=told.not_known)]
    if not told.card.get("has_candidate", True):
        return [told.say(words.EVALUATED_TOGETHER)]
    return [told.say(words.EVALUATED, as_of=plain(", ".join(days)))]


def _training_data(told: _Page) -> list[str]:
    card = told.card
    rhythm: Mapping[str, Any] = card.get("rhythm") or {}
    values = {"data_window": " – ".join(map(plain, card.get("data_window", ()))) or told.not_known}
    if card["kind"] == "churn":
        values["features"] = told.shown(len(card["features"]) if "features" in card else None)
    else:
        half_life: Mapping[str, Any] = card.get("half_life") or {}
        values |= {"customers": told.value("customers"), "half_life": told.shown(half_life.get("days"))}
        values["rhythm"] = told.shown(rhythm.get("interval_days"))
    if card["kind"] != "experience":
        values["reference"] = told.shown(len(card["reference"]) if "reference" in card else None)
    rows = [(told.say(words.DATA[name]), value) for name, value in values.items()]
    return [told.table(("", ""), rows), *(_snapshots(told) if card["kind"] == "churn" else ())]


def _snapshots(told: _Page) -> list[str]:
    days = told.card.get("snapshots", ())
    if not days:
        return [told.say(words.NO_SNAPSHOTS)]
    rows = [
        (
            told.shown(day["as_of"]),
            told.shown(day["customers"]),
            told.shown(day["lost"]),
            f"{day['lost'] / day['customers']:.1%}",
            told.shown(day["is_used"]),
        )
        for day in days
    ]
    return [told.say(words.SNAPSHOTS), told.table(words.SNAPSHOT_HEAD, rows)]


def _analyses(told: _Page) -> list[str]:
    return _quality(told) if told.card["kind"] == "churn" else [*_streams(told), *_refit(told)]


def _refit(told: _Page) -> list[str]:
    """How far scores moved from the model before, and why."""
    refit: Mapping[str, Any] | None = told.card.get("refit")
    if refit is None:
        return [told.say(words.NO_REFIT)]
    rows = [
        (told.say(words.CAUSES[row["cause"]]), f"{row['mean_absolute']:.2f}")
        for row in sorted(refit["causes"], key=lambda row: -row["mean_absolute"])
    ]
    text = told.say(
        words.REFIT,
        before=code(refit["before"]),
        mean=f"{refit['score_shift_mean']:.1f}",
        tenth=f"{refit['score_shift_largest_tenth']:.1f}",
        correlation=told.shown(refit.get("score_shift_rank_correlation")),
    )
    return [text, told.table(words.REFIT_HEAD, rows)]


def _quality(told: _Page) -> list[str]:
    """A row a metric, a column for the model and each baseline."""
    quality = {(row["basis"], row["metric"]): row["value"] for row in told.card.get("quality", ())}
    if not quality:
        return [told.say(words.NOT_EVALUATED, not_known=told.not_known)]
    bases = sorted(dict.fromkeys(basis for basis, _ in quality), key=lambda basis: basis != "model")
    head: list[words.Texts | str] = [words.METRIC_HEAD[0], *(_basis(told, basis) for basis in bases)]
    rows = [
        [code(metric), *(measured(metric, quality.get((basis, metric))) or told.not_known for basis in bases)]
        for metric in _measures(told)
    ]
    return [told.table(head, rows), *_calibration(told)]


def _calibration(told: _Page) -> list[str]:
    """What was predicted beside what followed; cards of before it was kept have none."""
    rows = [
        (
            f"{row['customers']:,}",
            f"{row['mean_risk']:.1%}",
            f"{row['lost_share']:.1%}",
            f"{row['low']:.1%} – {row['high']:.1%}",
        )
        for row in told.card.get("calibration", ())
    ]
    return [told.say(words.CALIBRATION), told.table(words.CALIBRATION_HEAD, rows)] if rows else []


def measured(metric: str, value: float | None) -> str | None:
    """The value of a metric as people write it; None where there is none."""
    if value is None:
        return None
    if metric in ("mean_risk", "lost_share", "ece"):
        return f"{value:.1%}"
    return f"{value:,.0f}" if metric == "customers" else f"{value:.4f}"


def _streams(told: _Page) -> list[str]:
    rows = [_stream(told, stream) for stream in told.card.get("streams", ())]
    if not rows:
        return [told.not_known]
    return [told.table(words.STREAM_HEAD, rows), told.say(words.STREAMS)]


def _stream(told: _Page, stream: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{_stream_words(told, stream['stream'])} ({code(stream['stream'])})"
    if not stream["has_trials"]:
        return name, told.say(words.NO_TRIALS), "", ""
    usual = float(expit(stream["intercept"]))
    return name, f"{usual:.1%}", f"× {math.exp(stream['loading']):.2f}", f"{stream['concentration']:,.1f}"


def _stream_words(told: _Page, name: str) -> str:
    if name not in STREAMS_EN:
        return told.not_known
    english, chinese = STREAMS_EN[name], STREAMS_ZH[name]
    return f"{english.many} that {english.succeeded}" if told.lang == 0 else f"{chinese.succeeded}的{chinese.many[1:]}"


def _ethics(told: _Page) -> list[str]:
    return [_bullets(map(told.say, words.ETHICS))]


def _caveats(told: _Page) -> list[str]:
    notes = [plain(note[told.lang]) for note in told.card.get("notes", ())]
    if told.card["kind"] != "churn":
        return [told.of(words.CAVEATS)]
    noted = [told.fact(words.NOTED, ""), _bullets(notes or [told.say(words.NOTHING)])]
    return [told.of(words.CAVEATS), *noted]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


_SECTIONS = {
    "summary": _summary,
    "details": _details,
    "use": _use,
    "out_of_scope": _out_of_scope,
    "factors": _factors,
    "metrics": _metrics,
    "evaluation_data": _evaluation_data,
    "training_data": _training_data,
    "analyses": _analyses,
    "ethics": _ethics,
    "caveats": _caveats,
}
