"""Apply a chart of accounts that ships with opsconsole, after seeing what it adds."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import door, render_screen
from apps.core.models import Entity, User
from apps.core.permissions import APPLY_CHART
from apps.settlements import charts as shipped


class ChartForm(forms.Form):
    entity = forms.ModelChoiceField(Entity.objects.none(), label="Company", empty_label=None)
    chart = forms.ChoiceField(label="Chart")

    def __init__(self, *args: Any, person: User, **kwargs: Any):
        super().__init__(*args, **kwargs)
        companies = Entity.objects.filter(pk__in=person.entities_where(APPLY_CHART))
        first = companies.first()
        self.fields["entity"].queryset = companies
        self.fields["entity"].initial = first
        self.fields["chart"].choices = [(name, TITLES.get(name, name)) for name in shipped.names()]
        self.fields["chart"].initial = CHART_OF.get(first.country if first else "", "uk")


TITLES = {"uk": "United Kingdom, with VAT", "de": "Germany, with Umsatzsteuer", "us": "United States"}
CHART_OF = {"GB": "uk", "DE": "de", "US": "us"}


@door(APPLY_CHART, methods=["GET", "POST"])
def charts(request: HttpRequest) -> HttpResponse:
    """A GET with a chart and a company shows what would be added; a POST adds it."""
    asked = request.POST if request.method == "POST" else request.GET
    form = ChartForm(asked if "chart" in asked else None, person=request.user)
    if form.is_bound and form.is_valid():
        chosen = {"chart": form.cleaned_data["chart"], "entity": form.cleaned_data["entity"], "actor": request.user}
        if request.method == "POST":
            applied = shipped.apply_chart(**chosen)
            messages.success(request, applied.words)
            return redirect("mapping")
        return render_screen(request, "charts.html", {"form": form, "plan": shipped.preview(**chosen)}, partial="plan")
    status = UNPROCESSABLE if form.is_bound else 200
    return render_screen(request, "charts.html", {"form": form, "plan": None}, partial="plan", status=status)
