"""Finds the Chromium that the page's tests drive."""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = (
    ["apt-get", "install", "-y", "-qq", "chromium"],
    [sys.executable, "-m", "playwright", "install", "chromium"],
)


def find_browser(own: str) -> str | None:
    """A Chromium on this machine, or `own`, Playwright's; installed if there is none."""
    for command in ([], *INSTALL):
        if command and shutil.which(command[0]):
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, timeout=600, check=False)
        found = next(filter(None, map(shutil.which, NAMES)), None)
        if found or Path(own).exists():
            return found or own
    return None
