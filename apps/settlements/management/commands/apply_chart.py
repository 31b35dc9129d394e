from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.permissions import APPLY_CHART
from apps.settlements import charts


class Command(BaseCommand):
    help = (
        "Apply a chart of accounts with its tax and mapping to a company, in the name of a person. What is there stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("chart", choices=charts.names())
        parser.add_argument("--entity", required=True, metavar="NAME", help="the company")
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="the person; needed where several may do it")

    def handle(self, *, chart: str, entity: str, email: str | None, **options) -> None:
        company = Entity.objects.filter(name=entity).first()
        if company is None:
            raise CommandError(f"There is no company {entity}. {_companies()}")
        try:
            applied = charts.apply_chart(chart=chart, entity=company, actor=_person(company, email))
        except Refused as refused:
            raise CommandError(refused.words) from refused
        self.stdout.write(applied.words)
        for words in applied.left_alone:
            self.stdout.write(f"Left alone: {words}")


def _person(company: Entity, email: str | None) -> User:
    able = User.objects.filter(is_active=True, memberships__entity=company, memberships__role__in=APPLY_CHART.roles)
    people = list(able.distinct().order_by("name"))
    if email:
        named = User.objects.filter(email__iexact=email, is_active=True).first()
        if named is None:
            raise Refused(f"There is no person {email}. {_list(people, company)}")
        return named
    if len(people) != 1:
        raise Refused(f"Say who does it, with --as EMAIL. {_list(people, company)}")
    return people[0]


def _list(people: list[User], company: Entity) -> str:
    if not people:
        return f"Nobody at {company.name} may {APPLY_CHART.does} yet."
    return f"At {company.name} these can: {', '.join(f'{person.name} <{person.email}>' for person in people)}."


def _companies() -> str:
    found = list(Entity.objects.all())
    return (
        f"The companies are: {', '.join(company.name for company in found)}."
        if found
        else "There are no companies yet."
    )
