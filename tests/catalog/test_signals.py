"""What speaks for and against a listing being an item, sentence by sentence."""

from decimal import Decimal

import pytest

from apps.catalog.signals import Goods, Sibling, Sold, pack_of, stem, units_of, weigh

TRAY = Sold(
    sku="BF-OAKTRAY-40-UK2",
    title="Oak serving tray 40 cm, natural",
    ean="5060712340486",
    asin="B0BFOAK040",
    price=Decimal("27.99"),
    currency="GBP",
)


def said(sold: Sold, goods: Goods) -> tuple[list[str], list[str]]:
    signals = weigh(sold, goods)
    return [each.words for each in signals if each.weight > 0], [each.words for each in signals if each.weight < 0]


def worth(sold: Sold, goods: Goods) -> int:
    return sum(signal.weight for signal in weigh(sold, goods))


@pytest.mark.parametrize(
    ("title", "pack"),
    [
        ("Oak tray", 1),
        ("Mug 350 ml, set of 4", 4),
        ("Mug, Pack of 12", 12),
        ("Mug 6-pack", 6),
        ("Mug x4", 4),
        ("Mug 4x 350 ml", 4),
        ("Becher 4er-Set", 4),
        ("Linen pillowcase, pair, sage", 2),
        ("Set of 0", 1),
        ("Oak tray 40 cm", 1),
        ("", 1),
    ],
)
def test_words_say_how_many_one_is(title, pack):
    assert pack_of(title) == pack


@pytest.mark.parametrize(
    ("sku", "kept"),
    [
        ("BF-OAKTRAY-40-UK2", "BF-OAKTRAY-40"),
        ("bf_oaktray_40_de", "BF-OAKTRAY-40"),
        ("BF-TOWEL-FBM-UK", "BF-TOWEL"),
        ("UK", "UK"),
        ("0047120", "0047120"),
        ("---", "---"),
    ],
)
def test_a_stem_is_the_sku_without_where_it_is_sold(sku, kept):
    assert stem(sku) == kept


def test_the_right_item_has_all_for_it():
    goods = Goods(
        code="10482", title="Oak serving tray 40 cm", ean="5060712340486", price=Decimal("27.99"), currency="GBP",
        siblings=(Sibling(sku="BF-OAKTRAY-40-UK", orders=214),),
    )  # fmt: skip
    speaks_for, against = said(TRAY, goods)
    assert speaks_for == [
        "EAN 5060712340486 equal on listing and item",
        "BF-OAKTRAY-40-UK maps here, 214 orders",
        "5 of 6 title words equal",
        "Price £27.99 equals the list price",
        "Pack of 1 on both",
    ]
    assert against == []


def test_a_set_of_it_and_another_size_have_reasons_against():
    pair = Goods(
        code="10483", title="Oak serving tray 40 cm, set of 2", ean="5060712340493", price=Decimal("49.99"), currency="GBP"
    )  # fmt: skip
    _, against = said(TRAY, pair)
    assert against == [
        "EAN differs: 5060712340493, not 5060712340486",
        "Pack differs: 2, not 1",
        "List price £49.99, sold at £27.99",
    ]
    small = Goods(code="10480", title="Oak serving tray 30 cm")
    assert "Size differs: 30 cm, not 40 cm" in said(TRAY, small)[1]
    assert worth(TRAY, small) > worth(TRAY, pair)


def test_a_pack_of_single_items_says_how_many():
    sold = Sold(sku="BF-MUG-4", title="Stoneware mug 350 ml, set of 4", price=Decimal("39.96"), currency="GBP")
    goods = Goods(code="MUG", title="Stoneware mug 350 ml", price=Decimal("9.99"), currency="GBP")
    speaks_for, against = said(sold, goods)
    assert units_of(sold, goods) == 4
    assert against == ["The listing is a pack of 4: 4 of this item"]
    assert "Price £39.96 equals the list price for 4" in speaks_for


def test_an_asin_counts_and_so_does_a_listing_with_the_same_one():
    goods = Goods(code="1", title="", asin="B0BFOAK040", siblings=(Sibling(sku="OTHER", orders=1, same_asin=True),))
    assert said(TRAY, goods)[0] == [
        "ASIN B0BFOAK040 equal on listing and item",
        "OTHER with the same ASIN B0BFOAK040 maps here, 1 order",
    ]
    assert "ASIN differs: B0, not B0BFOAK040" in said(TRAY, Goods(code="1", title="", asin="B0"))[1]


def test_a_code_that_is_the_sku_without_its_ending_identifies():
    assert (
        "The SKU is the item's code BF-OAKTRAY-40, less its ending"
        in said(TRAY, Goods(code="BF-OAKTRAY-40", title=""))[0]
    )
    assert "Its code BF-OAKTRAY-42 is like the SKU" in said(TRAY, Goods(code="BF-OAKTRAY-42", title=""))[0]


def test_prices_of_two_currencies_are_not_compared():
    goods = Goods(code="1", title="", price=Decimal("27.99"), currency="EUR")
    assert said(TRAY, goods) == ([], [])


def test_zeros_before_an_ean_are_no_difference():
    assert said(Sold(sku="A", ean="0506071234048"), Goods(code="1", title="", ean="506071234048"))[0]
