"""Pseudonyms: what the warehouse keeps instead of a customer's id, where the installation has a key for it.

Belongs here: the keyed hash, its SQL function, and the refusal of a key that is not the one the warehouse was made
with. Must not be here: what is written (see ``accepting``), or the keyed hash of erased persons (see ``tombstones``).

A pseudonym is HMAC-SHA-256 of the id (RFC 2104), in hexadecimal. Keys reach DuckDB as parameters, never as SQL text.
"""

import hashlib
import hmac
import re
from dataclasses import replace

from data_contracts import Column, Contract
from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

PERSON = "customer_id"
"""The column that says whom a row speaks of, the same in every source and table."""

_CHECKED = "\x00key check\x00"  # no id: contracts refuse control characters
_BLOCK_BYTES = 64
_PSEUDONYM = re.compile("[0-9a-f]{64}")
_KEY_CHECKS = "create table if not exists meta.key_checks (name varchar not null, key_check varchar)"


def keyed_hash(key: bytes, text: str) -> str:
    """HMAC-SHA-256 of a text, in hexadecimal."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def offer_keyed_hash(warehouse: Warehouse, name: str, key: bytes) -> None:
    """Give this connection's SQL the function ``name(text)``: HMAC-SHA-256 under a key, in hexadecimal."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    for pad, mask in (("inner", 0x36), ("outer", 0x5C)):
        warehouse.run(f"set variable {name}_{pad} = ?", (bytes(byte ^ mask for byte in block),))
    warehouse.run(
        f"create or replace temp macro {name}(text) as"
        f" sha256(getvariable('{name}_outer') || unhex(sha256(getvariable('{name}_inner') || encode(text))))"
    )


def key_check(name: str, key: bytes) -> str:
    """What tells one key from another without telling the key."""
    return keyed_hash(key, f"{_CHECKED}{name}")


def known_key_check(warehouse: Warehouse, name: str) -> tuple[str | None] | None:
    """The check value of the key that the warehouse was made with (of none: null), or None where none was kept yet."""
    if not warehouse.has_table("meta.key_checks"):
        return None
    rows = warehouse.run("select key_check from meta.key_checks where name = ?", (name,))
    return (rows[0][0],) if rows else None


def keep_key_check(warehouse: Warehouse, name: str, check: str | None) -> None:
    """Keep the check value of a key (of none: null) for all later runs."""
    warehouse.run(_KEY_CHECKS)
    warehouse.run("insert into meta.key_checks values (?, ?)", (name, check))


def offer_pseudonym(warehouse: Warehouse) -> None:
    """Give SQL the function ``pseudonym(id)``: the id as the warehouse keeps it, which without a key is the id itself.

    Raises
    ------
    UserError
        If the warehouse was made with another key, without one, or with one that is missing now.
    """
    key = warehouse.settings.pseudonym_key
    _refuse_other_key(warehouse, key)
    if key is None:
        warehouse.run("create or replace temp macro pseudonym(text) as text")
        return
    offer_keyed_hash(warehouse, "pseudonym", key.encode())


def _refuse_other_key(warehouse: Warehouse, key: str | None) -> None:
    check = None if key is None else key_check("pseudonym", key.encode())
    known = known_key_check(warehouse, "pseudonym")
    if known is None:
        is_filled = warehouse.has_table("meta.loads") and warehouse.value("select count(*) > 0 from meta.loads")
        known = (None,) if is_filled else (check,)
        if known == (check,):
            keep_key_check(warehouse, "pseudonym", check)
    if known == (check,):
        return
    folder = warehouse.settings.warehouse
    if check is None:
        raise UserError(f"{folder}: holds pseudonyms, and TRUST_PSEUDONYM_KEY is not set; set the key it was made with")
    other = "without pseudonyms; unset TRUST_PSEUDONYM_KEY" if known == (None,) else "with another key; set that one"
    raise UserError(f"{folder}: was made {other}, or build a new warehouse in another folder")


def stored_ids(settings: Settings, customer_id: str) -> tuple[str, ...]:
    """The ids under which the warehouse may know a person, given the plain id or, with a key, the pseudonym."""
    if settings.pseudonym_key is None:
        return (customer_id,)
    made = keyed_hash(settings.pseudonym_key.encode(), customer_id)
    return (made, customer_id) if _PSEUDONYM.fullmatch(customer_id) else (made,)


def kept_contract(contract: Contract, settings: Settings) -> Contract:
    """The contract of a table in the warehouse: with a key, the person's id must look like a pseudonym."""
    if settings.pseudonym_key is None:
        return contract
    return replace(contract, columns=tuple(map(_kept, contract.columns)))


def _kept(column: Column) -> Column:
    if column.name != PERSON:
        return column
    return replace(column, max_length=64, pattern="^[0-9a-f]{64}$", example="a pseudonym of 64 hexadecimal digits")
