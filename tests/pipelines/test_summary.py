from pipelines.bi.summary import render

NIGHT = {
    "job": "nightly",
    "as_of": "2024-01-31",
    "warnings": ["the feed of churn is late"],
    "notes": ["no promised dates"],
    "customers": 1200,
    "headline": {"active": 1000},
    "published": "w/bi.duckdb",
    "reports": ["w/reports/2024-01-31/report.en.html", "w/reports/2024-01-31/report.zh.html"],
    "warehouse": "w/warehouse.duckdb",
}


def test_a_night_ends_with_its_numbers_and_where_everything_is():
    assert render(NIGHT).splitlines() == [
        "warning: the feed of churn is late",
        "note: no promised dates",
        "",
        "As of 2024-01-31: 1,200 customers",
        "  active                                   1,000",
        "",
        "published  w/bi.duckdb",
        "report     w/reports/2024-01-31/report.en.html",
        "report     w/reports/2024-01-31/report.zh.html",
        "warehouse  w/warehouse.duckdb",
    ]


def test_a_night_without_report_names_none():
    assert "report" not in render(NIGHT | {"reports": []})
