"""Completions of three shells, from the declarations that `llmzip --help` is made from."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from llmzip.cli.grammar import LEVEL_FLAGS, VERB_FLAGS
from llmzip.cli.main import llmzip
from llmzip.cli.options import OPTIONS

SUFFIX = ".llmz"
GROUPS = {
    name: list(command.commands)
    for name, command in llmzip.commands.items()
    if isinstance(command, click.Group)
}
"""What follows a command that has commands of its own."""
READING = ("decompress", "test", "list", "cat")
LEVELS = {flag: level for flag, level in LEVEL_FLAGS.items() if level != "0"}
PAGES = ["--help", "--long-help", "--version"]
VERBS = list(dict.fromkeys(VERB_FLAGS.values()))
NAMES_OF_FILES = {"FILE", "DIR", "LIST"}
"""What stands for a value that is the name of a file or a folder."""


def bash() -> str:
    """Return the completion of bash, which needs nothing else to be installed."""
    with_value = [name for names, option in options() if takes_value(option) for name in names]
    choices = "".join(
        f"        {'|'.join(names)}) {bash_words(' '.join(words))}; return ;;\n"
        for names, option in options()
        if (words := choices_of(option))
    )
    names_of_files = [name for names, option in options() if is_file(option) for name in names]
    others = [name for name in with_value if name not in names_of_files]
    groups = "".join(
        f"        {name}) {bash_words(' '.join(words))}; return ;;\n"
        for name, words in GROUPS.items()
    )
    all_options = sorted({*flags(), *(name for names, _ in options() for name in names)})
    return f"""\
# Completion of llmzip for bash. Made by scripts/share.py from the declarations of the commands.

_llmzip() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} verb= one
    COMPREPLY=()
    case $previous in
{choices}        {"|".join(names_of_files)})
            local IFS=$'\\n'
            COMPREPLY=($(compgen -f -- "$word")); return ;;
        {"|".join(others)}) return ;;
    esac
    for one in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $one in
            {"|".join(VERB_FLAGS)}) verb=$one ;;
            {"|".join(llmzip.commands)}) verb=${{verb:-$one}} ;;
        esac
    done
    case $verb in
{groups}    esac
    if [[ $word == -* ]]; then
        {bash_words(" ".join(all_options))}
    else
        local IFS=$'\\n'
        case $verb in
            {"|".join(reading_words())})
                COMPREPLY=($(compgen -f -X '!*{SUFFIX}' -- "$word") $(compgen -d -- "$word")) ;;
            *) COMPREPLY=($(compgen -f -- "$word")) ;;
        esac
        if [[ -z $verb ]]; then
            COMPREPLY+=($(compgen -W '{chr(10).join(llmzip.commands)}' -- "$word"))
        fi
    fi
}}
complete -o filenames -F _llmzip llmzip
"""


def bash_words(words: str) -> str:
    """Return the command that offers those of `words` that begin as the one that is typed."""
    return f"COMPREPLY=($(compgen -W '{words}' -- \"$word\"))"


def zsh() -> str:
    """Return the completion of zsh."""
    specs = [zsh_spec(names, option) for names, option in options()]
    specs += [f"'{flag}[{verb}]'" for flag, verb in VERB_FLAGS.items()]
    specs += [f"'{flag}[level {level}]'" for flag, level in LEVELS.items()]
    specs += [f"'{page}[show it]'" for page in PAGES]
    verbs = " ".join(f"'{name}:{short(command)}'" for name, command in llmzip.commands.items())
    groups = "".join(
        f"    {'el' if number else ''}if (( ${{words[(I){name}]}} )); then\n"
        f"        compadd -- {' '.join(words)}\n"
        for number, (name, words) in enumerate(GROUPS.items())
    )
    lines = " \\\n        ".join(specs)
    return f"""\
#compdef llmzip
# Completion of llmzip for zsh. Made by scripts/share.py from the declarations of the commands.

_llmzip_words() {{
    local -a verbs=({verbs})
{groups}    elif (( ${{words[(I)({"|".join(reading_words())})]}} )); then
        _files -g '*{SUFFIX}'
    else
        (( CURRENT == 2 )) && _describe command verbs
        _files
    fi
}}

_llmzip() {{
    _arguments -s -S \\
        {lines} \\
        '*:file:_llmzip_words'
}}

_llmzip "$@"
"""


def zsh_spec(names: list[str], option: click.Option) -> str:
    """Return an option as _arguments takes it."""
    text = re.sub(r"([\[\]:\\])", r"\\\1", brief(option)).replace("'", "'\\''")
    value = ""
    if takes_value(option):
        words = choices_of(option)
        action = f"({' '.join(words)})" if words else "_files" if is_file(option) else " "
        what = (option.metavar or "value").replace(":", "\\:")
        value = f":{what}:{action}"
    if len(names) == 1:
        return f"'{names[0]}[{text}]{value}'"
    return f"'({' '.join(names)})'{{{','.join(names)}}}'[{text}]{value}'"


def fish() -> str:
    """Return the completion of fish."""
    reading = " ".join(reading_words())
    lines = [
        "# Completion of llmzip for fish. Made by scripts/share.py from the declarations.",
        "set -l reading '__fish_contains_opt -s d -s t -s l; "
        f"or __fish_seen_subcommand_from {reading}'",
        'complete -c llmzip -f -n "$reading" -a \'(__fish_complete_suffix .llmz'
        ' | string match -r "^[^\\t]*(?:\\.llmz|/)(?:\\t.*)?\\$")\'',
    ]
    lines += [
        f"complete -c llmzip -f -n '__fish_seen_subcommand_from {name}' -a '{' '.join(words)}'"
        for name, words in GROUPS.items()
    ]
    for name, command in llmzip.commands.items():
        lines.append(
            f"complete -c llmzip -n __fish_use_subcommand -a {name} -d {fish_text(short(command))}"
        )
    lines += [fish_line(names, option) for names, option in options()]
    lines += [fish_flags([f for f, v in VERB_FLAGS.items() if v == verb], verb) for verb in VERBS]
    lines += [fish_flags([flag], f"level {level}") for flag, level in LEVELS.items()]
    return "\n".join([*lines, *(fish_flags([page], "show it") for page in PAGES)]) + "\n"


def fish_line(names: list[str], option: click.Option) -> str:
    """Return an option as fish's complete takes it."""
    line = fish_flags(names, brief(option))
    if not takes_value(option):
        return line
    words = choices_of(option)
    if words:
        return f"{line} -x -a '{' '.join(words)}'"
    return f"{line} -r -F" if is_file(option) else f"{line} -x"


def fish_flags(names: list[str], text: str) -> str:
    """Return flags with a description."""
    flags = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in names)
    return f"complete -c llmzip {flags} -d {fish_text(text)}"


def fish_text(text: str) -> str:
    """Return `text`, quoted."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def choices_of(option: click.Option) -> list[str]:
    """Return the words that its value is one of, if there are such."""
    if "--level" in option.opts:
        return list("123456789")
    return list(option.type.choices) if isinstance(option.type, click.Choice) else []


def is_file(option: click.Option) -> bool:
    """Whether its value is the name of a file or a folder."""
    return takes_value(option) and option.metavar in NAMES_OF_FILES


def reading_words() -> list[str]:
    """Return what says that .llmz files are read."""
    return [*READING, *(flag for flag, verb in VERB_FLAGS.items() if verb in READING)]


def short(command: click.Command) -> str:
    """Return what a command does in a few words."""
    return re.split(r"[.;] ", " ".join((command.help or "").split()))[0].removesuffix(".")


def options() -> Iterator[tuple[list[str], click.Option]]:
    """Yield every option with its names, once: verbs that share one may say different things."""
    seen: set[str] = set()
    for option in OPTIONS:
        if not seen.intersection(option.opts):
            seen.update(option.opts)
            yield list(option.opts), option


def takes_value(option: click.Option) -> bool:
    """Whether a word follows it."""
    return not option.is_flag and not option.count


def brief(option: click.Option) -> str:
    """Return its help's first sentence, without the full stop, for a line of a menu."""
    text = re.split(r"[.;:] ", " ".join((option.help or "").split()))[0]
    return text.removesuffix(".").replace("`", "")


def flags() -> list[str]:
    """Return the options that are no parameters of a command: verbs, levels, pages."""
    return [*VERB_FLAGS, *LEVELS, *PAGES, "-h", "-H", "-V"]
