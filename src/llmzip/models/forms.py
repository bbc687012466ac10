"""Forms of a prepared model that are made at every start otherwise: kept beside it, as arrays.

    prepared/KEY/NAME.form

A form says nothing that its model does not, so one that is missing, damaged, another's or an older
release's is as none: whoever wants it makes it anew. What cannot be written is not kept; nobody
waits and nothing fails. Removing the model removes its forms.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmzip.errors import LlmzipError
from llmzip.models import home

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIX = ".form"
PACKED, TOKENS = "packed-", "tokens"
"""What the names of packed models begin with, a way following; the name of a tokenizer's tables."""
ONE_OF_MANY = "primed-"
"""What the names of forms begin with of which there may be many: what dictionaries lead to."""
MOST_BYTES = 256 << 20
"""Of such forms, all models' together; what was not used for longest goes first."""

_MODE, _PRIVATE_MODE = 0o644, 0o600  # as far as the folder lets readers


@dataclass(frozen=True)
class Forms:
    """The forms of one prepared model. folder: where it lies. of: its check, part of each label."""

    folder: Path
    of: str

    def load(self, name: str, rules: str) -> dict[str, NDArray[Any]] | None:
        """The arrays of a form, mapped into memory, if it is kept as it was written; else None.

        rules: by which it was made, a name and a number.

        Raises: UntrustedError if others can have put it there.
        """
        from llmzip.models.form_file import read_form  # which imports numpy

        with suppress(OSError):
            return read_form(home.trusted(self._path(name)), self._label(rules))
        return None

    def read(self, name: str, arrays: Iterable[str]) -> dict[str, NDArray[Any]] | None:
        """Some arrays of a form that `load` has given, again, in memory of their own; else None.

        What is read often is read faster there: files are mapped in small pages.

        Raises: UntrustedError if others can have put it there.
        """
        from llmzip.models.form_file import read_arrays

        with suppress(OSError):
            return read_arrays(home.trusted(self._path(name)), arrays)
        return None

    def keep(
        self,
        name: str,
        rules: str,
        arrays: Mapping[str, NDArray[Any]],
        *,
        is_private: bool = False,
    ) -> None:
        """Keep the arrays of a form, if they can be written; others see all of the file or none.

        Where another process is at work with the model, that one may keep it, or the next.
        is_private: no other user may read it, whoever may read the model.
        """
        from llmzip.models.form_file import write_form

        with suppress(OSError, LlmzipError):
            path = home.trusted(self._path(name))
            if not os.access(self.folder, os.W_OK):
                return  # not even a lock is written for what is there already
            with home.held_if_free(home.lock_path(self.folder.name)) as held:
                if held and self.folder.is_dir():
                    mode = _PRIVATE_MODE if is_private else _MODE
                    write_form(path, self._label(rules), arrays, mode)

    def load_one_of_many(self, name: str, rules: str) -> dict[str, NDArray[Any]] | None:
        """As `load`, for a form of which there are many: it was used now. Raises as `load`."""
        arrays = self.load(f"{ONE_OF_MANY}{name}", rules)
        if arrays is not None:
            with suppress(OSError):
                os.utime(self._path(f"{ONE_OF_MANY}{name}"))
        return arrays

    def keep_one_of_many(self, name: str, rules: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """As `keep`, but of all models' such forms those that were used last, up to MOST_BYTES."""
        if sum(array.nbytes for array in arrays.values()) <= MOST_BYTES // 2:
            self.keep(f"{ONE_OF_MANY}{name}", rules, arrays, is_private=True)
            with suppress(OSError, LlmzipError):
                _drop_oldest(home.trusted(self.folder.parent))

    def look_ahead(self, beginning: str) -> bool:
        """Whether there is a form whose name begins so, in whatever state.

        If it is the only one, it begins to be checked, for it is likely to be loaded.
        """
        from llmzip.models.form_checks import begin_check

        found = list(self.folder.glob(f"{beginning}*{SUFFIX}"))
        if len(found) == 1:
            with suppress(OSError):
                begin_check(found[0])
        return bool(found)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _label(self, rules: str) -> str:
        return f"{rules} of {self.of}"


def _drop_oldest(folder: Path) -> None:
    """Remove forms of which there are many, in all folders of models, beyond MOST_BYTES."""
    found = [(path, path.stat()) for path in folder.glob(f"*/{ONE_OF_MANY}*{SUFFIX}")]
    n_bytes = 0
    for path, status in sorted(found, key=lambda item: item[1].st_mtime_ns, reverse=True):
        n_bytes += status.st_size
        if n_bytes > MOST_BYTES:
            path.unlink(missing_ok=True)


def forms_in(folder: Path) -> list[Path]:
    """The files of all forms of the prepared model in a folder, whole or not, by name."""
    return sorted(folder.glob(f"*{SUFFIX}*"))
