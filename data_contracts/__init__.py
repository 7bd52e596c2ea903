"""Data contracts: what every landing source and every published table promises, and the code that reads it.

Belongs here: one ODCS v3.1 YAML per table (``landing/``, ``published/``), the reader that validates them, and the
SQL text, rules and documentation that are derived from them. No rule is written twice: it is in the YAML or nowhere.
Must not be here: a database connection, the data itself, models, or anything that decides what to do about a violation.
"""

from data_contracts.model import Column, Contract, ContractError, CrossRule, RowRule
from data_contracts.reader import contract, landing_contracts, published_contracts, read_contract

__all__ = [
    "Column",
    "Contract",
    "ContractError",
    "CrossRule",
    "RowRule",
    "contract",
    "landing_contracts",
    "published_contracts",
    "read_contract",
]
