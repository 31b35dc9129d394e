"""A report file as bytes: whole lines block by block, whatever their line end, at offsets that stay true."""

from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 4 << 20
LINE_ENDS = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r"}


def blocks(stream: BinaryIO, start: int, line_end: str) -> Iterator[bytes]:
    """Blocks of whole lines."""
    mark = LINE_ENDS[line_end]
    stream.seek(start)
    rest = b""
    while chunk := stream.read(BLOCK):
        rest += chunk
        cut = rest.rfind(mark) + len(mark)
        # A CR at the very end of a CR file may be half of nothing else; of a CRLF file it waits for its LF.
        if cut >= len(mark):
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def to_newlines(block: bytes, line_end: str) -> bytes:
    """Same length, LF ends and no CR: byte offsets stay true. The blank that stands for a CR is stripped with the field."""
    if line_end == "CR":
        return block.replace(b"\r", b"\n")
    if line_end == "CRLF":
        block = block.replace(b"\r\n", b" \n")
    return block.replace(b"\r", b" ")


def raw_line(stream: BinaryIO, offset: int, line_end: str) -> bytes:
    """The bytes of the line that starts there, without its line end."""
    stream.seek(offset)
    mark, found = LINE_ENDS[line_end], b""
    while chunk := stream.read(4096):
        found += chunk
        if (stop := found.find(mark)) >= 0:
            return found[:stop]
    return found
