import re
from typing import Any

import pytest

from pipelines.modelling import model_card_words
from pipelines.modelling.model_cards import FILES, code, measured, page, pages, plain

SECTIONS = {
    "en": (
        "In short",
        "Model details",
        "Intended use",
        "Not for",
        "Factors and groups",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ),
    "zh": (
        "概要",
        "模型详情",
        "预期用途",
        "禁止用途",
        "影响因素与群体",
        "评价指标",
        "评估数据",
        "训练数据",
        "定量分析",
        "伦理考量",
        "注意事项与建议",
    ),
}
NOT_KNOWN = {"en": "not known", "zh": "未知"}
LANGUAGES = tuple(FILES)
KINDS = ("trust", "experience", "churn")

HEAD: dict[str, Any] = {
    "version": "2024-02-25.5a3c3e68",
    "trained_as_of": "2024-02-25",
    "is_promoted": True,
    "software_version": "0.1.0",
    "data_window": ["2023-01-01", "2024-02-25"],
    "library_versions": {"scikit-learn": "1.9.1", "polars": "2.1.0"},
    "sha256": "0771202bec12",
}
METRICS = {
    "log_loss": 0.50117,
    "brier": 0.16366,
    "auc": 0.83804,
    "average_precision": 0.81527,
    "calibration_slope": 1.03856,
    "calibration_intercept": -0.04147,
    "ece": 0.0412,
    "lift_top_decile": 1.85897,
    "mean_risk": 0.4831,
    "lost_share": 0.4756,
    "customers": 12328.0,
}
STREAM = {"stream": "promise_kept", "has_trials": True, "intercept": 2.0, "loading": 0.5, "concentration": 41.26}
PAIR = {
    "stream": "complaint_answered",
    "factor": "region",
    "group": "north|east",
    "customers": 1234,
    "shift": -0.5,
    "is_different": True,
    "is_adjusted": True,
}
REFIT = {
    "before": "2024-02-18.0a0b0c0d",
    "score_shift_mean": 0.52,
    "score_shift_largest_tenth": 1.31,
    "score_shift_rank_correlation": 0.9934,
    "causes": [
        {"cause": "evidence", "mean_absolute": 0.1, "mean": 0.0},
        {"cause": "promise_kept", "mean_absolute": 0.45, "mean": 0.01},
    ],
}
FULL: dict[str, dict[str, Any]] = {
    "trust": HEAD
    | {
        "kind": "trust",
        "streams": [STREAM, STREAM | {"stream": "came_back", "has_trials": False}],
        "customers": 12_345,
        "rhythm": {"interval_days": 50.118, "prior_weight": 1.2},
        "half_life": {"days": 180.0},
        "refit": REFIT,
        "functioning": [PAIR, PAIR | {"group": "south", "is_different": False}],
        "reference": {"trust_score": {}, "trust_experience": {}, "trust_status": {}},
    },
    "experience": HEAD | {"kind": "experience", "streams": [STREAM], "customers": 12_345, "rhythm": None},
    "churn": HEAD
    | {
        "kind": "churn",
        "features": ["recency_days", "segment", "r_promise_kept"],
        "basis": "model",
        "has_candidate": True,
        "chosen": "average",
        "definition": "silent",
        "horizon_days": 90,
        "quality": [
            {"as_of": "2023-10-31", "basis": basis, "metric": metric, "value": value + shift}
            for basis, shift in (("model", 0.0), ("baseline:rfm", 0.0304))
            for metric, value in METRICS.items()
        ],
        "snapshots": [{"as_of": "2023-10-31", "customers": 12_328, "lost": 5863, "is_used": True}],
        "notes": [["Something | was noted.", "有一点 | 说明。"]],
        "reference": {"recency_days": {}},
    },
}


def card(kind: str, **changes: Any) -> dict[str, Any]:
    return FULL[kind] | changes


def body(text: str, heading: str) -> str:
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def rows(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_section_is_there_in_its_order_and_none_is_empty(kind: str, lang: str) -> None:
    text = page(card(kind), lang)
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == SECTIONS[lang]
    assert all(body(text, heading).strip() for heading in SECTIONS[lang])


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_bare", [False, True])
def test_no_placeholder_is_left_and_nothing_is_said_in_the_words_of_a_program(
    kind: str, lang: str, is_bare: bool
) -> None:
    text = page({"kind": kind} if is_bare else card(kind), lang)
    assert not re.search(r"(?<!\\)[{}]|\bNone\b|\bnan\b|\bTrue\b|\bFalse\b|\bdict\b|TODO", text)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_churn_card_shows_every_metric_of_the_card_beside_the_baselines(lang: str) -> None:
    text = page(card("churn"), lang)
    head, _, *lines = rows(body(text, SECTIONS[lang][8]))
    assert len(head) == 3
    shown = {name.strip("`"): values for name, *values in lines}
    assert shown["log_loss"] == ["0.5012", "0.5316"]
    assert shown["mean_risk"] == ["48.3%", "51.3%"]
    assert shown["customers"] == ["12,328", "12,328"]
    assert shown.keys() == METRICS.keys()
    for metric, value in METRICS.items():
        assert shown[metric] == [measured(metric, value), measured(metric, value + 0.0304)]
        assert f"| `{metric}` | " in body(text, SECTIONS[lang][5])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_metric_without_words_is_shown_under_its_own_name(lang: str) -> None:
    quality = [{"as_of": "2023-10-31", "basis": "model", "metric": "new_measure", "value": 0.125}]
    text = page(card("churn", quality=quality), lang)
    assert "| `new_measure` | 0.1250 |" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_metric_that_does_not_exist_is_said_to_be_not_known(lang: str) -> None:
    quality = [{"as_of": "2023-10-31", "basis": "model", "metric": "auc", "value": None}]
    assert f"| `auc` | {NOT_KNOWN[lang]} |" in page(card("churn", quality=quality), lang)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_card_does_not_say_is_said_to_be_not_known(kind: str, lang: str) -> None:
    text = page({"kind": kind}, lang)
    details = {cells[0]: cells[1] for cells in rows(body(text, SECTIONS[lang][1]))[2:]}
    unknown = [value for value in details.values() if value == NOT_KNOWN[lang]]
    assert len(unknown) >= 5
    assert NOT_KNOWN[lang] in body(text, SECTIONS[lang][6])


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_card_forbids_what_the_scores_are_not_for(kind: str, lang: str) -> None:
    forbidden = body(page(card(kind), lang), SECTIONS[lang][3])
    words = {
        "en": ("Prices", "Refusing", "Credit", "Ranking people", "Punishing complaints"),
        "zh": ("价格", "拒绝", "信贷", "排名", "惩罚投诉"),
    }
    assert all(word in forbidden for word in words[lang])


def test_streams_are_told_in_plain_words_with_their_numbers() -> None:
    english, chinese = (body(page(card("trust"), lang), SECTIONS[lang][8]) for lang in LANGUAGES)
    assert "| deliveries that came by the promised date (`promise_kept`) | 88.1% | × 1.65 | 41.3 |" in english
    assert "| 按承诺日期送达的配送 (`promise_kept`) | 88.1% | × 1.65 | 41.3 |" in chinese
    assert "(`came_back`) | no trials in the data: does not count |  |  |" in english
    assert "数据中没有次数：不计入" in chinese


def test_groups_in_which_a_stream_differs_are_told_and_the_others_counted() -> None:
    english, chinese = (body(page(card("trust"), lang), SECTIONS[lang][4]) for lang in LANGUAGES)
    assert "2 pairs of a stream and a group" in english
    assert "| `complaint_answered` | region: north\\|east | 1,234 | × 0.61 | yes |" in english
    assert "| `complaint_answered` | region: north\\|east | 1,234 | × 0.61 | 是 |" in chinese
    assert "south" not in english
    same = page(card("trust", functioning=[PAIR | {"is_different": False}]), "en")
    assert "No group differs by enough to matter." in body(same, "Factors and groups")


def test_groups_that_were_not_looked_at_are_not_known() -> None:
    assert "(segment, region, channel): not known from this card" in page(card("experience"), "en")


def test_the_window_the_snapshots_and_the_customers_of_a_training_are_shown() -> None:
    churn, trust = (body(page(card(kind), "en"), "Training data") for kind in ("churn", "trust"))
    assert "2023-01-01 – 2024-02-25" in churn
    assert "| 2023-10-31 | 12,328 | 5,863 | 47.6% | yes |" in churn
    assert "| Customers with a purchase by then | 12,345 |" in trust
    assert "| Days after which a record weighs half | 180 |" in trust
    assert "| Usual days from one purchase day to the next | 50.12 |" in trust


def test_the_summary_says_what_gives_the_number_and_how_good_it_is() -> None:
    summary = body(page(card("churn"), "en"), "In short")
    assert "within the 90 days after" in summary
    assert "- What lost means: silence, no purchase within these days" in summary
    assert "- The risk comes from: trained model" in summary
    assert "Log loss 0.5012 (lower is better); the best baseline, RFM" in summary
    assert "has 0.5316" in summary


def test_a_baseline_that_stands_in_is_named_and_so_is_what_it_was_compared_on() -> None:
    text = page(card("churn", basis="baseline:recency", has_candidate=False, is_promoted=False), "en")
    assert "- Promoted: no" in text
    assert "- The risk comes from: recency: time since the last order (baseline)" in text
    assert "History was too short for a model. The baselines were compared on" in text


def test_values_cannot_break_the_table() -> None:
    text = page(card("churn", chosen="a|b\n<script>", features=["x|y`z"]), "en")
    assert "a\\|b \\<script\\>" in text
    assert "`x\\|y'z`" in text
    for section in SECTIONS["en"]:
        assert len({len(row) for row in rows(body(text, section)) if len(row) > 1}) <= 2


@pytest.mark.parametrize(
    ("text", "shown"), [("a|b", r"a\|b"), ("*x*", r"\*x\*"), ("a\nb", "a b"), ("客户", "客户"), ("[x](y)", r"\[x\](y)")]
)
def test_plain_text_means_itself(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_names_are_code_even_with_a_backtick() -> None:
    assert code("a`b|c") == "`a'b\\|c`"


def test_notes_are_told_in_their_own_language() -> None:
    assert "- Something \\| was noted." in page(card("churn"), "en")
    assert "- 有一点 \\| 说明。" in page(card("churn"), "zh")


def test_an_entry_that_nobody_foresaw_is_shown_too() -> None:
    text = page(card("churn", weather="fine", curve=[1, 2]), "en")
    assert "| `weather` | fine |" in text
    assert "| `curve` | see card.json |" in text


def test_both_pages_are_made_in_utf8() -> None:
    made = pages(card("trust"))
    assert list(made) == ["card.en.md", "card.zh-CN.md"]
    assert made["card.en.md"].decode().startswith("# Model card: Trust score")
    assert made["card.zh-CN.md"].decode().startswith("# 模型卡：信任评分")


def test_every_text_exists_in_both_languages() -> None:
    words = [value for name, value in vars(model_card_words).items() if name.isupper()]
    groups = [[value] if isinstance(value, tuple) else list(value.values()) for value in words]
    pairs = [pair for group in groups for one in group for pair in ([one] if isinstance(one[0], str) else one)]
    assert len(pairs) > 80
    for english, chinese in pairs:
        assert not re.search("[一-鿿]", english)
        assert re.search("[一-鿿：]", chinese)


def test_a_refit_is_told_with_its_causes_the_largest_first() -> None:
    english, chinese = (page(card("trust"), lang) for lang in LANGUAGES)
    assert "moved by 0.5 points on average, those of one customer in ten by 1.3 or more" in english
    assert english.index("| promised dates | 0.45 |") < english.index("| how evidence is counted and fades | 0.10 |")
    assert "平均变动 0.5 分" in chinese
    assert "| 承诺日期 | 0.45 |" in chinese


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_first_model_says_that_there_was_none_before(lang: str) -> None:
    words = model_card_words.NO_REFIT[LANGUAGES.index(lang)]
    assert words in page(card("trust", refit=None), lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_card_tells_what_was_predicted_beside_what_followed(lang: str) -> None:
    judged = {"customers": 1200, "mean_risk": 0.1234, "lost_share": 0.2, "low": 0.15, "high": 0.25}
    text = page(card("churn", calibration=[judged]), lang)
    assert "| 1,200 | 12.3% | 20.0% | 15.0% – 25.0% |" in text
    assert "12.3%" not in page(card("churn", calibration=[]), lang)
