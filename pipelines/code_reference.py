"""The reference page of the models and of the contract reader, as Markdown, from their docstrings.

Belongs here: which modules and names are public, and the layout of the page. Must not be here: any description; they
come from the docstrings, which are read and never run.

``python -m pipelines.code_reference > docs/reference/models.md`` writes it anew.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pipelines.docstrings import markdown, summary

ROOT = Path(__file__).resolve().parents[1]
READER = ("reader", "model", "settings", "rules")
"""The modules of ``data_contracts`` that read contracts and say what they hold."""

_FOR_DEVELOPERS = "Belongs here:"
"""How the paragraph of a module begins that says where code goes; who calls the code need not know."""

WIDTH = 100
"""Longest signature on one line."""

_HEAD = """# The models in code / 模型代码参考

Generated from the docstrings of `trust_models/` and of the contract reader in `data_contracts/`; change the docstring,
then run `python -m pipelines.code_reference > docs/reference/models.md`.
For people who use the models in Python; in English only. What the scores mean to people is in
[how the scores come about](../scores.md).

由 `trust_models/` 与 `data_contracts/` 中契约读取器的文档字符串生成：请修改文档字符串后重新运行上述命令。
本页写给在 Python 中直接使用模型的人，仅有英文；评分的含义见[评分的来历](../scores.zh-CN.md)。

`trust_models` needs no database, no scheduler and no files: frames and arrays go in, frames and arrays come out.
"""

Described = ast.FunctionDef | ast.ClassDef


def reference() -> str:
    """The whole page: estimators first as a table, then a section a module."""
    modules = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in _modules().items()}
    public = {name: list(_public(module.body)) for name, module in modules.items()}
    estimators = [
        f"| [`{node.name}`](#{_anchor(_within(name, node))}) | `{name}` | {_cell(node)} |"
        for name, nodes in public.items()
        for node in nodes
        if isinstance(node, ast.ClassDef) and _is_estimator(node, public)
    ]
    rows = [f"| [`{name}`](#{_anchor(name)}) | {_cell(module)} |" for name, module in modules.items()]
    sections = [_section(name, modules[name], nodes) for name, nodes in public.items()]
    parts = [
        _HEAD,
        "## Estimators",
        "They follow scikit-learn: parameters in the constructor, `fit`, then `transform`, `predict_proba` or what the "
        "class says.",
        "\n".join(["| estimator | module | what it is |", "|---|---|---|", *estimators]),
        "## Modules",
        "\n".join(["| module | what it is |", "|---|---|", *rows]),
        *sections,
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _modules() -> dict[str, Path]:
    """Dotted name → file, in the order of the names; the contract reader comes last."""
    models = {
        path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("trust_models/**/*.py")
    }
    named = sorted((name.removesuffix(".__init__"), path) for path, name in models.items())
    return {
        **dict(named),
        **{f"data_contracts.{name}": ROOT / "data_contracts" / f"{name}.py" for name in READER},
    }


def _public(body: list[ast.stmt]) -> Iterator[Described]:
    for node in body:
        if isinstance(node, Described) and not node.name.startswith("_") and ast.get_docstring(node):
            yield node


def _is_estimator(node: ast.ClassDef, public: dict[str, list[Described]]) -> bool:
    """Whether a class is one of scikit-learn's estimators, by itself or by a class of ours."""
    bases = {ast.unparse(base) for base in node.bases}
    ours = [own for nodes in public.values() for own in nodes if isinstance(own, ast.ClassDef) and own.name in bases]
    return "BaseEstimator" in bases or any(_is_estimator(own, public) for own in ours)


def _section(name: str, module: ast.Module, nodes: list[Described]) -> str:
    told = (_described(_within(name, node), node) for node in nodes)
    paragraphs = (ast.get_docstring(module) or "").split("\n\n")
    text = "\n\n".join(paragraph for paragraph in paragraphs if not paragraph.startswith(_FOR_DEVELOPERS))
    return "\n\n".join([f"## {name}", markdown(text), *told])


def _within(module: str, node: Described) -> str:
    """Name inside the package, as it stands in the heading: ``trust.TrustEstimator``."""
    return ".".join([*module.split(".")[1:], node.name])


def _described(heading: str, node: Described) -> str:
    blocks = [f"### {heading}", _signature(node), markdown(ast.get_docstring(node) or "")]
    if isinstance(node, ast.ClassDef):
        for method in _public(node.body):
            blocks += [f"#### {node.name}.{method.name}", _signature(method), markdown(ast.get_docstring(method) or "")]
    return "\n\n".join(blocks)


def _signature(node: Described) -> str:
    """The call as code: that of the constructor for a class, the fields where it has none."""
    lines = [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    if isinstance(node, ast.FunctionDef):
        return _code([*lines, *_call(f"def {node.name}", node)])
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    starts = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign) and _is_field(part)]
    lines.append(f"class {node.name}" + (f"({bases})" if bases else "") + (":" if fields else ""))
    return _code(
        [*lines, *(line for start in starts for line in _call(node.name, start)), *(f"    {f}" for f in fields)]
    )


def _is_field(part: ast.AnnAssign) -> bool:
    return isinstance(part.target, ast.Name) and not part.target.id.startswith("_")


def _call(name: str, node: ast.FunctionDef) -> list[str]:
    arguments = [text for text in _arguments(node.args) if text.split(":")[0] not in ("self", "cls")]
    returned = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    line = f"{name}({', '.join(arguments)}){returned}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{name}(", *(f"    {argument}," for argument in arguments), f"){returned}"]


def _arguments(given: ast.arguments) -> Iterator[str]:
    placed = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(placed) - len(given.defaults)) + list(given.defaults)
    yield from (_argument(argument, default) for argument, default in zip(placed, defaults, strict=True))
    if given.vararg or given.kwonlyargs:
        yield f"*{_argument(given.vararg, None)}" if given.vararg else "*"
    named = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    yield from (_argument(argument, default) for argument, default in named)
    if given.kwarg:
        yield f"**{_argument(given.kwarg, None)}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    if default is None:
        return argument.arg + annotation
    return f"{argument.arg}{annotation}{' = ' if annotation else '='}{ast.unparse(default)}"


def _code(lines: list[str]) -> str:
    """Texts in double quotes, as in the code of the project."""
    text = re.sub(r"'([^'\"\\]*)'", r'"\1"', "\n".join(lines))
    return f"```python\n{text}\n```"


def _cell(node: ast.Module | Described) -> str:
    return summary(ast.get_docstring(node) or "").replace("|", "\\|")


def _anchor(heading: str) -> str:
    """What code hosts and the built pages make of a dotted name in a heading."""
    return heading.replace(".", "").lower()


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a text stream when run as a program
    sys.stdout.write(reference())
