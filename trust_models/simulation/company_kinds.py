"""The kinds of companies that can be simulated: named, frozen sets of parameters.

Belongs here: magnitudes, with their units and why they are realistic. Must not be here: any drawing of random
numbers, or how the parameters act (that is :mod:`trust_models.simulation.life`).

The retail figures are the order of magnitude of European online retail: 5–10% of parcels late, 2–4% of orders
with a fault, a complaint on 3–5% of orders, a tenth of the customers lost to distrust a year and about as many
to a need that ended. One hundred thousand retail customers over three years make about one million order lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class CompanyKind:
    """How a company and its customers behave; rates are of an average customer of average trust.

    Parameters
    ----------
    name : str
        The name on the command line.
    orders_per_customer_year : float
        Mean orders a year of a customer who has joined and not left.
    rate_shape : float
        Shape of the gamma distribution of that rate over customers; below 1 most customers buy few times.
    regularity : int
        Hidden stages between two orders: 1 is a Poisson process, 8 is nearly a subscription.
    lines_per_order : float
        Mean order lines.
    late_share, fault_share : float
        Share of orders delivered after the promised time, and with a fault.
    ordinary_return_share : float
        Share of lines sent back for a reason that is no failure (changed mind, wrong size).
    has_promises : bool
        Whether the company records what it promised; deliveries can be late either way.
    voice_share : float
        Share of orders with a complaint that no failed promise or fault explains.
    trust_exit_year, need_exit_year, involuntary_exit_year : float
        Customers lost a year, of those present: for distrust, for a need that ended whatever the trust, and
        ended by the company or by death.
    declared_share : float
        Share of the voluntary exits that leave a churn record; the others fall silent.
    comeback_share : float
        Share of the voluntary exits that end after some months.
    foreign_share : float
        Share of the customers that pay in the second currency.
    quality_trust_correlation : float
        Correlation of the quality that a customer goes on meeting with the trust they begin with, which
        earlier quality made.
    quality_spread : float
        Standard deviation, in log-odds, of the quality that customers meet.
    trust_on_intensity : float
        Change of the log purchase intensity with one standard deviation of trust.
    """

    name: str
    orders_per_customer_year: float = 5.0
    rate_shape: float = 0.6
    regularity: int = 1
    lines_per_order: float = 1.25
    late_share: float = 0.08
    fault_share: float = 0.035
    ordinary_return_share: float = 0.04
    has_promises: bool = True
    voice_share: float = 0.014
    trust_exit_year: float = 0.10
    need_exit_year: float = 0.08
    involuntary_exit_year: float = 0.01
    declared_share: float = 0.4
    comeback_share: float = 0.06
    foreign_share: float = 0.02
    quality_trust_correlation: float = 0.9
    quality_spread: float = 0.8
    trust_on_intensity: float = 0.25


_KINDS = (
    CompanyKind("retail"),
    CompanyKind("sparse", orders_per_customer_year=1.2, rate_shape=0.5, lines_per_order=1.1, has_promises=False),
    CompanyKind(
        "contractual",
        orders_per_customer_year=12.0,
        rate_shape=20.0,
        regularity=8,
        lines_per_order=1.05,
        late_share=0.05,
        fault_share=0.02,
        ordinary_return_share=0.002,
        trust_exit_year=0.14,
        declared_share=1.0,
        foreign_share=0.0,
        trust_on_intensity=0.03,
    ),
    CompanyKind("fashion_returns", orders_per_customer_year=4.0, lines_per_order=2.5, ordinary_return_share=0.5),
    CompanyKind("need_exit", trust_exit_year=0.0, need_exit_year=0.25),
)

KINDS: Mapping[str, CompanyKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""The named kinds: retail (the default), sparse evidence, contractual, one where about half of the items come
back for ordinary reasons, and one whose exits have nothing to do with trust."""
