"""What hands type, as gzip, xz and zstd have taught them, in the one form that click reads.

- `llmzip FILE...` compresses. The first word that is no option may say what to do instead, unless
  a flag has said it by then: after one every word is a file.
- Flags for verbs (-z, -d, -t, -l) stand anywhere, in bundles too; what was said last counts.
- Options stand before, after and between files, in bundles; `--` ends them.
- What LLMZIP_OPT holds comes first. Of it only what the verb knows is used.

Which options there are, and which of them take a value, is known from the commands themselves.
"""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from llmzip.cli.foreign import advice
from llmzip.errors import UsageError

VERB_UNSAID = "compress"
VERB_FLAGS = {
    "-z": "compress", "--compress": "compress",
    "-d": "decompress", "--decompress": "decompress", "--uncompress": "decompress",
    "-t": "test", "--test": "test",
    "-l": "list", "--list": "list",
}  # fmt: skip
LEVEL = "--level"
LEVEL_FLAGS = {"--fast": "1", "--best": "9", **{f"-{number}": f"{number}" for number in range(10)}}
PAGES = {
    "-h": "--help", "--help": "--help",
    "-H": "--long-help", "--long-help": "--long-help",
    "-V": "--version", "--version": "--version",
}  # fmt: skip
VARIABLE = "LLMZIP_OPT"

Commands = Mapping[str, click.Command]


@dataclass(frozen=True)
class Call:
    """What is to be done. verb: None where nobody has said it. arguments: for click.

    first_word: a file that stands where a verb might.
    """

    verb: str | None
    arguments: tuple[str, ...]
    first_word: str | None = None


@dataclass(frozen=True)
class _Given:
    """An option as it was typed; is_default: in the environment."""

    name: str
    value: str | None = None
    is_default: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """It, so that click cannot take it for anything else."""
        if self.value is None:
            return (self.name,)
        return (f"{self.name}={self.value}",) if self.is_long else (self.name, self.value)

    @property
    def is_long(self) -> bool:
        return self.name.startswith("--")


def read(words: Sequence[str], commands: Commands, defaults: str = "") -> Call:
    """Return what `words` ask for; `defaults` are options, quoted as in a shell.

    Raises UsageError for an option that is none, is another verb's, or lacks its value.
    """
    reader = _Reader(commands)
    try:
        reader.read(shlex.split(defaults), is_default=True)
    except (ValueError, UsageError) as exc:
        raise UsageError(f"{VARIABLE}: {exc}") from exc
    reader.read(words)
    return reader.call()


class _Reader:
    """Takes word after word, and knows in the end what they meant."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._known = {name: option for _, option in _options(commands) for name in option.opts}
        self._verb: str | None = None
        self._page: str | None = None
        self._given: list[_Given] = []
        self._files: list[str] = []
        self._first_word: str | None = None

    def read(self, words: Sequence[str], is_default: bool = False) -> None:
        """Take `words`, up to the name of a group: what follows is its own affair."""
        waiting = deque(words)
        while waiting:
            word = waiting.popleft()
            if word.startswith("-") and word not in ("-", "--"):
                for name, value in self._options_in(word, waiting):
                    self._take(_Given(name, value, is_default))
            elif is_default:
                raise UsageError(f"it holds options only, and {word!r} is none")
            elif word == "--":
                self._files += waiting
                return
            else:
                self._take_word(word)
                if self._is_group():
                    self._files += waiting
                    return

    def call(self) -> Call:
        """Return what all of it comes to. Raises UsageError."""
        verb = self._verb or VERB_UNSAID
        if self._page is not None:
            is_of_verb = self._verb is not None and self._page != "--version"
            return Call(self._verb, (verb, "--help") if is_of_verb else (self._page,))
        if self._is_group():
            given = [one for one in self._given if not one.is_default]
            return Call(verb, (verb, *_words(given), *self._files))
        options = _words(self._of(verb))
        return Call(self._verb, (verb, *options, "--", *self._files), self._first_word)

    def _is_group(self) -> bool:
        return self._verb is not None and isinstance(self._commands[self._verb], click.Group)

    def _take_word(self, word: str) -> None:
        if self._verb is None and not self._files:
            if word in self._commands:
                self._verb = word
                return
            self._first_word = word
        self._files.append(word)

    def _options_in(self, word: str, waiting: deque[str]) -> Iterator[tuple[str, str | None]]:
        """Yield the options in a word, with their values, for which the next word may be taken."""
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            yield name, value if equals else self._next_value(name, waiting)
            return
        for place, letter in enumerate(word[1:], start=2):
            name = f"-{letter}"
            if self._takes_value(name):
                yield name, word[place:] or self._next_value(name, waiting)
                return
            yield name, None

    def _takes_value(self, name: str) -> bool:
        option = self._known.get(name)
        return option is not None and not option.is_flag and not option.count

    def _next_value(self, name: str, waiting: deque[str]) -> str | None:
        if not self._takes_value(name):
            return None
        may_follow = getattr(self._known[name], "may_follow", None)
        if may_follow is not None and not (waiting and may_follow.fullmatch(waiting[0])):
            return str(self._known[name].flag_value)
        if not waiting:
            raise UsageError(f"{name} asks for a value after it (see llmzip --long-help)")
        return waiting.popleft()

    def _take(self, given: _Given) -> None:
        """Note an option, or what it says about the verb."""
        name = given.name
        is_flag = name in VERB_FLAGS or name in PAGES or name in LEVEL_FLAGS or name in self._known
        if given.value is not None and is_flag and not self._takes_value(name):
            raise UsageError(f"{name} takes no value: leave out ={given.value}")
        if name in PAGES:
            self._page = PAGES[name]
        elif name in LEVEL_FLAGS:
            self._given.append(_Given(LEVEL, LEVEL_FLAGS[name], given.is_default))
        elif name not in VERB_FLAGS:
            self._given.append(given)
        elif given.is_default:
            raise UsageError(f"it holds options only, and {name} says what to do")
        else:
            self._verb = VERB_FLAGS[name]

    def _of(self, verb: str) -> Iterator[_Given]:
        """Yield the options that the verb has; of the others those that hands add anyway go."""
        own = {name for _, option in _options({verb: self._commands[verb]}) for name in option.opts}
        for given in self._given:
            if given.name in own:
                yield given
            elif given.name not in self._known:
                variable = f"{VARIABLE}: " if given.is_default else ""
                raise UsageError(f"{variable}{advice(given.name, self._known)}")
            elif not given.is_default and not getattr(self._known[given.name], "harmless", False):
                others = [
                    name for name, option in _options(self._commands) if given.name in option.opts
                ]
                raise UsageError(
                    f"{given.name} is for {', '.join(others)}, not for {verb}: leave it out "
                    f"(see llmzip {verb} --help)"
                )


def _options(commands: Commands) -> Iterator[tuple[str, click.Option]]:
    """Yield the options of all commands that have no commands of their own, with their verb."""
    for verb, command in commands.items():
        if not isinstance(command, click.Group):
            for option in command.params:
                if isinstance(option, click.Option):
                    yield verb, option


def _words(given: Iterator[_Given] | Sequence[_Given]) -> tuple[str, ...]:
    return tuple(word for one in given for word in one.words)
