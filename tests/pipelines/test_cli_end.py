import subprocess
import sys

import pytest

HELD = """
import atexit, ctypes, sys
import duckdb
from pipelines import cli

held = duckdb.connect()
ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))
atexit.register(print, "said at the end")
cli.app = lambda **_: sys.exit({code!r})
sys.argv = ["trust"]
cli.command()
"""


def ended(code: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", HELD.format(code=code)], capture_output=True, text=True)


@pytest.mark.parametrize(("code", "status"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_ends_with_its_code_in_silence_whatever_is_still_held(code: object, status: int) -> None:
    done = ended(code)
    assert (done.returncode, done.stdout, done.stderr) == (status, "said at the end\n", "")


def test_a_reader_that_has_heard_enough_gets_no_traceback() -> None:
    program = "import sys; from pipelines import cli; sys.argv = ['trust', 'run', '--help']; cli.command()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
