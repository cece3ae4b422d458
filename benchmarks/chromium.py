"""The Chromium in which pages are measured and tested: without a window, and without anything that takes time."""

import shutil

PATH = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
SHELL = shutil.which("chromium-headless-shell") or PATH
"""Chromium's shell for tests, where it's installed: it shows the same pages, and opens each in half of the time."""
