"""What the case of a file that does not tie points at."""

import pytest

from apps.exceptions.models import Case
from apps.settlements.residual import suspects
from tests.factories import ConnectionFactory
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)
FEE = line("-15.00", amount_type="ItemFees", amount_description="FixedClosingFee")


@pytest.mark.parametrize(
    ("lines", "total", "found"),
    [
        ((*SALE, SALE[1]), "105.00", [(6, "Stands twice. Without it the file adds up."), (4, "Without it the file adds up.")]),
        ((*SALE, line("7.77")), "105.00", [(6, "Without it the file adds up.")]),
        ((*SALE, line("15.00", sku="B")), "90.00", [(6, "With the other sign the file adds up.")]),
        ((*SALE, FEE), "93.21", []),
    ],
)
def test_single_lines_that_explain_the_difference(lines, total, found):
    take(ConnectionFactory(), File(lines=lines, total=total))
    case = Case.objects.get(type="settlement.does-not-tie")
    assert [(suspect.line, suspect.words) for suspect in suspects(case)] == found
