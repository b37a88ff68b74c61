#!/usr/bin/env python3
"""Finds source files of a crate that import each other in a circle: tests/tools/circles.py [CRATE...].

Reads the imports and paths of every crate's files as text. A name that a module hands on counts as an import of the file
that defines it. Test modules are left out. The exit status is 1 if there is a circle.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
STRING = re.compile(r'r?#*"(?:\\.|[^"\\])*"#*', re.S)
TESTS = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*(\{|;)")
USE = re.compile(r"((?:pub(?:\([^)]*\))?\s+)?)use\s+([^;]+);")
PATH = re.compile(r"\b((?:crate|super|self)(?:::\w+)+)")


def crates():
    """The folders of crates with sources."""
    listed = subprocess.run(["git", "ls-files", "*Cargo.toml"], cwd=ROOT, capture_output=True, text=True, check=True)
    folders = [ROOT / Path(line).parent for line in listed.stdout.split()]
    return [folder for folder in folders if (folder / "src").is_dir()]


def modules(crate):
    """Module paths, as tuples of names, and their files. Programs apart from the library are roots of their own."""
    found, source = {}, crate / "src"
    for file in sorted(source.rglob("*.rs")):
        parts = list(file.relative_to(source).with_suffix("").parts)
        if parts[-1] in ("mod", "lib") or (parts == ["main"] and not (source / "lib.rs").exists()):
            parts.pop()
        found[tuple(parts)] = file
    return found


def code(file):
    """The text of a file without comments, strings and test modules."""
    text = STRING.sub('""', COMMENT.sub("", file.read_text()))
    while match := TESTS.search(text):
        end = match.end()
        if match.group(1) == "{":
            depth = 1
            while depth and end < len(text):
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
        text = text[: match.start()] + text[end:]
    return text


def leaves(tree, before=()):
    """The paths that a `use` tree names, each with the name that it gets."""
    tree = tree.strip()
    if tree.endswith("}"):
        head, inner = tree[:-1].split("{", 1)
        before += tuple(part.strip() for part in head.split("::") if part.strip())
        depth, start = 0, 0
        for at, sign in enumerate(inner + ","):
            depth += {"{": 1, "}": -1}.get(sign, 0)
            if sign == "," and depth == 0:
                if inner[start:at].strip():
                    yield from leaves(inner[start:at], before)
                start = at + 1
        return
    path, _, name = tree.partition(" as ")
    path = before + tuple(part.strip() for part in path.split("::"))
    if path[-1] == "self":
        path = path[:-1]
    yield path, (name.strip() or path[-1])


class Crate:
    """The files of one crate, and what each takes from which."""

    def __init__(self, folder):
        self.modules = modules(folder)
        self.text = {module: code(file) for module, file in self.modules.items()}
        self.names = {module: self.imports(module) for module in self.modules}

    def imports(self, module):
        """What `use` brings into a module: name, absolute path, whether it is handed on."""
        found = []
        for public, tree in USE.findall(self.text[module]):
            for path, name in leaves(tree):
                if absolute := self.absolute(module, path):
                    found.append((name, absolute, bool(public)))
        return found

    def absolute(self, module, path):
        """A path from the crate's root; none if it leads to another crate."""
        first = path[0]
        if first == "crate":
            return path[1:]
        if first == "self":
            return module + path[1:]
        if first == "super":
            while path and path[0] == "super":
                module, path = module[:-1], path[1:]
            return module + path
        return module + path if module + (first,) in self.modules else None

    def home(self, path, depth=0):
        """The module that defines what a path names."""
        for length in range(len(path), -1, -1):
            if (module := path[:length]) in self.modules:
                break
        else:
            return None
        rest = path[length:]
        if rest and depth < 8:
            for name, absolute, _ in self.names[module]:
                if name == rest[0]:
                    return self.home(absolute + rest[1:], depth + 1)
        return module

    def arrows(self, module):
        """The modules that this one takes something from."""
        body = USE.sub("", self.text[module])
        wanted = set()
        for name, absolute, public in self.names[module]:
            if not public or re.search(rf"\b{re.escape(name)}\b", body):
                wanted.add(self.home(absolute))
        for path in PATH.findall(body):
            if absolute := self.absolute(module, tuple(path.split("::"))):
                wanted.add(self.home(absolute))
        for path in re.findall(r"(?<![\w:])(\w+(?:::\w+)+)", body):
            parts = tuple(path.split("::"))
            if module + parts[:1] in self.modules:
                wanted.add(self.home(module + parts))
        return wanted - {module, None}


def circles(arrows):
    """Groups of modules of which each reaches each (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(arrows[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(group)

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return found


def main():
    wanted, worst = sys.argv[1:], 0
    for folder in crates():
        name = str(folder.relative_to(ROOT))
        if wanted and name not in wanted:
            continue
        crate = Crate(folder)
        arrows = {module: crate.arrows(module) & set(crate.modules) for module in crate.modules}
        for group in circles(arrows):
            worst = 1
            print(f"{name}: {len(group)} files import each other in a circle:")
            for module in sorted(group):
                for other in sorted(arrows[module] & set(group)):
                    here, there = (crate.modules[m].relative_to(folder) for m in (module, other))
                    print(f"  {here} -> {there}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
