import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pipelines import cli

COMMANDS = [
    [*above, name]
    for above, group in [([], get_command(cli.app)), *(([n], g) for n, g in get_command(cli.app).commands.items())]
    for name, command in getattr(group, "commands", {}).items()
    if not hasattr(command, "commands")
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_of_itself(command):
    told = CliRunner().invoke(cli.app, [*command, "--help"])
    assert f"Example: trust {' '.join(command)}" in " ".join(told.stdout.split())


@pytest.mark.parametrize(
    ("begun", "offered"),
    [
        ("trust explain X --lang ", {"en", "zh"}),
        ("trust export X --format c", {"csv"}),
        ("trust simulate X --company need", {"need_exit"}),
        ("trust quarantine show pur", {"purchases"}),
        ("trust run --log j", {"json"}),
        ("trust doc", {"doctor"}),
    ],
)
def test_values_of_options_are_completed(begun, offered):
    environment = {"_TRUST_COMPLETE": "complete_bash", "COMP_WORDS": begun, "COMP_CWORD": str(begun.count(" "))}
    told = CliRunner().invoke(cli.app, [], env=environment, prog_name="trust")
    assert set(told.stdout.split()) == offered
