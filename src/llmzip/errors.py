"""The exceptions that llmzip raises, all of them.

    LlmzipError
    ├── FormatError              the input is not a readable .llmz file
    │   ├── NotLlmzError         wrong magic: some other kind of file
    │   ├── UnsupportedError     a version, flag or chunk kind this release does not know
    │   ├── TruncatedError       the file ends before it should
    │   └── CorruptError         a checksum, size or field contradicts another
    │       └── TrailingError    all is whole, but other data follows
    ├── ModelError               a model cannot be had or used
    │   ├── ModelNotFoundError   no such name, folder or file; or not fetched and no network
    │   ├── ModelDamagedError    a file on disk fails its checksum
    │   ├── ModelUnsupportedError  an architecture or file type the engine does not run
    │   ├── FingerprintError     the model found is not the one the file was made with
    │   └── DictionaryError      no dictionary, or not the one (with its model) of the file
    ├── PatchError               no file that this one was made from, or another one
    ├── DeviceError              the device asked for is not there or cannot compute exactly
    ├── SamplingError            a text that is no sample of this model, or bits that make none
    ├── LimitError               the input claims more output or memory than a limit allows
    ├── VerifyError              what was written does not decode to what was read
    ├── ResumeError              what an earlier run has left is no beginning of this output
    ├── UntrustedError           a cache folder that others own or may write to
    └── UsageError               options that contradict each other or the input

Every message is one line: what is wrong, where, and what to do about it.
"""


class LlmzipError(Exception):
    """Base of every error that llmzip raises on purpose."""


class FormatError(LlmzipError):
    """The input is not a readable .llmz file."""


class NotLlmzError(FormatError):
    """The input does not start with the .llmz magic."""


class UnsupportedError(FormatError):
    """The file uses a version, flag or chunk kind that this release does not know."""


class TruncatedError(FormatError, EOFError):
    """The file ends before it should; an EOFError, too, as other compressors raise there."""


class CorruptError(FormatError):
    """A checksum, size or field contradicts another."""


class TrailingError(CorruptError):
    """Other data follows a file that is whole: whoever reads has been given all of it by now.

    is_padding: nothing follows but zeros, which are no reason to refuse a file.
    """

    def __init__(self, message: str, is_padding: bool = False) -> None:
        super().__init__(message)
        self.is_padding = is_padding


class ModelError(LlmzipError):
    """A model cannot be had or used."""


class ModelNotFoundError(ModelError):
    """No such model by that name, folder or file, or it cannot be fetched."""


class ModelDamagedError(ModelError):
    """A model file on disk fails its checksum."""


class ModelUnsupportedError(ModelError):
    """The engine does not run this architecture or file type."""


class FingerprintError(ModelError):
    """The model found is not the one that the file was made with."""


class DictionaryError(ModelError):
    """There is no dictionary, or not the one, with its model, that the file was made with."""


class PatchError(LlmzipError):
    """There is no file to refer to, or not the one that the file was made from."""


class DeviceError(LlmzipError):
    """The device asked for is not there or cannot compute exactly."""


class SamplingError(LlmzipError):
    """A text is no sample of this model, prompt and settings, or bits cannot be made one."""


class LimitError(LlmzipError):
    """The input claims more output, or needs more memory, than a limit allows."""


class VerifyError(LlmzipError):
    """What was written does not decode to what was read."""


class ResumeError(LlmzipError):
    """What an earlier run has left is no beginning of this output."""


class UntrustedError(LlmzipError):
    """A cache folder belongs to somebody else, or others may write to it."""


class UsageError(LlmzipError):
    """Options contradict each other or the input."""
