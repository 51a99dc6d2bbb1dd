#!/usr/bin/env python3
"""Puts the op table that `heddle ops --markdown` prints into docs/hir.md.

    scripts/op-table.py build/release/bin/heddle            writes the table
    scripts/op-table.py --check build/release/bin/heddle    exit status 1 if it is not the one in the file
"""

import argparse
import pathlib
import subprocess
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "hir.md"
BEGIN, END = "<!-- op table -->\n", "<!-- end of op table -->\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("tool")
    options = parser.parse_args()
    table = subprocess.run([options.tool, "ops", "--markdown"], check=True, capture_output=True, text=True).stdout
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    wanted = before + BEGIN + table + END + after
    if options.check and wanted != text:
        sys.exit("docs/hir.md is out of date: run scripts/op-table.py")
    if not options.check:
        DOCUMENT.write_text(wanted)


main()
