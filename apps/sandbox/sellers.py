"""Sellers v1: getMarketplaceParticipations."""

from datetime import datetime

from apps.sandbox.catalogue import MARKETS
from apps.sandbox.wire import Answer, Request, as_json
from apps.sandbox.world import STORE


def participations(request: Request, now: datetime) -> Answer:
    return as_json(
        {
            "payload": [
                {
                    "marketplace": {
                        "id": market.id,
                        "name": market.name,
                        "countryCode": market.country,
                        "defaultCurrencyCode": market.currency,
                        "defaultLanguageCode": market.language,
                        "domainName": market.domain,
                    },
                    "participation": {"isParticipating": True, "hasSuspendedListings": False},
                    "storeName": STORE,
                }
                for market in MARKETS
            ]
        }
    )
