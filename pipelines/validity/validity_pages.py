"""The validity pages: figures and words laid out as Markdown, in English and Chinese.

Belongs here: tables, the choice of statements by the figures, and what every page says of its run.
Must not be here: measuring (``validity_study``), or which words belong to which number (``validity_words``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from pipelines.validity.validity_words import REQUIREMENTS, SECTIONS, Claim, Outcome, Section, Style, Text
from trust_models.trust_validation import Figure

Found = Mapping[str, Mapping[str, Figure]]
"""Company → name of the figure → figure."""

PACKAGES = ("indirect-trust", "scikit-learn", "scipy", "numpy", "polars", "duckdb")
NOTHING = "–"

_TITLE = Text("Validity of trust", "信任评分的效度")
_OTHER = Text("[中文](validity.zh-CN.md)", "[English](validity.md)")
_OPENING = Text(
    "Do the scores say what they claim to say? Nobody can look into real customers, so this page uses simulated"
    " companies, whose customers' true trust is known. Their records go the ordinary way: landing files, loading,"
    " staging, evidence, scores. The truth is kept apart and only compared at the end. The page is written by the"
    " study itself; each sentence is chosen by its number.\n\n**What this can show, and what not.** It shows"
    " whether the method finds trust where people behave as the simulation assumes (`trust_models/simulation`)."
    " It is no proof for your company. There, compare with asked trust (last table).",
    "评分所说的，是否就是它声称要说的？真实客户的内心无从得知，所以本页使用模拟企业，其客户的真实信任是已知的。"
    "它们的记录走与平常完全一样的路：落地文件、加载、暂存、证据、评分。真相单独存放，只在最后用来比较。"
    "本页由研究程序自己写成，每句话都由数字选定。\n\n**能说明什么，不能说明什么。** 它说明："
    "如果人们的行为符合模拟的假设（`trust_models/simulation`），方法能否找到信任。它不能证明在您的企业也是如此；"
    "在那里，请与问卷信任对照（最后一张表）。",
)
_READING = Text(
    "In the tables, the numbers in brackets are the ends of the 95% interval (bootstrap over customers, 200"
    " resamples; shares: Wilson). *Clearly* means that this interval lies wholly on one side of 0.",
    "表中括号内为 95% 区间的两端（对客户自助抽样 200 次；比例用 Wilson 法）。*明显*指该区间完全位于 0 的一侧。",
)
_KINDS = Text(
    "The companies: `retail`, an online shop; `sparse`, few orders and no promised dates; `contractual`, nearly"
    " subscriptions; `fashion_returns`, half of all items come back for ordinary reasons; `need_exit`, nobody"
    " leaves for distrust.",
    "企业类型：`retail` 网上零售；`sparse` 订单很少且没有承诺日期；`contractual` 近于订阅；"
    "`fashion_returns` 一半商品因普通原因退回；`need_exit` 没有人因不信任而离开。",
)
_SUMMARY = Text("What must be reached", "必须达到的要求")
_REACHED = (Text("not reached", "未达到"), Text("reached", "达到"))
_FAILURES = Text("What fails", "不成立之处")
_NO_FAILURE = Text("Nothing fails in this run.", "本次运行中没有不成立之处。")
_TOO_LITTLE = Text("where a dash stands, there were too few cases to say anything", "表中短横处因样本太少，无法判断")
_SOURCES = Text("Sources", "文献")
_SOURCE_LIST = (
    "Brown, W. (1910). Some experimental results in the correlation of mental abilities. British Journal of"
    " Psychology 3, 296–322.",
    "Campbell, D. T., Fiske, D. W. (1959). Convergent and discriminant validation by the multitrait-multimethod"
    " matrix. Psychological Bulletin 56, 81–105.",
    "Cronbach, L. J. (1951). Coefficient alpha and the internal structure of tests. Psychometrika 16, 297–334.",
    "Efron, B., Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall.",
    "Jøsang, A., Ismail, R. (2002). The beta reputation system. 15th Bled Electronic Commerce Conference.",
    "Little, R. J. A. (1986). Survey nonresponse adjustments for estimates of means. International Statistical"
    " Review 54, 139–157.",
    "MacKinlay, A. C. (1997). Event studies in economics and finance. Journal of Economic Literature 35, 13–39.",
    "Spearman, C. (1904). The proof and measurement of association between two things. American Journal of"
    " Psychology 15, 72–101.",
    "Spearman, C. (1910). Correlation calculated from faulty data. British Journal of Psychology 3, 271–295.",
    "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the"
    " American Statistical Association 22, 209–212.",
)


@dataclass(frozen=True)
class Run:
    """What the study was run with."""

    customers: int
    days: int
    seed: int

    @property
    def command(self) -> str:
        """The command that writes these pages again."""
        return (
            f"python -m pipelines.validity.validity_study --customers {self.customers} --days {self.days} --seed "
            f"{self.seed} --out docs"
        )


def pages(found: Found, run: Run) -> dict[str, str]:
    """The pages, by file name; the same figures give the same text."""
    return {"validity.md": _page(found, run, 0), "validity.zh-CN.md": _page(found, run, 1)}


def _page(found: Found, run: Run, lang: int) -> str:
    failures = [line for section in SECTIONS for line in statements(section.claims, found, lang, only_failures=True)]
    parts = [
        f"# {_TITLE[lang]}",
        _OTHER[lang],
        _OPENING[lang],
        _KINDS[lang],
        _made_with(run, lang),
        f"## {_SUMMARY[lang]}",
        requirements(found, lang),
        f"## {_FAILURES[lang]}",
        "\n".join(failures) or _NO_FAILURE[lang],
        _READING[lang],
        *(_section(section, number, found, lang) for number, section in enumerate(SECTIONS, 1)),
        f"## {_SOURCES[lang]}",
        "\n".join(f"- {source}" for source in _SOURCE_LIST),
    ]
    return "\n\n".join(parts) + "\n"


def _made_with(run: Run, lang: int) -> str:
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    text = Text(
        f"Each company has {run.customers:,} customers and {run.days:,} days; the seed is {run.seed}. Made with "
        f"{versions}.",
        f"每家企业有 {run.customers:,} 名客户、{run.days:,} 天的历史；随机种子为 {run.seed}。所用版本：{versions}。",
    )
    return f"{text[lang]}\n\n```\n{run.command}\n```"


def requirements(found: Found, lang: int) -> str:
    """The table of what must be reached: one line a requirement, one column a company, and the verdict."""
    head = (Text("requirement", "要求")[lang], *found, Text("verdict", "结论")[lang])
    lines = []
    for row, (outcome,) in REQUIREMENTS:
        figures = [measures.get(row.key, Figure(None)) for measures in found.values()]
        is_reached = all(figure.value is not None and outcome.test(figure) for figure in figures)
        cells = [cell(figure, row.style, lang) for figure in figures]
        lines.append((outcome.text[lang], *cells, f"**{_REACHED[is_reached][lang]}**"))
    return table(head, lines)


def statements(claims: Sequence[Claim], found: Found, lang: int, *, only_failures: bool = False) -> list[str]:
    """One line for each outcome that comes true anywhere: what is said, and of which companies."""
    lines = []
    for row, outcomes in claims:
        said: dict[Text, list[str]] = {}
        for company, measures in found.items():
            figure = measures.get(row.key, Figure(None))
            outcome = _outcome(figure, outcomes)
            if outcome is not None and (outcome.fails or not only_failures):
                said.setdefault(outcome.text, []).append(_named(company, figure, row.style))
        lines += [_line(text, companies, lang) for text, companies in said.items()]
    return lines


def _outcome(figure: Figure, outcomes: Sequence[Outcome]) -> Outcome | None:
    """The first outcome that comes true of a figure; None where none does, or the figure has no value."""
    if figure.value is None:
        return None
    return next((outcome for outcome in outcomes if outcome.test(figure)), None)


def _unsaid(section: Section, found: Found, lang: int) -> list[str]:
    """The companies of which the figures of a section say nothing."""
    keys = [row.key for row in section.rows if row.style != "count"]
    companies = [
        company
        for company, measures in found.items()
        if any(measures.get(key, Figure(None)).value is None for key in keys)
    ]
    return [_line(_TOO_LITTLE, companies, lang)] if companies else []


def _named(company: str, figure: Figure, style: Style) -> str:
    assert figure.value is not None
    return f"{company} {number(figure.value, style)}"


def _line(text: Text, companies: Sequence[str], lang: int) -> str:
    start = text[lang][0].upper() + text[lang][1:]
    return f"- {start}: {', '.join(companies)}." if lang == 0 else f"- {start}：{'，'.join(companies)}。"


def _section(section: Section, place: int, found: Found, lang: int) -> str:
    head = (Text("measure", "指标")[lang], *found)
    lines = [
        (row.label[lang], *(cell(measures.get(row.key, Figure(None)), row.style, lang) for measures in found.values()))
        for row in section.rows
    ]
    said = "\n".join([*statements(section.claims, found, lang), *_unsaid(section, found, lang)])
    return f"## {place}. {section.title[lang]}\n\n{section.text[lang]}\n\n{table(head, lines)}\n\n{said}"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def cell(figure: Figure, style: Style, lang: int) -> str:
    """A figure as it stands in a table, with its interval where it has one."""
    if style == "count":
        return NOTHING if figure.n is None else f"{figure.n:,}"
    if figure.value is None:
        return NOTHING
    if figure.low is None or figure.high is None:
        return number(figure.value, style)
    to = Text(" to ", " 至 ")[lang]
    return f"{number(figure.value, style)} ({number(figure.low, style)}{to}{number(figure.high, style)})"


def number(value: float, style: Style) -> str:
    """A number in the style of its measure; what rounds to nothing has no sign."""
    match style:
        case "share":
            text = f"{value:.1%}"
        case "ratio":
            text = f"{value:.2%}"
        case "points":
            text = f"{value:.2f}"
        case "loss":
            text = f"{value:.4f}"
        case _:
            text = f"{value:.3f}"
    return text.replace("-", "−") if any(digit in text for digit in "123456789") else text.removeprefix("-")
