#!/usr/bin/env python3
"""Checks the structure of the source tree, by machine.

    scripts/check.py                 everything below
    scripts/check.py layers          includes go from right to left only; LLVM, Vulkan and other libraries stay where they belong
    scripts/check.py sizes           no file over 500 lines, no C++ function's body over 60
    scripts/check.py headers         each public header compiles alone
    scripts/check.py run_files       every graph-level op has its file tests/hir/run/OP.hir, which runs it with each of its dtypes; a long one is
                                     continued in OP.PART.hir
    scripts/check.py quotes          programs that the documents quote are what the files say
    scripts/check.py suppressions    docs/building.md lists what the sanitizers are told to pass over, entry by entry
    scripts/check.py environment     docs/runtime.md lists the environment variables that the sources ask for
    scripts/check.py format [--fix]  clang-format-22 has nothing to change (--fix changes it)
    scripts/check.py --only FOLDER   looks at what lies below one folder, or at one file

Looks at the files that git knows, new ones included; exit status 1 and one line per finding.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What stands right may include what stands left. The two emitters do not see each other.
LAYERS = ["include", "support", "ir", "passes", "codegen", "runtime", "frontend", "bench", "tools"]
EVERYTHING = ["tests", "examples"]
FORBIDDEN_FOLDERS = {"codegen/spirv": "codegen/llvm", "codegen/llvm": "codegen/spirv"}

# Include prefix of a library -> folders that may include it; tests may include all of them.
LIBRARIES = {
    "llvm/": ["codegen/llvm"],
    "llvm-c/": ["codegen/llvm"],
    "vulkan/": ["runtime/vulkan"],
    "spirv/": ["codegen/spirv"],
    "spirv-tools/": ["codegen/spirv"],
    "gtest/": [],
    "gmock/": [],
    "benchmark/": ["bench"],
    "CLI/": ["tools", "bench", "examples"],
    "nlohmann/": ["tools", "bench", "examples", "frontend"],
    "stb": ["tools", "examples"],
}

# A public header may include the standard library and other public headers, nothing else.
STANDARD = re.compile(r"^[a-z_0-9]+$")

MAX_LINES = 500
MAX_FUNCTION_LINES = 60
SIZED = {".h", ".cpp", ".def", ".py", ".sh", ".hir"}
FORMATTED = {".h", ".cpp"}
QUOTE = re.compile(r"<!-- quote: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def source_files(below):
    """Tracked files and new ones that are not ignored, as paths relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *below],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [pathlib.PurePosixPath(name) for name in listed if (ROOT / name).is_file()]


def read_lines(file):
    return (ROOT / file).read_text(encoding="utf-8").splitlines()


def inside(file, folder):
    return str(file).startswith(folder + "/")


def include_finding(file, bracket, name):
    """What is wrong with one include, or None."""
    layer = file.parts[0]
    if layer == "include":
        if name.startswith("heddle/") or (bracket == "<" and STANDARD.match(name)):
            return None
        return f"a public header includes {name}; only the standard library and <heddle/...> are allowed there"
    if layer in EVERYTHING:
        return None
    for prefix, allowed in LIBRARIES.items():
        if name.startswith(prefix) and not any(inside(file, folder) for folder in allowed):
            return f"{name} may be included only in {', '.join(allowed) or 'tests'}"
    target = "include" if name.startswith("heddle/") else name.split("/")[0]
    if bracket == '"' and "/" not in name:
        return f'"{name}" is to be included by its path from the root'
    if target in EVERYTHING:
        return f"{name}: a layer does not include {target}/"
    if target in LAYERS and LAYERS.index(target) > LAYERS.index(layer):
        return f"{name}: {layer}/ stands left of {target}/ and may not include it"
    for folder, other in FORBIDDEN_FOLDERS.items():
        if inside(file, folder) and name.startswith(other + "/"):
            return f"{name}: one emitter does not include the other"
    return None


def check_layers(files):
    findings = []
    for file in files:
        if file.suffix not in {".h", ".cpp", ".def"} or file.parts[0] not in LAYERS + EVERYTHING:
            continue
        for number, line in enumerate(read_lines(file), 1):
            match = INCLUDE.match(line)
            finding = match and include_finding(file, *match.groups())
            if finding:
                findings.append(f"{file}:{number}: {finding}")
    return findings


# What braces do not count in: raw strings, strings, characters (not digit separators), comments, directives with their continuations.
NO_CODE = re.compile(
    r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/|^[ \t]*#(?:\\\n|[^\n])*',
    re.DOTALL | re.MULTILINE)
ARGUMENTS = re.compile(r"<[^<>]*>|\balignas\([^()]*\)")
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^()]*$")


def scope_kind(head, outer):
    """What a brace opens, from the text since the last `;` or brace: a scope of declarations, a function, or a part of either."""
    if outer != "scope":
        return "part"
    plain, changed = ARGUMENTS.subn("", head)
    while changed:
        plain, changed = ARGUMENTS.subn("", plain)
    if SCOPE.search(plain):
        return "scope"
    return "function" if ")" in head and not head.rstrip().endswith("=") else "part"


def long_functions(file):
    text = NO_CODE.sub(lambda match: "\n" * match[0].count("\n"), (ROOT / file).read_text(encoding="utf-8"))
    line, head, open_scopes = 1, "", [("scope", 0)]
    for character in text:
        line += character == "\n"
        if character == "{":
            open_scopes.append((scope_kind(head, open_scopes[-1][0]), line))
        elif character == "}":
            kind, first = open_scopes.pop()
            if not open_scopes:
                break
            if kind == "function" and line - first + 1 > MAX_FUNCTION_LINES:
                yield f"{file}:{first}: a function of {line - first + 1} lines; {MAX_FUNCTION_LINES} are allowed"
        head = "" if character in ";{}" else head + character
    if len(open_scopes) != 1:
        yield f"{file}:{line}: braces do not balance, so that functions cannot be measured"


def check_sizes(files):
    findings = []
    for file in files:
        if file.suffix in SIZED:
            lines = len(read_lines(file))
            if lines > MAX_LINES:
                findings.append(f"{file}:{lines}: over {MAX_LINES} lines; there is a second idea in it")
        if file.suffix in FORMATTED:
            findings += long_functions(file)
    return findings


def compile_alone(header):
    compiler = os.environ.get("CXX", "g++")
    # Twice, so that a header without an include guard is found too.
    program = f"#include <{header.relative_to('include')}>\n" * 2
    done = subprocess.run(
        [compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", str(ROOT / "include"),
         "-x", "c++", "-"], input=program, capture_output=True, text=True)
    return None if done.returncode == 0 else f"{header}: does not compile alone\n{done.stderr.strip()}"


def check_headers(files):
    headers = [file for file in files if file.parts[0] == "include" and file.suffix == ".h"]
    if not headers:
        return ["include/: no public header was found"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [finding for finding in pool.map(compile_alone, headers) if finding]


def clang_format():
    """The program that decides about formatting: version 22, since versions differ in their taste."""
    program = os.environ.get("CLANG_FORMAT") or shutil.which("clang-format-22")
    if not program:
        sys.exit("check.py: clang-format-22 was not found; scripts/install-deps.sh installs it")
    return program


def check_format(files, fix=False):
    sources = [str(file) for file in files if file.suffix in FORMATTED]
    if fix:
        subprocess.run([clang_format(), "-i", *sources], cwd=ROOT, check=True)
        return []
    done = subprocess.run([clang_format(), "--dry-run", "-Werror", *sources], cwd=ROOT, capture_output=True, text=True)
    findings = {}
    for line in done.stderr.splitlines():
        match = re.match(r"(.+?):(\d+):\d+: error: code should be clang-formatted", line)
        if match:
            findings.setdefault(match[1], f"{match[1]}:{match[2]}: not formatted; scripts/check.py format --fix")
    if done.returncode != 0 and not findings:
        return [done.stderr.strip()]
    return list(findings.values())


OP_ROW = re.compile(r'^OP\(\w+, "(\w+)", \w+, (\w+), (\w+), ([\w| ]+)\)')
RUN_KINDS = {"elementwise", "predicate", "choice", "convert", "creation", "movement", "reduction", "contraction", "access"}
SIGNED, UNSIGNED = ["i8", "i16", "i32", "i64"], ["u8", "u16", "u32", "u64"]
FLOATS = ["f16", "bf16", "f32", "f64"]
DOMAINS = {
    "number": SIGNED + UNSIGNED + FLOATS,
    "integer": SIGNED + UNSIGNED,
    "floating": FLOATS,
    "bits": ["bool"] + SIGNED + UNSIGNED,
    "boolean": ["bool"],
    "any": ["bool"] + SIGNED + UNSIGNED + FLOATS,
}


def check_run_files(_):
    findings = []
    folder = ROOT / "tests/hir/run"
    ops = {}
    for line in read_lines(pathlib.PurePosixPath("ir/ops.def")):
        row = OP_ROW.match(line)
        if row and row[2] in RUN_KINDS and "kernel_level" not in row[4]:
            ops[row[1]] = DOMAINS[row[3]]
    if not ops:
        return ["ir/ops.def: no op was found"]
    for op, dtypes in ops.items():
        file = folder / f"{op}.hir"
        if not file.is_file():
            findings.append(f"tests/hir/run/{op}.hir: is missing; docs/hir.md says how to write it")
            continue
        text = "".join(part.read_text(encoding="utf-8") for part in [file, *folder.glob(f"{op}.*.hir")])
        if "// RUN: %heddle run %s" not in text or f"= {op} " not in text:
            findings.append(f"tests/hir/run/{op}.hir: does not run {op}")
        findings += [f"tests/hir/run/{op}.hir: has no {dtype}" for dtype in dtypes
                     if not re.search(rf"\b{dtype}\[", text)]
    for file in folder.glob("*.hir"):
        op = file.name.split(".")[0]
        if op not in ops:
            findings.append(f"tests/hir/run/{file.name}: there is no op {op}")
    return findings


SUPPRESSION_ROW = re.compile(r"\| `(tests/\w+\.supp)` \| `([^`]+)` \| .+ \|")


def check_suppressions(_):
    document = (ROOT / "docs/building.md").read_text(encoding="utf-8")
    listed = set(SUPPRESSION_ROW.findall(document))
    present = {(f"tests/{file.name}", line) for file in (ROOT / "tests").glob("*.supp")
               for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    return ([f"{file}: {entry} is not in docs/building.md" for file, entry in sorted(present - listed)] +
            [f"docs/building.md: {entry} is not in {file}" for file, entry in sorted(listed - present)])


VARIABLE_ROW = re.compile(r"^\| (`HEDDLE_.+?) \| .+ \| .+ \|$", re.MULTILINE)


def check_environment(_):
    document = (ROOT / "docs/runtime.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(HEDDLE_\w+)`", " ".join(VARIABLE_ROW.findall(document))))
    used = set()
    for file in source_files([]):
        if file.suffix in {".cpp", ".h"}:
            used |= set(re.findall(r'(?:getenv|environment_\w+|variable)\("(HEDDLE_\w+)"', (ROOT / file).read_text(encoding="utf-8")))
    return ([f"docs/runtime.md: {name} is asked for and not listed" for name in sorted(used - listed)] +
            [f"docs/runtime.md: {name} is listed and asked for nowhere" for name in sorted(listed - used)])


def check_quotes(files):
    """A block of code below `<!-- quote: FILE -->` is the whole of FILE."""
    findings = []
    for file in files:
        if file.suffix != ".md":
            continue
        for quoted, block in QUOTE.findall((ROOT / file).read_text(encoding="utf-8")):
            source = ROOT / quoted
            if not source.is_file() or source.read_text(encoding="utf-8") != block:
                findings.append(f"{file}: quotes {quoted}, which says something else")
    return findings


CHECKS = {"layers": check_layers, "sizes": check_sizes, "headers": check_headers,
          "run_files": check_run_files, "quotes": check_quotes, "suppressions": check_suppressions,
          "environment": check_environment, "format": check_format}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK",
                        help="layers, sizes, headers, run_files, quotes, suppressions, environment, format; all by default")
    parser.add_argument("--fix", action="store_true", help="with format: rewrite the files")
    parser.add_argument("--only", action="append", default=[], metavar="PATH", help="look at this file or folder only")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.checks if name not in CHECKS]
    if unknown:
        parser.error(f"unknown check {unknown[0]}; there are {', '.join(CHECKS)}")

    files = source_files(arguments.only)
    if not files:
        sys.exit(f"check.py: git lists no files {' '.join(arguments.only) or 'here'}")
    failed = False
    for name in arguments.checks or CHECKS:
        check = CHECKS[name]
        findings = check(files, fix=True) if name == "format" and arguments.fix else check(files)
        failed = failed or bool(findings)
        for finding in findings:
            print(finding)
        print(f"{name}: {f'{len(findings)} findings' if findings else 'ok'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
