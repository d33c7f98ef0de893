"""In which encoding an uploaded file is written, found while it passes by (pure); what is kept of it is UTF-8, or the
file's own bytes where only its end tells whether they are.
"""

import codecs

BOMS = ((codecs.BOM_UTF32_LE, ""), (codecs.BOM_UTF32_BE, ""), (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))  # fmt: skip
WESTERN = "cp1252"
LOOKED_AT = 256


class UnknownEncoding(ValueError):
    """No such encoding, or one in which no file of text is written; the text is one sentence."""


class Recoder:
    """Takes a file in pieces and gives back the bytes to keep. `named`: what the sender says the encoding is."""

    def __init__(self, named: str = "") -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._checker = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = False
        self._good = 0
        self._bad = 0
        self.found = ""
        if named:
            self.found = _checked(named)
            self._decoder = codecs.getincrementaldecoder(self.found)("replace")

    @property
    def kept_as(self) -> str:
        """How the kept bytes are to be read. Text that is mostly good UTF-8 is UTF-8 with damage, else Windows-1252."""
        return WESTERN if self._decoder is None and self._bad > self._good else "utf-8"

    def feed(self, data: bytes) -> bytes:
        """More of the file (the first piece should be longer than a few bytes). Raises UnknownEncoding."""
        if not self._begun and data:
            self._begun = True
            data = self._begin(data)
        if self._decoder is not None:
            return self._decoder.decode(data).encode("utf-8")
        if not data.isascii() or self._checker.getstate()[0]:
            self._count(self._checker.decode(data))
        return data

    def end(self) -> bytes:
        """The file is over: what is left of it."""
        if self._decoder is not None:
            return self._decoder.decode(b"", True).encode("utf-8")
        self._count(self._checker.decode(b"", True))
        self.found = self.found or self.kept_as
        return b""

    def _begin(self, data: bytes) -> bytes:
        mark, encoding = next(((mark, name) for mark, name in BOMS if data.startswith(mark)), (b"", None))
        if encoding == "":
            raise UnknownEncoding("The file is written in UTF-32.")
        if self._decoder is not None:
            return data[len(mark) :] if encoding == self.found else data
        encoding = encoding or _without_mark(data[:LOOKED_AT])
        if encoding is not None and encoding != "utf-8":
            self.found = encoding
            self._decoder = codecs.getincrementaldecoder(encoding)("replace")
            return data[len(mark) :]
        return data

    def _count(self, text: str) -> None:
        bad = text.count("\ufffd")
        self._bad += bad
        self._good += sum(not character.isascii() for character in text) - bad


def _without_mark(beginning: bytes) -> str | None:
    """UTF-16 without a mark shows in its header: every other byte of Latin letters is zero."""
    even, odd = beginning[0::2].count(0), beginning[1::2].count(0)
    if odd > len(beginning) * 0.4 and not even:
        return "utf-16-le"
    if even > len(beginning) * 0.4 and not odd:
        return "utf-16-be"
    return None


def _checked(named: str) -> str:
    try:
        info = codecs.lookup(named)
        "order_number".encode(info.name)
    except (LookupError, ValueError, TypeError):
        raise UnknownEncoding("The encoding is none that is known here: name one such as windows-1250.") from None
    if not info._is_text_encoding:
        raise UnknownEncoding("The encoding is none of text: name one such as windows-1250.")
    return {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(info.name, info.name)
