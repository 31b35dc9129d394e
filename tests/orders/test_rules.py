"""Where an order goes, for every kind of order there can be."""

from hypothesis import given
from hypothesis import strategies as st

from apps.orders.models import Hold, Route, Status
from apps.orders.rules import decide

channels = st.sampled_from(["", "AFN", "MFN"])
statuses = st.sampled_from(Status.values)
routes = st.sampled_from(["", *Route.values])
orders = st.fixed_dictionaries(
    {
        "on_amazon": st.booleans(),
        "channel": channels,
        "status": statuses,
        "unmapped": st.booleans(),
        "wanted": st.booleans(),
        "was": routes,
        "sent": st.booleans(),
    }
)
PLAIN = {"on_amazon": True, "channel": "MFN", "status": "UNSHIPPED", "unmapped": False}


@given(orders)
def test_it_knows_each_kind_and_holds_exactly_what_is_held(order):
    now = decide(**order)
    assert now.route in Route.values
    assert set(now.holds) <= set(Hold.values)
    assert (now.route == Route.HELD) == bool(now.holds)


@given(orders)
def test_only_an_order_that_we_ship_goes_to_a_warehouse(order):
    if decide(**order).route == Route.SHIP:
        assert order["channel"] == "MFN" and order["on_amazon"]


@given(orders)
def test_an_order_of_amazons_own_centres_is_recorded_at_most(order):
    if order["channel"] == "AFN":
        assert decide(**order).route != Route.SHIP


@given(orders)
def test_deciding_again_changes_nothing(order):
    now = decide(**order)
    assert decide(**order | {"was": now.route}) == now


@given(orders)
def test_what_is_unmapped_matters_to_nothing_that_was_released(order):
    own = {"MFN": Route.SHIP, "AFN": Route.RECORD}.get(order["channel"])
    if order["was"] == own:
        assert decide(**order) == decide(**order | {"unmapped": not order["unmapped"]})


def test_we_ship_what_is_unshipped():
    assert decide(**PLAIN).route == Route.SHIP
    assert decide(**PLAIN | {"status": "PARTIALLY_SHIPPED"}).route == Route.SHIP


def test_amazon_ships_its_own_whatever_its_state():
    for status in ("UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"):
        assert decide(**PLAIN | {"channel": "AFN", "status": status}).route == Route.RECORD


def test_an_unpaid_order_waits_and_a_cancelled_one_ends():
    assert decide(**PLAIN | {"status": "PENDING", "unmapped": True}).route == Route.PENDING
    assert decide(**PLAIN | {"status": "PENDING_AVAILABILITY"}).route == Route.PENDING
    assert decide(**PLAIN | {"status": "CANCELLED"}).route == Route.ENDED


def test_a_cancellation_after_it_was_sent_calls_nothing_back():
    assert decide(**PLAIN | {"status": "CANCELLED", "was": "ship", "sent": True}).route == Route.SHIP
    assert decide(**PLAIN | {"status": "CANCELLED", "was": "ship"}).route == Route.ENDED


def test_both_holds_are_named():
    assert decide(**PLAIN | {"unmapped": True}).holds == (Hold.SKU,)
    assert decide(**PLAIN | {"channel": "", "unmapped": True}).holds == (Hold.CHANNEL, Hold.SKU)


def test_multi_channel_fulfilment_is_no_sale():
    assert decide(**PLAIN | {"on_amazon": False, "channel": "AFN", "unmapped": True}).route == Route.NO_SALE


def test_what_we_shipped_before_it_came_here_is_done():
    assert decide(**PLAIN | {"status": "SHIPPED"}).route == Route.DONE
    assert decide(**PLAIN | {"wanted": False}).route == Route.DONE
