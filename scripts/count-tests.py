#!/usr/bin/env python3
"""Adds up the JUnit files of ctest and lit, and prints `N passed, N failed, N skipped` as its last line.

    scripts/count-tests.py REPORT.xml...

A ctest test called `lit` counts as the tests in lit.xml beside its report. What was skipped is listed with the reason it gave.
Exit status 1 if a test failed, was skipped without a reason or disabled, or if none passed."""

import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def reason_of(case):
    """Why a test was skipped, from its own words: lit's message, or what GTEST_SKIP() was given."""
    message = case.find("skipped").get("message", "")
    output = case.findtext("system-out") or ""
    said = re.search(r": Skipped\n(.+)", output)
    if said:
        return said[1].strip()
    return "" if message.startswith("SKIP_") or message == "" else message


def outcome_of(case):
    """(outcome, reason); a test that did not run and does not say why has failed."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed", "failed"
    if case.get("status") == "disabled":
        return "failed", "disabled; remove it or repair it"
    if case.find("skipped") is not None:
        reason = reason_of(case)
        return ("skipped", reason) if reason else ("failed", "skipped without a reason")
    return "passed", ""


def cases_of(report):
    for case in xml.parse(report).getroot().iter("testcase"):
        inner = report.parent / "lit.xml"
        if case.get("name") == "lit" and outcome_of(case)[0] != "failed" and inner.exists():
            yield from cases_of(inner)
        elif case.get("name") == "lit" and inner.exists():
            # lit failed: its own report says which tests, if it came as far as writing one.
            inner_cases = list(cases_of(inner))
            yield from inner_cases
            if not any(outcome_of(one)[0] == "failed" for one in inner_cases):
                yield case
        else:
            yield case


def main(reports):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for report in map(pathlib.Path, reports):
        for case in cases_of(report):
            outcome, reason = outcome_of(case)
            counts[outcome] += 1
            if outcome != "passed":
                name = "/".join(dict.fromkeys(filter(None, [case.get("classname"), case.get("name")])))
                print(f"{outcome} ({report.parent.name}): {name}" + (f": {reason}" if reason != "failed" else ""))
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
