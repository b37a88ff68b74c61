#!/usr/bin/env python3
"""Finds source files of a crate that import each other in a circle: tests/tools/circles.py [CRATE...].

Reads the imports and paths of a crate's files as text: its library, programs, tests and benches. A name that a module
hands on counts as an import of the file that defines it. Test modules are left out. The exit status is 1 if there is a
circle.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Comments; raw strings, strings and characters. Only one pass over the text can tell them apart.
COMMENT_OR_TEXT = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r'|\bb?r(?P<hashes>#*)".*?"(?P=hashes)'
    r'|"(?:\\.|[^"\\])*"'
    r"|'(?:\\(?:u\{\w*\}|x..|.)|[^'\\\n])'",
    re.S,
)
TESTS = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*(\{|;)")
MOD = re.compile(r'(?:#\[path\s*=\s*"([^"]*)"\]\s*)?(?:pub(?:\([^)]*\))?\s+)?\bmod\s+(\w+)\s*;')
USE = re.compile(r"((?:pub(?:\([^)]*\))?\s+)?)\buse\s+([^;]+);")
VISIBLE = re.compile(r"pub\(in [^)]*\)")
PATH = re.compile(r"(?<![\w:])(\w+(?:::\w+)+)")


def crates():
    """The folders of crates."""
    listed = subprocess.run(["git", "ls-files", "*Cargo.toml"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / Path(line).parent for line in listed.stdout.split() if "[package]" in (ROOT / line).read_text()]


def roots(crate):
    """The files that a crate's targets begin with."""
    named = re.findall(r'^path = "([^"]+\.rs)"', (crate / "Cargo.toml").read_text(), re.M)
    found = [crate / name for name in ("src/lib.rs", "src/main.rs", *named)]
    for pattern in ("src/bin/*.rs", "tests/*.rs", "tests/*/main.rs", "benches/*.rs", "examples/*.rs"):
        found += sorted(crate.glob(pattern))
    return list(dict.fromkeys(file for file in found if file.is_file()))


def modules(root):
    """Module paths, as tuples of names, and their files, from the root file on."""
    found, waiting = {}, [((), root)]
    while waiting:
        module, file = waiting.pop()
        found[module] = file
        folder = file.parent if not module or file.name == "mod.rs" else file.parent / file.stem
        for path, name in MOD.findall(without_tests(file.read_text())):
            choices = [file.parent / path] if path else [folder / f"{name}.rs", folder / name / "mod.rs"]
            waiting += [(module + (name,), choice) for choice in choices if choice.is_file()]
    return found


def without_tests(text):
    """A text without comments and test modules."""
    text = COMMENT_OR_TEXT.sub(shortened, text)
    while match := TESTS.search(text):
        end = match.end()
        if match.group(1) == "{":
            depth = 1
            while depth and end < len(text):
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
        text = text[: match.start()] + text[end:]
    return text


def shortened(match):
    """Nothing for a comment, an empty string for a string; a path of a source file stays, for `#[path]`."""
    text = match.group()
    if text.startswith(("//", "/*")):
        return ""
    return text if re.fullmatch(r'"[\w./-]*\.rs"', text) else '""'


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


class Target:
    """The files of one target of a crate, and what each takes from which."""

    def __init__(self, root):
        self.modules = modules(root)
        self.text = {module: without_tests(file.read_text()) for module, file in self.modules.items()}
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
        # Where something may be seen is no import.
        body = VISIBLE.sub("pub", MOD.sub("", USE.sub("", self.text[module])))
        names = {name: absolute for name, absolute, _ in self.names[module]}
        # What a path through an imported module names counts, not the module that the path leads through.
        wanted, through = set(), set()
        for path in PATH.findall(body):
            first, *rest = path.split("::")
            if first in names:
                through.add(first)
                wanted.add(self.home(names[first] + tuple(rest)))
            elif absolute := self.absolute(module, (first, *rest)):
                wanted.add(self.home(absolute))
        for name, absolute, public in self.names[module]:
            if absolute in self.modules and name in through:
                continue
            if not public or name == "*" or re.search(rf"\b{re.escape(name)}\b", body):
                wanted.add(self.home(absolute))
        return wanted - {module, None}


def circles(arrows):
    """Groups of modules that all reach each other (Tarjan)."""
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
        for root in roots(folder):
            target = Target(root)
            arrows = {module: target.arrows(module) for module in target.modules}
            for group in circles(arrows):
                worst = 1
                print(f"{name}: {len(group)} files import each other in a circle:")
                for module in sorted(group):
                    for other in sorted(arrows[module] & set(group)):
                        here, there = (target.modules[m].relative_to(folder) for m in (module, other))
                        print(f"  {here} -> {there}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
