"""The one error that people read."""


class Refused(Exception):
    """The request cannot be done, in words for the person who asked. Nothing was changed.

    `field` names the form field the words belong to, if there is one; `code` is a stable name for programs.
    """

    def __init__(self, words: str, *, field: str = "", code: str = "refused"):
        super().__init__(words)
        self.words = words
        self.field = field
        self.code = code


class NotAllowed(Refused):
    """The person's roles do not include this. The words say who can (mock/DESIGN.md section 8)."""

    def __init__(self, words: str):
        super().__init__(words, code="not-allowed")
