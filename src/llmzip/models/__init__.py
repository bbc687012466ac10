"""Models: from a name to files on disk, checked by hash, and to a model in memory.

Importing this imports neither torch nor transformers; loading a model does.
"""

from llmzip.models.catalog import CATALOG, DEFAULT_MODEL, CatalogEntry
from llmzip.models.files import ModelFiles, is_here, locate, locate_recorded, pull
from llmzip.models.home import HOME_VARIABLE, home_folder
from llmzip.models.load import LoadedModel, load_transformers
from llmzip.models.prepared import (
    OpenedExact,
    check_fingerprint,
    find_prepared,
    list_prepared,
    open_exact,
    open_files,
    open_recorded,
    prepared_path,
)
from llmzip.models.prepared_info import PreparedInfo
from llmzip.models.removal import remove

__all__ = [
    "CATALOG",
    "DEFAULT_MODEL",
    "HOME_VARIABLE",
    "CatalogEntry",
    "LoadedModel",
    "ModelFiles",
    "OpenedExact",
    "PreparedInfo",
    "check_fingerprint",
    "find_prepared",
    "home_folder",
    "is_here",
    "list_prepared",
    "load_transformers",
    "locate",
    "locate_recorded",
    "open_exact",
    "open_files",
    "open_recorded",
    "prepared_path",
    "pull",
    "remove",
]
