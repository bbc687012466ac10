"""How the texts of a source become plain ones: marked-up books without their marks, and so on."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

_LINE = re.compile(r"(.{1,72})(?:\s+|$)")  # of books, as printed ones have them
_HEAD = re.compile(
    r"\s*(?:/\*.*?\*/\n?|<!--.*?-->\n?|(?:(?:#(?=[ !\n])|//|--|;|%)[^\n]*\n)+)", re.DOTALL
)  # one comment: a blank line, or what is no comment, ends it
_BLOCKS = {"p", "l", "ab", "stage", "title", "item", "speaker", "head", "note", "caption"}


def plain(text: str) -> str:
    """Leave a text as it is."""
    return text


def code(text: str) -> str:
    """Leave a source file as it is, but for the licence at its head."""
    head = _HEAD.match(text)
    if head and re.search("licen[cs]e|copyright", head[0], re.IGNORECASE):
        return text[head.end() :].lstrip("\n")
    return text


def foreign(text: str) -> str:
    """Leave a text of another script as it is; what is hardly in it, is refused."""
    if sum(not letter.isascii() for letter in text) < 0.15 * len(text):
        raise ValueError("not translated")
    return text


def accented(text: str) -> str:
    """As `foreign`, of a language in Latin letters with accents."""
    if sum(not letter.isascii() for letter in text) < 0.01 * len(text):
        raise ValueError("not translated")
    return text


def po(text: str) -> str:
    """Return the translations of a gettext catalogue."""
    found = re.findall(r'^msgstr ((?:"(?:[^"\\]|\\.)*"\n)+)', text, re.MULTILINE)
    parts = ("".join(json.loads(line) for line in part.splitlines()) for part in found[1:])
    return "\n\n".join(part for part in parts if part) + "\n"


def poems(text: str) -> str:
    """Return the poems of a list in JSON: title, author, lines."""
    return "\n\n".join(
        "\n".join([poem.get("title") or poem["rhythmic"], poem["author"], *poem["paragraphs"]])
        for poem in json.loads(text)
    )


def dialogs(text: str) -> str:
    """Return the conversations of a list in JSON, a line for each utterance."""
    return "\n\n".join(
        "\n".join(f"<{said['speaker']}> {said['text']}" for said in talk["utterances"])
        for talk in json.loads(text)
    )


def tei(text: str) -> str:
    """Return the running text of a TEI book or play: paragraphs, speeches and verses."""
    body = next(part for part in ElementTree.fromstring(text).iter() if _tag(part) == "body")
    return "\n\n".join(_paragraphs(body)) + "\n"


def tei_lines(text: str) -> str:
    """As `tei`, in lines no longer than a printed book's."""
    return "\n\n".join(_lines(part) for part in tei(text).split("\n\n")) + "\n"


def xhtml(text: str) -> str:
    """Return the running text of an XHTML chapter in lines."""
    text = re.sub(r"&(?!amp;|lt;|gt;|quot;|apos;|#)\w+;", " ", text)
    body = next(part for part in ElementTree.fromstring(text).iter() if _tag(part) == "body")
    return "\n\n".join(_lines(part) for part in _paragraphs(body)) + "\n"


def cnxml(text: str) -> str:
    """Return the running text of a textbook's chapter."""
    root = ElementTree.fromstring(text)
    content = next(part for part in root.iter() if _tag(part) == "content")
    return "\n\n".join([_title(root), *_paragraphs(content)]) + "\n"


def cnxml_wiki(text: str) -> str:
    """Return a textbook's chapter in the marks of a wiki, within the XML of its dumps."""
    root = ElementTree.fromstring(text)
    content = next(part for part in root.iter() if _tag(part) == "content")
    body = "\n\n".join(_wiki(content))
    for plain_text, marked in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        body = body.replace(plain_text, marked)
    return (
        f"  <page>\n    <title>{_title(root)}</title>\n    <revision>\n"
        f'      <text xml:space="preserve">{body}</text>\n    </revision>\n  </page>\n'
    )


def json_lines(text: str) -> str:
    """Return a table in CSV as a JSON object a line."""
    rows = itertools.islice(csv.DictReader(io.StringIO(text)), 20_000)  # more is never taken
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _wiki(part: ElementTree.Element) -> Iterator[str]:
    for child in part:
        name = _tag(child)
        if name == "title":
            yield f"== {_words(child)} =="
        elif name == "list":
            yield "\n".join(f"* {_marked(item)}" for item in child if _tag(item) == "item")
        elif name == "para":
            yield _marked(child)
        else:
            yield from _wiki(child)


def _marked(part: ElementTree.Element) -> str:
    pieces = [part.text or ""]
    for child in part:
        words, name = _marked(child), _tag(child)
        if name == "term":
            words = f"'''{words}'''"
        elif name == "emphasis":
            words = f"''{words}''"
        elif name == "link" and words:
            words = f"[[{words}]]"
        pieces += [words, child.tail or ""]
    return " ".join("".join(pieces).split())


def _lines(text: str) -> str:
    return _LINE.sub(r"\1\n", text).rstrip("\n")


def _paragraphs(part: ElementTree.Element) -> Iterator[str]:
    for child in part:
        if _tag(child) in _BLOCKS | {"para", "h1", "h2", "h3", "li", "tr", "blockquote"}:
            words = _words(child)
            if words:
                yield words
        else:
            yield from _paragraphs(child)


def _words(part: ElementTree.Element) -> str:
    return " ".join("".join(part.itertext()).split())


def _title(root: ElementTree.Element) -> str:
    return next((_words(part) for part in root.iter() if _tag(part) == "title"), "")


def _tag(part: ElementTree.Element) -> str:
    return str(part.tag).rpartition("}")[2]


FORMS: dict[str, Callable[[str], str]] = {
    form.__name__: form
    for form in (
        *(plain, code, foreign, accented, po, poems, dialogs),
        *(tei, tei_lines, xhtml, cnxml, cnxml_wiki, json_lines),
    )
}
"""Every form by the name that a mix calls it by."""
