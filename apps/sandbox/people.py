"""Made-up buyers. Whatever could name one of them holds one of `MARKS`, so that a search finds it where it must not be."""

from dataclasses import dataclass
from random import Random

MARKS = ("quill", "01632 960", "ZZ9")

FIRST = (
    "Ottoline", "Barnaby", "Sunniva", "Casimir", "Philippa", "Leopold", "Marguerite", "Tobias", "Henrietta", "Anselm",
    "Rosalind", "Ignatius", "Wilhelmina", "Percival", "Clementine", "Matthias", "Beatrix", "Cornelius",
)  # fmt: skip
LAST = (
    "Marrowquill", "Fenquill", "Hartquill", "Aldquill", "Thornquill", "Wrenquill", "Ashquill", "Birkquill", "Dunquill",
    "Elmquill", "Grayquill", "Larkquill",
)  # fmt: skip
STREETS = {"GB": "Quillfen Lane", "DE": "Quillweg"}
TOWNS = {"GB": ("Great Quillbury", "Quillminster", "Nether Quill"), "DE": ("Quillheim", "Bad Quillstadt", "Quillau")}


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str
    company: str
    line: str
    town: str
    post_code: str
    country: str
    phone: str


def somebody(chance: Random, country: str) -> Person:
    name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    number = chance.randrange(1, 100)
    last = chance.randrange(1000)
    return Person(
        name=name,
        email=f"{chance.getrandbits(40):010x}.quill@marketplace.example",
        company=f"{name.split()[1]} Interiors" if chance.random() < 0.06 else "",
        line=f"{number} {STREETS[country]}" if country == "GB" else f"{STREETS[country]} {number}",
        town=chance.choice(TOWNS[country]),
        post_code=f"ZZ9 {last % 10}QU" if country == "GB" else f"ZZ9{last:03d}",
        country=country,
        phone=f"01632 960{last:03d}",
    )
