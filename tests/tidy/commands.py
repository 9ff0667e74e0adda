"""commands.py COORDINATOR [WORKER]: every command and flag that the documents show exists, asked from the programs.

Prints each violation as file:line: text and exits 1 if there is one."""
import functools
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WITH_SUBCOMMANDS = {"job", "task", "worker", "cache", "latents"}


@functools.lru_cache(None)
def help_of(*command: str) -> str:
    """The help text of a command; empty if there is no such command."""
    if len(command) > 1 and not re.search(rf"^ +{re.escape(command[-1])} ", help_of(*command[:-1]), re.M):
        return ""
    done = subprocess.run([*command, "--help"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


@functools.lru_cache(None)
def dev_commands() -> set[str]:
    done = subprocess.run([ROOT / "dev", "help"], check=True, capture_output=True, text=True)
    return set(re.findall(r"^  ([a-z]+) ", done.stdout, re.M)) | {"help"}


def shown_commands(words: list[str]) -> list[list[str]]:
    """["job", "list|info", …] as the commands job list and job info."""
    if not words or not re.fullmatch(r"[a-z|]+", words[0]):
        return [[]]
    commands = [[name] for name in words[0].split("|")]
    if words[0] in WITH_SUBCOMMANDS and len(words) > 1 and re.fullmatch(r"[a-z|]+", words[1]):
        commands = [[words[0], name] for name in words[1].split("|")]
    return commands


def check_line(line: str, programs: dict[str, str]) -> list[str]:
    found = [f"`./dev {name}` does not exist" for name in re.findall(r"\./dev ([a-z]+)", line)
             if name not in dev_commands()]
    words = re.sub(r"\s#.*", "", line).removeprefix("$ ").split()
    if not words or words[0] not in programs:
        return found
    program = programs[words[0]]
    for command in shown_commands(words[1:]):
        text = help_of(program, *command)
        name = " ".join([words[0], *command])
        if not text:
            found.append(f"`{name}` does not exist")
            continue
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]+", re.sub(r"\s#.*", "", line)):
            if not re.search(re.escape(flag.replace("_", "-")) + r"(?![\w-])", text):  # either is taken
                found.append(f"`{name}` has no flag {flag}")
    return found


def main() -> int:
    programs = dict(zip(("coordinator", "worker"), sys.argv[1:]))
    paths = subprocess.run(["git", "ls-files", "README.md", "CONTRIBUTING.md", "docs/*.md"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split()
    violations = []
    for path in paths:
        in_code = False
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            if line.startswith("```"):
                in_code = not in_code
                continue
            shown = [line] if in_code else re.findall(r"`((?:coordinator|worker|\./dev|[A-Z_]+=\S+ \./dev) [^`]+)`", line)
            violations += [f"{path}:{number}: {text}" for code in shown for text in check_line(code, programs)]
    print("\n".join(violations))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
