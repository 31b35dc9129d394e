"""Changes above a company's limits, as programs read them: asked for by one person, for a second one to decide."""

from typing import Any

from rest_framework import serializers

from apps.api.fields import Named, Told
from apps.api.plans import PlanOut
from apps.work.models import Proposal

State = Proposal.State


class ShownOut(serializers.Serializer):
    """The preview that the asker saw, in words."""

    effect = serializers.CharField(read_only=True, help_text="In a few words, as the button says it")
    says = serializers.CharField(read_only=True, help_text="In a sentence")
    lines = serializers.IntegerField(read_only=True, help_text="How many lines it changes")
    money = serializers.CharField(read_only=True, help_text="How much money those are, in words")
    over = serializers.CharField(read_only=True, help_text="Why it takes a second person")


class ProposalOut(Told):
    """A change that one person asked for and another decides on. It is done when they approve it."""

    entity = Named(read_only=True)
    record = serializers.IntegerField(read_only=True, help_text="Id of what it changes, among its kind")
    shown = ShownOut(read_only=True)
    state = serializers.SerializerMethodField(help_text="Nobody decided in time: lapsed")
    asked_by = Named(read_only=True)
    decided_by = Named(read_only=True, allow_null=True)
    words = serializers.CharField(read_only=True, help_text="Why it was declined")

    class Meta:
        model = Proposal
        fields = [
            *("id", "entity", "kind", "record", "about", "action", "label", "shown", "state", "asked_by", "asked_at"),
            *("lapses_at", "decided_by", "decided_at", "words"),
        ]
        read_only_fields = fields

    def get_state(self, proposal: Proposal) -> serializers.ChoiceField(State.choices):
        return State.LAPSED if proposal.state == State.WAITING and not proposal.is_waiting else proposal.state


class DifferenceOut(serializers.Serializer):
    """Something that is not as the asker saw it."""

    what = serializers.CharField(read_only=True)
    then = serializers.CharField(read_only=True)
    now = serializers.CharField(read_only=True)


class ReviewOut(serializers.Serializer):
    """A change that waits, as it would be done now."""

    plan = PlanOut(read_only=True, allow_null=True, help_text="What it would do; null where it cannot be done any more")
    fault = serializers.CharField(read_only=True, help_text="Why it cannot be done any more; empty where it can")
    changed = serializers.BooleanField(read_only=True, help_text="Whether it would do something else than the asker saw")
    differs = serializers.SerializerMethodField(help_text="What is not as the asker saw it")

    def get_differs(self, review: Any) -> DifferenceOut(many=True):
        return [dict(zip(("what", "then", "now"), each, strict=True)) for each in review.differs]
