"""The catalogue of actions that a company edits, as a table for the marts.

Belongs here: reading ``data_contracts/actions.yaml``. Must not be here: which customer gets which action.
"""

from pathlib import Path

import polars as pl
import yaml

from pipelines.errors import UserError

CATALOGUE = Path(__file__).resolve().parents[2] / "data_contracts" / "actions.yaml"


def actions() -> pl.DataFrame:
    """One row per score and driver: score, driver, text_en, text_zh.

    Raises
    ------
    UserError
        If the file does not say what to do in both languages.
    """
    try:
        told = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
        rows = [
            {"score": score, "driver": driver, "text_en": str(words["en"]), "text_zh": str(words["zh"])}
            for score, drivers in told.items()
            for driver, words in drivers.items()
        ]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{CATALOGUE.name}: every driver needs an action in 'en' and 'zh' ({reason})") from error
    return pl.DataFrame(rows, schema=dict.fromkeys(("score", "driver", "text_en", "text_zh"), pl.String))
