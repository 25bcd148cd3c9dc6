#!/usr/bin/env python3
"""check_layers.py [ROOT] - fails on an include that points up the layers, or sideways.

A file of src/LAYER belongs to that layer, a public header to the one that HEADERS names. A file may
include its own layer and those of a lower rank. Examples are what users write: public headers only.
It first plants an upward include in a copy of the tree, and fails if it does not see it.
"""
import pathlib
import re
import shutil
import sys
import tempfile

RANK = {
    "base": 0,
    "platform": 1,
    "core": 2,
    "sync": 3,
    "io": 3,
    "libbide": 4,
    "net": 5,
    "tls": 6,
    "http": 7,
    "db": 7,
    "all": 8,
}

# The layer of each public header, one line a header. Those of rank base describe work as plain
# structs, which is the language that a reactor and the core speak with each other; those of libbide
# gather all of that library.
HEADERS = {
    "barrier.h": "sync",
    "base.h": "base",
    "bide.h": "libbide",
    "broadcast.h": "sync",
    "chan.h": "sync",
    "combine.h": "sync",
    "condition.h": "sync",
    "context.h": "core",
    "event.h": "sync",
    "file_watch.h": "io",
    "future.h": "base",
    "hedge.h": "sync",
    "http.h": "http",
    "inspect.h": "core",
    "io.h": "base",
    "join.h": "core",
    "keywords.h": "libbide",
    "leaf.h": "base",
    "limit.h": "sync",
    "local.h": "core",
    "map.h": "sync",
    "mutex.h": "sync",
    "net.h": "net",
    "offload.h": "core",
    "once.h": "sync",
    "oneshot.h": "sync",
    "process.h": "io",
    "promise.h": "core",
    "random.h": "core",
    "rate.h": "sync",
    "retry.h": "sync",
    "runtime.h": "core",
    "rwlock.h": "sync",
    "scope.h": "core",
    "semaphore.h": "sync",
    "signal.h": "core",
    "sim.h": "base",
    "singleflight.h": "sync",
    "sqlite.h": "db",
    "then.h": "core",
    "time.h": "core",
    "wait.h": "sync",
    "waitgroup.h": "sync",
    "watch.h": "sync",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def target_layer(root, source, quote, name):
    """The layer that an include leads to: None if it is not ours, an Exception if it is unknown."""
    if name.startswith("bide/"):
        return HEADERS.get(name[5:]) or LookupError(f"{name} is not in HEADERS")
    if quote == "<":
        return None
    if (source.parent / name).is_file():
        path = (source.parent / name).resolve().relative_to(root)
        return path.parts[1] if path.parts[0] == "src" else "own"
    if (root / "src" / name).is_file():
        return name.split("/")[0]
    return LookupError(f"{name} is not found")


def complaints(root):
    root = root.resolve()
    found = []
    for pattern in ("src/*/*.[chS]", "include/bide/*.h", "examples/*.[ch]", "examples/*/*.[ch]"):
        for source in sorted(root.glob(pattern)):
            path = source.relative_to(root)
            if path.parts[0] == "include":
                layer = HEADERS.get(path.name)
            else:
                layer = path.parts[1] if path.parts[0] == "src" else "all"
            if layer not in RANK:
                found.append(f"{path}: its layer is unknown to tests/check_layers.py")
                continue
            for number, line in enumerate(source.read_text().splitlines(), 1):
                include = INCLUDE.match(line)
                if not include:
                    continue
                at = f"{path}:{number}"
                below = target_layer(root, source, *include.groups())
                if isinstance(below, LookupError):
                    found.append(f"{at}: {below}")
                elif below in (None, "own", layer):
                    continue
                elif layer == "all" and not include.group(2).startswith("bide/"):
                    found.append(f"{at}: an example includes what is not public")
                elif RANK[below] >= RANK[layer]:
                    found.append(f"{at}: {layer} includes {below}: {line.strip()}")
    return found


def self_test(root):
    """None, or why the check would not see what it is there for."""
    plants = {
        "src/base/planted.c": '#include "core/planted.h"\n',
        "src/core/planted.c": "#include <bide/http.h>\n",
        "src/http/planted.c": "#include <bide/sqlite.h>\n",
        "examples/99_planted.c": '#include "core/planted.h"\n',
    }
    with tempfile.TemporaryDirectory() as copy:
        copy = pathlib.Path(copy)
        for directory in ("src", "include", "examples"):
            if (root / directory).is_dir():
                shutil.copytree(root / directory, copy / directory)
        before = complaints(copy)
        for name, text in {"src/core/planted.h": '#include "base/planted.h"\n',
                           "src/base/planted.h": "", **plants}.items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_text(text)
        seen = [line for line in complaints(copy) if line not in before]
        if sorted(line.split(":")[0] for line in seen) != sorted(plants):
            return f"the self-test planted {sorted(plants)} and saw {seen}"
    return None


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = complaints(root)
    blind = self_test(root)
    if blind:
        found.append(blind)
    print("\n".join(found) or "every include points down")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
