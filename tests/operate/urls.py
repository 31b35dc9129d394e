"""The console's addresses, and one that breaks."""

from django.urls import path

from apps.core.models import User
from opsconsole.urls import handler500
from opsconsole.urls import urlpatterns as console

__all__ = ["handler500", "urlpatterns"]


def broken(request):
    """Two people with one address: PostgreSQL quotes it in its message. The secret comes in from outside, as secrets do."""
    secret, address = request.headers["X-Secret"], f"{request.GET['q']}@example.com"
    User.objects.create(email=address, name="Buyer")
    User.objects.create(email=address, name=secret)


urlpatterns = [*console, path("broken/", broken, name="broken")]
