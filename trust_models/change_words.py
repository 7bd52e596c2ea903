"""The words for what moved a score, in English and Chinese.

Belongs here: one sentence a driver, with the numbers of trials that became known.
Must not be here: numbers of any kind other than the counts and contributions given.
"""

from __future__ import annotations

import polars as pl

from trust_models.streams import STREAMS
from trust_models.trust_words import CHINESE, ENGLISH, Words, signed

REFIT, FADING, GROUPS = "refit", "fading", "groups"

OTHERS = {
    REFIT: ("The model was refitted", "模型重新拟合"),
    FADING: ("Older experiences count a little less", "较早的经历分量略减"),
    GROUPS: ("The customer's group has changed", "客户所属群体有变"),
}
"""What moves a score other than trials."""

_EACH = pl.col("contribution")
_MATURED, _FAILED = pl.col("matured"), pl.col("matured_failures")


def sentences() -> tuple[pl.Expr, pl.Expr]:
    """English and Chinese sentence of a driver, from its contribution and the counts of ``trial_changes``.

    The counts are null for the drivers of :data:`OTHERS`. A driver that lowers the score speaks of what failed, one
    that raises it of what went well, as far as there was any.
    """
    english = pl.concat_str(_upper(_told(0, ENGLISH, "; ")), pl.format(" ({})", signed()))
    chinese = pl.concat_str(_told(1, CHINESE, "；"), pl.format("（{}）", signed()))
    return english, chinese


def _told(language: int, words: dict[str, Words], separator: str) -> pl.Expr:
    other = {driver: texts[language] for driver, texts in OTHERS.items()}
    parts = _chinese(words) if language else _english(words)
    return _word(other).fill_null(pl.concat_str(*parts, separator=separator, ignore_nulls=True))


def _english(words: dict[str, Words]) -> list[pl.Expr]:
    """“2 deliveries missed the promised date”, “1 of 3 deliveries missed …”, and what became of older ones."""
    told, is_bad = _spoken_of()
    noun, predicate = _noun(words, _MATURED), _predicate(words, is_bad)
    return [
        _where(told, pl.when(told == _MATURED).then(pl.format("{} {} {}", told, noun, predicate))
               .otherwise(pl.format("{} of {} {} {}", told, _MATURED, noun, predicate))),
        *(
            _where(
                pl.col(kind),
                pl.format("{} earlier {} {}, as is now known", pl.col(kind), _noun(words, pl.col(kind)),
                          _of(words, outcome)),
            )
            for kind, outcome in (("turned_bad", "failed"), ("turned_good", "succeeded"))
        ),
        _where(
            pl.col("withdrawn"),
            pl.format("{} earlier {} no longer {}: the record was corrected", pl.col("withdrawn"),
                      _noun(words, pl.col("withdrawn")),
                      pl.when(pl.col("withdrawn") == 1).then(pl.lit("counts")).otherwise(pl.lit("count"))),
        ),
    ]  # fmt: skip


def _chinese(words: dict[str, Words]) -> list[pl.Expr]:
    """“2 次配送晚于承诺日期”, “3 次配送中有 1 次晚于承诺日期”, and what became of older ones."""
    told, is_bad = _spoken_of()
    noun, predicate = _of(words, "many"), _predicate(words, is_bad)
    classifier, thing = noun.str.slice(0, 1), noun.str.slice(1)
    return [
        _where(told, pl.when(told == _MATURED).then(pl.format("{} {}{}", told, noun, predicate))
               .otherwise(pl.format("{} {}中有 {} {}{}", _MATURED, noun, told, classifier, predicate))),
        *(
            _where(pl.col(kind), pl.format("现已得知，{} {}较早的{}{}", pl.col(kind), classifier, thing,
                                           _of(words, outcome)))
            for kind, outcome in (("turned_bad", "failed"), ("turned_good", "succeeded"))
        ),
        _where(
            pl.col("withdrawn"),
            pl.format("{} {}较早的{}因记录更正不再计入", pl.col("withdrawn"), classifier, thing),
        ),
    ]  # fmt: skip


def _spoken_of() -> tuple[pl.Expr, pl.Expr]:
    """How many of the new trials are spoken of, and whether as failures."""
    is_bad = (_FAILED > 0) & ((_EACH < 0) | (_FAILED == _MATURED))
    return pl.when(is_bad).then(_FAILED).otherwise(_MATURED - _FAILED), is_bad


def _where(count: pl.Expr, text: pl.Expr) -> pl.Expr:
    return pl.when(count > 0).then(text)


def _noun(words: dict[str, Words], count: pl.Expr) -> pl.Expr:
    return pl.when(count == 1).then(_of(words, "one")).otherwise(_of(words, "many"))


def _predicate(words: dict[str, Words], is_bad: pl.Expr) -> pl.Expr:
    return pl.when(is_bad).then(_of(words, "failed")).otherwise(_of(words, "succeeded"))


def _of(words: dict[str, Words], kind: str) -> pl.Expr:
    """A word of each row's stream."""
    return _word({stream: getattr(words[stream], kind) for stream in STREAMS})


def _word(of_driver: dict[str, str]) -> pl.Expr:
    driver = pl.col("driver").cast(pl.String)
    return driver.replace_strict(list(of_driver), list(of_driver.values()), default=None, return_dtype=pl.String)


def _upper(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(text.str.slice(0, 1).str.to_uppercase(), text.str.slice(1))
