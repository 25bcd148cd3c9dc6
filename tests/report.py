#!/usr/bin/env python3
"""report.py DIRECTORY CONFIGURATION... - the end of `./dev check`.

Reads what CTest wrote into DIRECTORY for each configuration, shows the output of what failed and
closes with `N passed, N failed`. A build that failed counts as one failure, and so does a
configuration without a result: nothing that did not run may pass.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree

BUILD_ERROR = re.compile(r"error:|warning:|FAILED:|CMake Error|undefined reference")
BUILD_ERRORS_MAX = 60


def build_errors(log):
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if BUILD_ERROR.search(line)] or lines[-BUILD_ERRORS_MAX:]
    return "\n".join(errors[:BUILD_ERRORS_MAX])


def endings(output):
    """How each failed test ended, {name: "Timeout"}: only CTest's own output has it."""
    text = output.read_text(errors="replace")
    return dict(re.findall(r"^\s+\d+ - (\S+) \((.*)\)$", text, re.MULTILINE))


def main():
    directory = pathlib.Path(sys.argv[1])
    passed, skipped, failures = 0, [], []
    for configuration in sys.argv[2:]:
        report = directory / f"{configuration}.xml"
        if (directory / f"{configuration}.failed").exists():
            failures.append((f"{configuration}: build",
                             build_errors(directory / f"{configuration}.log")))
        if not report.exists():
            failures.append((f"{configuration}: tests", "none has run"))
            continue
        ending = endings(directory / f"{configuration}.out")
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            name = f"{configuration}: {case.get('name')}"
            skip = case.find("skipped")
            if case.get("status") == "run":
                passed += 1
            elif skip is not None and "SKIP_RETURN_CODE" in (skip.get("message") or ""):
                skipped.append(name)
            else:
                why = ending.get(case.get("name"), "")
                failures.append((f"{name} ({why})", case.findtext("system-out") or ""))
    for name, output in failures:
        print(f"\n==== FAILED {name}\n{output.rstrip()}")
    print()
    if skipped:
        print(f"skipped {len(skipped)}: {', '.join(skipped)}")
    for name, _ in failures:
        print(f"failed {name}")
    if not passed and not failures:
        failures.append(("everything", "no test has run"))
        print("no test has run")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
