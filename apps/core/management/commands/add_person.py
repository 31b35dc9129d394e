from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.core.errors import Refused
from apps.core.models import Entity
from apps.core.operations import add_person, create_entity
from apps.core.permissions import Role


class Command(BaseCommand):
    help = "Give a person roles in a company. Makes the account, and the company, where they are missing."

    def add_arguments(self, parser) -> None:
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--name", default="", help="needed for a new account")
        parser.add_argument("--entity", required=True, help="the company's name")
        parser.add_argument("--role", required=True, nargs="+", choices=Role.values, action="extend", dest="roles")
        new = parser.add_argument_group("a new company")
        new.add_argument("--country", help="ISO 3166, e.g. GB")
        new.add_argument("--zone", help="decides the accounting month, e.g. Europe/London")
        new.add_argument("--currency", help="base currency, e.g. GBP")

    def handle(self, *, email: str, name: str, entity: str, roles: list[str], **options) -> None:
        try:
            with transaction.atomic():
                company = Entity.objects.filter(name=entity).first() or self._create(entity, options)
                added = add_person(email=email, name=name, entity=company, roles=[Role(role) for role in roles])
        except Refused as refusal:
            raise CommandError(refusal.words) from refusal
        held = ", ".join(Role(role).label for role in sorted(added.user.roles_in(company.pk)))
        self.stdout.write(f"{added.user.name} <{added.user.email}> at {company.name}: {held}")
        if added.password:
            self.stdout.write(f"Password, shown this once: {added.password}")

    def _create(self, name: str, options: dict) -> Entity:
        country, zone, currency = options["country"], options["zone"], options["currency"]
        if not (country and zone and currency):
            known = ", ".join(Entity.objects.values_list("name", flat=True)) or "none yet"
            raise Refused(
                f"There is no company “{name}” (there: {known}). To make it, add --country, --zone and --currency."
            )
        return create_entity(name=name, country=country, zone=zone, base_currency=currency)
