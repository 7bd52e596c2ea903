import pytest

from pipelines.ingest.names import nearest, respelt, shown

KNOWN = ("customer_id", "ordered_at", "amount", "channel")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("customerid", "customer_id"),
        ("Customer-Id", "customer_id"),
        ("CUSTOMER ID", "customer_id"),
        ("custmer_id", "customer_id"),
        ("amounts", "amount"),
        ("loyalty_no", None),
        ("", None),
        ("x" * 10**6, None),
    ],
)
def test_the_nearest_name_is_the_one_that_was_probably_meant(name, meant):
    assert nearest(name, KNOWN) == meant


def test_only_a_name_of_the_same_letters_and_digits_is_the_same_name_spelt_otherwise():
    assert respelt("Ordered at", KNOWN) == "ordered_at"
    assert respelt("customer_17", KNOWN) is None
    assert respelt("custmer_id", KNOWN) is None


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("plain", "plain"),
        ("网店", "网店"),
        ("a\nb\x00c\x1b[31m", "a b c [31m"),
        ("a\u202eb\u2028c\ud800", "a b c "),
        ("x" * 10**6, "x" * 60 + "…"),
    ],
)
def test_any_name_is_shown_in_one_short_line_that_can_be_printed(name, line):
    assert shown(name) == line
    assert shown(name).isprintable()
