"""Routines: what a team looks at by the clock; its days with who signed, what there is now, signing just that."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from apps.api.acting import Acting
from apps.api.errors import NOTHING_HERE
from apps.api.fields import Named
from apps.api.resources import Resource
from apps.core.models import Entity, User
from apps.core.permissions import Team
from apps.work.deeds import Deed
from apps.work.routine_deeds import PEAK, Subject, deeds_of
from apps.work.routines import ROUTINES, Day, decided, due, next_due
from apps.work.routines import days as last_days

DAYS_TOLD = 28


class RoutineOut(serializers.Serializer):
    """A routine of a company. Its id is the company's and its name."""

    id = serializers.CharField(source="key")
    entity = Named()
    name = serializers.CharField()
    title = serializers.CharField(source="routine.title")
    team = serializers.ChoiceField(Team.choices, source="routine.team")
    every = serializers.CharField(source="routine.every", help_text="How often it is signed")


class EntryOut(serializers.Serializer):
    """One thing to look at."""

    subject = serializers.CharField(help_text="As the audit trail names it: order:12")
    label = serializers.CharField(help_text="What it is, for people")
    kind = serializers.CharField()
    why = serializers.CharField(help_text="Why it is here")
    amount = serializers.CharField(allow_blank=True, help_text="In words, with its currency")
    due_at = serializers.DateTimeField(allow_null=True)
    late = serializers.BooleanField(help_text="Whether it is past its deadline")
    case = serializers.IntegerField(allow_null=True, help_text="Id of the case that it waits on")
    held_by = serializers.CharField(allow_blank=True, help_text="Who is on it")


@extend_schema_field({"type": "string", "pattern": r"^\d{2}:\d{2}$"})
class Hour(serializers.TimeField):
    def __init__(self, **said: Any):
        super().__init__(format="%H:%M", **said)


class SlotOut(serializers.Serializer):
    """One signature that a day asks for."""

    day = serializers.DateField()
    number = serializers.IntegerField(help_text="1, or on a peak day also 2")
    hour = Hour(source="at", help_text="When it begins, in the company's zone")
    missed = serializers.BooleanField()
    due = serializers.BooleanField(help_text="Whether it can be signed now")
    signed_by = Named(source="signed.signed_by", default=None, allow_null=True)
    signed_at = serializers.DateTimeField(source="signed.signed_at", default=None, allow_null=True)
    seen = serializers.SerializerMethodField(help_text="How many things were there; null where it is not signed")
    note = serializers.CharField(source="signed.note", default="", allow_blank=True)

    def get_seen(self, slot: Any) -> serializers.IntegerField(allow_null=True):
        return slot.signed and len(slot.signed.seen)


class DecidedOut(serializers.Serializer):
    label = serializers.CharField()
    words = serializers.CharField(help_text="What became of it since the last signature")


class RoutineDetail(RoutineOut):
    """A routine with its last four weeks and what a signature would say now."""

    heading = serializers.CharField(help_text="What there is now, as a sentence")
    entries = EntryOut(many=True, help_text="What there is now, the most urgent first")
    decided = DecidedOut(many=True, help_text="What the last signature left and what became of it")
    due = SlotOut(allow_null=True, help_text="What can be signed now; null where nothing is asked for")
    next_due = serializers.CharField(help_text="When the next signature is asked for, in words")
    days = serializers.SerializerMethodField(help_text="The signatures that the last four weeks asked for, the oldest first")

    def to_representation(self, subject: Subject) -> dict:
        routine, entity = subject.routine, subject.entity
        subject.entries = list(routine.gather(entity, subject.now))
        subject.heading = routine.heading(subject.entries)
        subject.decided = decided(routine, entity, subject.entries)
        subject.due = due(routine, entity, subject.now)
        subject.next_due = next_due(routine, entity, subject.now)
        return super().to_representation(subject)

    def get_days(self, subject: Subject) -> SlotOut(many=True):
        found: list[Day] = last_days(subject.routine, subject.entity, subject.now, DAYS_TOLD)
        return SlotOut([slot for day in found for slot in day.slots], many=True).data


class Routines(Acting, Resource):
    says = {
        "list": "What is looked at by the clock in your companies.",
        "retrieve": "One routine: what there is now, and its last four weeks with who signed.",
    }
    serializer_class = RoutineOut
    detail_class = RoutineDetail
    order = ("entity_id", "name")
    lookup_value_regex = r"\d{1,18}-[a-z-]{1,60}"
    id_type = str

    def visible(self, user: User) -> list[Subject]:
        now = timezone.now()
        return [
            Subject(entity, routine, now)
            for entity in Entity.objects.visible_to(user)
            for routine in ROUTINES.values()
            if user.may(routine.reads, entity.pk)
        ]

    def within(self, subjects: list[Subject], entity_id: int) -> list[Subject]:
        return [subject for subject in subjects if subject.entity_id == entity_id]

    def get_object(self) -> Subject:
        found = next((each for each in self.get_queryset() if each.key == self.kwargs["pk"]), None)
        if found is None:
            raise NotFound(NOTHING_HERE)
        return found

    def offered(self, subject: Subject) -> list[Deed]:
        deeds = deeds_of(subject.routine)
        signable = due(subject.routine, subject.entity, subject.now) is not None
        return [deed for name, deed in deeds.items() if signable or name == PEAK.name]

    def named(self, subject: Subject, name: str) -> Deed | None:
        return deeds_of(subject.routine).get(name)
