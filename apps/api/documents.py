"""The OpenAPI document."""

from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView


class Document(SpectacularAPIView):
    schema = None
    renderer_classes = [OpenApiJsonRenderer2]
