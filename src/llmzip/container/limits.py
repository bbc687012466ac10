"""The numbers of the .llmz format: what marks a file, and how large anything in it may be.

Every limit is enforced on both sides: the writer raises ValueError rather than make a file
that the reader refuses, and the reader raises CorruptError before it allocates or computes.
"""

SIGNATURE = b"\x89LM"
"""The first bytes of every member. The high bit catches 7-bit transfers; no text starts so."""

END_MARK = b"ML\x89"
"""The last bytes of every member that is a sequence."""

VERSION = 1
"""The format's version, in the high half of the byte after the signature."""

ADAPTIVE_VERSION = 2
"""The version of files whose chunks learn from each other; all else is as in version 1."""

DICTIONARY_VERSION = 3
"""The version of files that have a dictionary too; all else is as in version 2."""

FINGERPRINT_BYTES = 6
MACHINE_BYTES = 8
CHUNK_CHECKSUM_BYTES = 4
DICTIONARY_MARK_BYTES = 2
FILE_CHECKSUM_BYTES = 8

MAX_CHUNK_BYTES = 1 << 24
"""What one chunk may decode to: 16 MiB."""

MAX_CHUNK_TOKENS = 1 << 16
"""Bounds a decoder's work by the file's size: a chunk costs at least 12 bytes of file."""

MAX_WINDOW_TOKENS = 1 << 24
"""The longest context window that can be named."""

MAX_TOKEN_BYTES = 1024
"""The most bytes that a token may stand for; published vocabularies stay below 300."""

MAX_TOKENS_PER_BYTE = 16
"""The most tokens that a decoded byte may take: escapes take two or three, but nine where a
vocabulary has next to no tokens of single bytes."""

MAX_TEXT_PER_BYTE = 3
"""The most bytes of UTF-8 that a byte of text in another encoding becomes."""

MAX_BYTES_PER_CHAR = 4
"""The most bytes that a byte of UTF-8 becomes in another encoding, and a character takes there."""

MAX_PREFIX_PER_BYTE = 4
"""The most bytes for each decoded one that say what is no text in an encoding, and line ends."""

MAX_BYTES_PER_TOKEN = 6
"""The most payload bytes a token may take on average: totals are at most 2^48."""

PAYLOAD_SLACK_BYTES = 8
"""What a coder may add to a payload when it is flushed."""

MAX_LZMA_RATIO = 1 << 13
"""What a byte of LZMA may stand for; no stream exceeds 7,090. The cheapest that LZMA has is 273
bytes for 14 bits, none likelier than 2,017 in 2,048, the most that its adaptation reaches."""

MIN_GROUP_BYTES = 25
"""What a group takes in a file: 7 bytes for its own frame, 14 for a wave of one chunk with a head
of 7 in all, 4 for the CRC of payloads."""

MAX_WAVE_CHUNKS = 1 << 16
MAX_ADAPTIVE_CHUNKS = 64
"""LM chunks of a wave that advance together: bounds the caches that a decoder must hold."""
MAX_WAVE_BYTES = 1 << 26
"""What the chunks of one wave may decode to in all: 64 MiB, so a wave fits in memory."""

MAX_LAYOUT_BYTES = 1 << 26
"""What a group with a layout may come to: 64 MiB, for all of it is held at once."""

MIN_LAYOUT_PAYLOAD = 6
MAX_LAYOUT_PAYLOAD = 5 + (1 << 22)
"""The longest payload of a layout: the checksum of a program, the byte that says that it is stored,
and 4 MiB of it."""

MAX_TAR_BYTES = 1 << 22
"""What a chunk of headers of a tar may decode to."""

FREE_TAR_BYTES = 1 << 18
MAX_TAR_RATIO = 1 << 13
"""The most that a byte of such a chunk may stand for, beside what is free: bounds the work."""

REFERENCE_CHECKSUM_BYTES = 8

LISTED_VERSIONS = 4
"""How much greater the version of a compact member is whose form byte names a kind, and a list
follows."""

SHORTLISTS = (
    *("all", "latin", "cyrillic-arabic", "cjk", "indic"),
    *("latin+cyrillic-arabic", "latin+cjk", "latin+indic"),
)
"""What people call the shortlists of a vocabulary, by their numbers; 0 stands for all of it."""

MAX_SHORTLIST = len(SHORTLISTS) - 1

MAX_DICTIONARY_BYTES = 1 << 24
"""The longest dictionary: 16 MiB."""

MAX_NAME_BYTES = 255
MAX_SOURCE_BYTES = 1023

MAX_BODY_BYTES = 1 << 26
"""The longest record body; the index of a file of 8 TiB in groups of 1 MiB fits."""

LONE_MAX_BYTES = 1 << 16
"""A file of one chunk that decodes to at most this needs no table and a shorter CRC."""

NAMELESS_BYTES = 1 << 10
"""A file of one piece with less payload leaves out the name of a model of somebody's own."""

COMPACT_MAX_BYTES = 1 << 20
"""Files of one wave that decodes to at most this, what a layout supplies left aside, take the
compact form."""
