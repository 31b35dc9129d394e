"""What the console shows on a database and a folder of files: `python -m tests.operate.looking EMAIL ADDRESS...`

Prints {address: [status, heading]} and what the connections sign in with: {"credentials": {connection: {...}}}.
"""

import json
import re
import sys

import django

if __name__ == "__main__":
    django.setup()
    from django.test import Client

    from apps.core.errors import Refused
    from apps.core.models import User
    from apps.integrations.credentials import open_sealed
    from apps.integrations.models import Connection

    email, *addresses = sys.argv[1:]
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.get(email=email), backend="django.contrib.auth.backends.ModelBackend")
    shown = {}
    for address in addresses:
        answer = client.get(address)
        body = answer.content.decode() if not answer.streaming else ""
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", body, re.DOTALL)
        words = re.sub(r"<[^>]+>", "", heading[1]) if heading else ""
        shown[address] = [answer.status_code, " ".join(words.split())]
    opened = {}
    for connection in Connection.objects.filter(credential__isnull=False):
        try:
            opened[connection.name] = open_sealed(connection)
        except Refused as refused:
            opened[connection.name] = refused.code
    print(json.dumps(shown | {"credentials": opened}))
