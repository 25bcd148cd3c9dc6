#!/usr/bin/env python3
"""check_style.py [ROOT] - the rules of style that a script can see.

It first breaks each rule in a planted file, and fails if it does not see it.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

LINES_MAX = 800
COLUMNS_MAX = 100
EXAMPLE_LINES_MAX = 80

CODE = {".c", ".h", ".S", ".py", ".sh", ".cmake", ".js"}
TEXT = CODE | {".md", ".txt", ".in", ".json", ".html", ".css", ".expected"}
PLATFORM = re.compile(r"^\s*#\s*(el)?if(n?def)?\b.*\b__(x86_64|i386|aarch64|arm|riscv|linux)")
LEFT_FOR_LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def complaints(root, path):
    text = (root / path).read_text()
    lines = text.splitlines()
    code = path.suffix in CODE or path.name in ("CMakeLists.txt", "dev", "run")
    if text and not text.endswith("\n"):
        yield f"{path}: no newline at its end"
    if code and len(lines) > LINES_MAX:
        yield f"{path}: {len(lines)} lines, more than {LINES_MAX}"
    if re.fullmatch(r"examples/\d\d_\w+\.c", path.as_posix()) and len(lines) > EXAMPLE_LINES_MAX:
        yield f"{path}: {len(lines)} lines, more than {EXAMPLE_LINES_MAX}"
    for number, line in enumerate(lines, 1):
        at = f"{path}:{number}"
        if code and len(line) > COLUMNS_MAX:
            yield f"{at}: {len(line)} columns, more than {COLUMNS_MAX}"
        if line != line.rstrip():
            yield f"{at}: white space at its end"
        if path.suffix in (".c", ".h") and "\t" in line:
            yield f"{at}: a tab"
        if LEFT_FOR_LATER.search(line):
            yield f"{at}: {LEFT_FOR_LATER.search(line).group()}: do it, or open an issue"
        if path.suffix in (".c", ".h") and PLATFORM.match(line):
            if path.parts[:2] != ("src", "platform"):
                yield f"{at}: a conditional on the platform outside src/platform"


def self_test():
    """None, or why the check would not see what it is there for."""
    plants = {
        "src/core/long.c": "\n" * (LINES_MAX + 1),
        "src/core/wide.c": "x" * (COLUMNS_MAX + 1) + "\n",
        "examples/01_long.c": "\n" * (EXAMPLE_LINES_MAX + 1),
        "src/core/space.c": "x; \n",
        "src/core/tab.c": "\tx;\n",
        "src/core/later.c": "/* TO" "DO */\n",
        "include/bide/cpu.h": "#ifdef __x86_64__\n",
        "src/core/cpu.c": "#elif X && defined(__aarch64__)\n",
        "src/core/end.c": "x;",
    }
    fine = {"src/platform/cpu.c": "#if defined(__x86_64__)\n"}
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        seen = set()
        for name, text in {**plants, **fine}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
            if list(complaints(root, pathlib.Path(name))):
                seen.add(name)
    if seen != set(plants):
        return f"the self-test broke {sorted(plants)} and saw {sorted(seen)}"
    return None


def files(root):
    """What git knows or would add; without git, everything."""
    try:
        names = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=root,
                               capture_output=True, text=True, check=True).stdout.split("\0")
    except (FileNotFoundError, subprocess.CalledProcessError):
        names = [path.relative_to(root).as_posix() for path in root.rglob("*")]
    for name in sorted(set(names)):
        path = pathlib.Path(name)
        known = path.suffix in TEXT or path.name in ("dev", "run")
        if known and path.parts[0] not in ("build", ".git", "fuzz") and (root / path).is_file():
            yield path


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = [line for path in files(root) for line in complaints(root, path)]
    blind = self_test()
    if blind:
        found.append(blind)
    print("\n".join(found) or "style is kept")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
