#!/usr/bin/env python3
"""extract_snippets.py DIRECTORY FILE.md... - writes out the C blocks that the tests compile.

A ```c block with an `int main` is a program: FILE_N.c. A ```text block that follows it directly is
its exact output: FILE_N.expected. A ```c compile block is a file that has to compile, no more.
Every other block is prose. N counts all the blocks of a file, so a name says where to look.
"""
import pathlib
import re
import shutil
import sys

BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def extract(document, directory):
    text = document.read_text()
    blocks = list(BLOCK.finditer(text))
    for number, block in enumerate(blocks, 1):
        info, code = block.group(1).split(), block.group(2)
        runs = info == ["c"] and "int main" in code
        if not runs and info != ["c", "compile"]:
            continue
        line = text.count("\n", 0, block.start()) + 2
        name = f"{document.stem}_{number}"
        (directory / f"{name}.c").write_text(f'#line {line} "{document.name}"\n{code}')
        following = blocks[number] if number < len(blocks) else None
        if runs and following and following.group(1).strip() == "text":
            if not text[block.end():following.start()].strip():
                (directory / f"{name}.expected").write_text(following.group(2))


def main():
    directory = pathlib.Path(sys.argv[1])
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for document in sys.argv[2:]:
        extract(pathlib.Path(document), directory)


if __name__ == "__main__":
    main()
