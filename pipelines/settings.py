"""Where a company's files are and how its days and money are counted.

Belongs here: the few settings that differ from installation to installation, from the environment.
Must not be here: what the data must look like or how scores are computed (see ``data_contracts``).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Settings of one installation.

    Parameters
    ----------
    landing : Path
        The landing zone, ``LANDING/<source>/<YYYY-MM-DD>.<format>``.
    warehouse : Path
        The folder that holds the private warehouse, the published database and the models.
    time_zone : str
        IANA name of the business time zone.
    currency : str or None
        Reporting currency; None takes that of most rows of the first delivery of purchases.
    """

    landing: Path = Path("landing")
    warehouse: Path = Path("warehouse")
    time_zone: str = "UTC"
    currency: str | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise UserError(
                f"TRUST_TIME_ZONE: {self.time_zone!r} is no time zone; use an IANA name such as Asia/Shanghai"
            ) from error

    @classmethod
    def from_environment(cls, landing: Path | None = None, warehouse: Path | None = None) -> "Settings":
        """Settings from TRUST_LANDING, TRUST_WAREHOUSE, TRUST_TIME_ZONE and TRUST_CURRENCY; arguments win."""
        return cls(
            landing=(landing or Path(os.environ.get("TRUST_LANDING", "landing"))).absolute(),
            warehouse=(warehouse or Path(os.environ.get("TRUST_WAREHOUSE", "warehouse"))).absolute(),
            time_zone=os.environ.get("TRUST_TIME_ZONE", "UTC"),
            currency=os.environ.get("TRUST_CURRENCY") or None,
        )
