import gc
import subprocess
import sys

from pipelines.libraries import load_libraries

LOADED = """
import gc, sys
from pipelines.libraries import load_libraries
load_libraries()
names = list(sys.modules)
print(gc.isenabled(), gc.get_freeze_count() > 100_000, names.index("skops.io") < names.index("dagster"))
print("great_expectations" in names, "pipelines.defs" in names)
"""


def test_what_was_loaded_is_kept_out_of_the_search_for_garbage_and_skops_came_before_dagster():
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", LOADED], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "True", "True", "True", "False"]


def test_garbage_that_comes_later_is_found_and_nothing_more_is_kept():
    load_libraries()
    kept = gc.get_freeze_count()
    load_libraries()
    assert gc.isenabled()
    assert gc.get_freeze_count() <= kept
