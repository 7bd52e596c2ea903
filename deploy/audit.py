"""Audit: whether holes are known in the locked dependencies.

Exit code 0: none is known, or the index of holes cannot be reached, which is said in a line "not checked". 1: a hole is
known. 2: the check itself failed, for example because the lock cannot be read.

Belongs here: telling "no hole" from "nobody was asked". Must not be here: finding holes (pip-audit does).
"""

import argparse
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

OSV = "https://api.osv.dev/v1/query"


def is_reachable(url: str) -> bool:
    """Whether anything answers at an address; any answer counts."""
    try:
        with urllib.request.urlopen(url, timeout=10):  # noqa: S310 # the address is ours or the caller's
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


def main() -> int:
    """Audit a lock file."""
    parser = argparse.ArgumentParser(description="Are holes known in the locked dependencies?")
    parser.add_argument("lock", type=Path)
    parser.add_argument("--osv-url", default=OSV, help="the index of holes, or a mirror of it")
    asked = parser.parse_args()
    if not asked.lock.is_file():
        print(f"{asked.lock}: there is no lock file; run 'make lock'", file=sys.stderr)
        return 2
    if not is_reachable(asked.osv_url):
        print(f"not checked: the index of known holes ({asked.osv_url}) cannot be reached from here")
        return 0
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(asked.lock), "--require-hashes", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--osv-url", asked.osv_url, "--progress-spinner", "off"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 # our own words only
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode == 0:
        return 0
    is_found = done.stdout.startswith("Name ")
    return 1 if is_found else 2


if __name__ == "__main__":
    sys.exit(main())
