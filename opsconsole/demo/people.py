"""The demo's companies and people: all made up."""

from dataclasses import dataclass

from apps.core.permissions import Role

DOMAIN = "@brackenfold.example"
PASSWORD = "brackenfold"


@dataclass(frozen=True, kw_only=True)
class Company:
    """`chart` is the one that finance applies."""

    name: str
    country: str
    zone: str
    currency: str
    chart: str


@dataclass(frozen=True, kw_only=True)
class Person:
    """`knows` says on the terminal what the login is for."""

    name: str
    role: Role
    knows: str
    companies: tuple[Company, ...]

    @property
    def email(self) -> str:
        return self.name.split()[0].lower() + DOMAIN


BRACKENFOLD = Company(name="Brackenfold Home Ltd", country="GB", zone="Europe/London", currency="GBP", chart="uk")
LINDWICK = Company(name="Lindwick Kerzen GmbH", country="DE", zone="Europe/Berlin", currency="EUR", chart="de")
COMPANIES = (BRACKENFOLD, LINDWICK)

PRIYA = Person(name="Priya Nair", role=Role.FINANCE, knows="finance, who maps", companies=(BRACKENFOLD,))
MARTA = Person(name="Marta Lis", role=Role.FINANCE, knows="finance, who approves; both companies", companies=COMPANIES)
TOM = Person(name="Tom Ashworth", role=Role.ECOMMERCE, knows="ecommerce", companies=(BRACKENFOLD,))
KOFI = Person(name="Kofi Mensah", role=Role.OPS, knows="operations of both companies", companies=COMPANIES)
NADIA = Person(
    name="Nadia Okafor", role=Role.OPS, knows="operations, the night before Kofi; both companies", companies=COMPANIES
)
IAN = Person(name="Ian Grove", role=Role.ADMIN, knows="admin of both companies", companies=COMPANIES)
ELIN = Person(name="Elin Berg", role=Role.VIEWER, knows="viewer", companies=(BRACKENFOLD,))
PEOPLE = (PRIYA, MARTA, TOM, KOFI, NADIA, IAN, ELIN)


def logins() -> str:
    """For the terminal."""
    rows = [f"  {person.name:<14}{person.email:<30}{person.knows}" for person in PEOPLE]
    return "\n".join([f"Sign in as any of these, password {PASSWORD}:", *rows])
