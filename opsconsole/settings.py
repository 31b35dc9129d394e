"""One set of settings: what runs in the demo is what runs in production. Only the environment differs.

DATABASE_URL (the application's role), DATABASE_OWNER_URL (migrates) and REDIS_URL point at servers; without them the
embedded ones are found or started. DJANGO_SECRET_KEY, DJANGO_ALLOWED_HOSTS, OPSCONSOLE_CREDENTIAL_KEYS, METRICS_TOKEN,
LOG_FORMAT and SENTRY_DSN are for a deployment.
"""

import os
from datetime import timedelta
from secrets import token_urlsafe

import dj_database_url
from cryptography.fernet import Fernet
from csp.constants import NONE, SELF

from opsconsole import embedded
from opsconsole.mail import mail_settings
from opsconsole.operate import logs


def broker_url(redis_url: str) -> str:
    """kombu's words for redis-py's unix:///path?db=0; other URLs mean the same to both."""
    return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")


BASE_DIR = embedded.PROJECT
DATA = embedded.made_data_folder()
DEMO = os.environ.get("OPSCONSOLE_DEMO") == "1"
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
# The stand-in for Amazon, which `make run` starts beside the web server.
SANDBOX_URL = os.environ.get("OPSCONSOLE_SANDBOX_URL") or f"http://127.0.0.1:{int(os.environ.get('WEB_PORT') or 8000) + 1}"
if not DEMO:
    SANDBOX_URL = ""
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or embedded.secret_file(DATA / "secret-key", lambda: token_urlsafe(50))
CREDENTIAL_KEYS = (  # apps.integrations.credentials
    os.environ.get("OPSCONSOLE_CREDENTIAL_KEYS")
    or embedded.secret_file(DATA / "credential-key", lambda: Fernet.generate_key().decode())
).split(",")

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
# The demo's logins are printed on the terminal, so the demo answers to this machine alone.
ALLOWED_HOSTS = LOOPBACK if DEMO else os.environ.get("DJANGO_ALLOWED_HOSTS", "").split(",")
if ALLOWED_HOSTS == [""]:
    ALLOWED_HOSTS = LOOPBACK
PUBLIC = ALLOWED_HOSTS != LOOPBACK

INSTALLED_APPS = [
    "opsconsole",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "django_celery_beat",
    "import_export",
    "csp",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "apps.core",
    "apps.exceptions",
    "apps.integrations",
    "apps.work",
    "apps.platforms",
    "apps.catalog",
    "apps.orders",
    "apps.inventory",
    "apps.ledger",
    "apps.settlements",
    "apps.imports",
    "apps.console",
    "apps.api",
]

MIDDLEWARE = [
    "opsconsole.operate.probes.Probes",
    "opsconsole.operate.requests.Requests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.console.middleware.RefusalsInWords",
    "apps.console.middleware.SignInsNoted",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "opsconsole.urls"
WSGI_APPLICATION = "opsconsole.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,  # template_partials wraps the loaders by itself
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Databases: the same one twice. "default" is the application's role, which owns nothing; "owner" migrates.
OWNER = "owner"
URLS = embedded.urls(os.environ)
DATABASES = {"default": dj_database_url.parse(URLS["DATABASE_URL"], conn_max_age=60, conn_health_checks=True)}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)  # seconds; libpq would wait for minutes
if "DATABASE_OWNER_URL" in URLS:
    DATABASES[OWNER] = dj_database_url.parse(URLS["DATABASE_OWNER_URL"])
    DATABASES["default"]["TEST"] = {"MIRROR": OWNER}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: who is locked out is not asked for the password
    "django.contrib.auth.backends.ModelBackend",
    *(["opsconsole.demo.login.DemoLogin"] if DEMO else []),  # elsewhere the demo's people cannot sign in
]
CSRF_FAILURE_VIEW = "apps.console.denials.forged"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
AUTH_PASSWORD_VALIDATORS = [  # in words: apps.core.passwords.RULES
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": ("name", "email")}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
    )
]
PASSWORD_RESET_TIMEOUT = 3 * 86_400  # seconds that a link to set one holds
SESSION_COOKIE_AGE = 14 * 86_400  # seconds after the last use
# How many proxies of ours stand before the web server: as many addresses in X-Forwarded-For can be believed, from the right.
PROXIES = int(os.environ.get("OPSCONSOLE_PROXIES") or 0)

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # the page says until when
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "apps.core.lockouts.username"
AXES_CLIENT_IP_CALLABLE = "apps.core.lockouts.address"
AXES_LOCKOUT_CALLABLE = "apps.console.login.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # apps.core.sign_ins keeps its own
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

# Mail leaves only where EMAIL_URL says by which server; pages that would send some say so where it is unset.
EMAIL_URL = os.environ.get("EMAIL_URL") or (f"file://{DATA / 'mail'}" if DEMO else "")
MAIL_SENT = bool(EMAIL_URL)
vars().update(mail_settings(EMAIL_URL))
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", "opsconsole@localhost")
# What links in mails begin with.
CONSOLE_URL = os.environ.get("OPSCONSOLE_URL") or (
    f"https://{ALLOWED_HOSTS[0]}" if PUBLIC else f"http://127.0.0.1:{int(os.environ.get('WEB_PORT') or 8000)}"
)

# Alerts to chat tools go to public addresses by HTTPS; inside a private network only where this allows it.
WEBHOOKS_TO_PRIVATE = os.environ.get("OPSCONSOLE_WEBHOOKS_TO_PRIVATE", "1" if DEMO or DEBUG else "0") == "1"

# Files are kept as they came, with their hash, before anything reads them.
MEDIA_ROOT = os.environ.get("FILES_ROOT") or DATA / "files"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collecting step

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = PUBLIC
SECURE_HSTS_SECONDS = 31_536_000 if PUBLIC else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PUBLIC
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # to be preloaded is a promise for a whole domain, which is not ours to make
# No SECURE_PROXY_SSL_HEADER: gunicorn believes X-Forwarded-Proto, and only of the proxies in FORWARDED_ALLOW_IPS.

LOG_FORMAT = os.environ.get("LOG_FORMAT") or ("json" if PUBLIC else "plain")
if LOG_FORMAT not in logs.FORMATS:
    raise embedded.ServerError(f"LOG_FORMAT is {LOG_FORMAT}. Expected {' or '.join(logs.FORMATS)}.")
LOGGING = logs.config(LOG_FORMAT)
METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")
SENTRY_DSN = os.environ.get("SENTRY_DSN", "")

# The work is rows with leases, so a message only says "look": it is acknowledged late and may come twice.
REDIS_URL = URLS["REDIS_URL"]
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "opsconsole",
    }
}
CELERY_BROKER_URL = broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # beat re-queues the row when its lease ends; twice would be one too many
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "sweep"
CELERY_BEAT_SCHEDULE = {
    name: {"task": task, "schedule": seconds, "options": {"expires": seconds}}  # a late tick is a useless one
    for name, task, seconds in (
        ("requeue-expired", "apps.integrations.tasks.requeue_expired", 5.0),
        ("wake-cases", "apps.exceptions.tasks.wake_cases", 60.0),
        ("tell-all", "apps.work.tasks.tell_all", 60.0),
        ("sweep-all", "apps.exceptions.tasks.sweep_all", 600.0),
        ("add-feeds", "apps.integrations.tasks.add_feeds", 300.0),
        ("prune-snapshots", "apps.inventory.tasks.prune_snapshots", 3600.0),
        ("keep-stakes", "apps.work.tasks.keep_all_stakes", 3600.0),
        ("purge", "apps.core.tasks.purge", 86_400.0),
    )
}

# REST, for programs: /api/v1/docs/ says how it is used.
API_PER_MINUTE = {"read": 600, "write": 120}  # requests of one person with all their programs
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.api.authentication.Door"],
    "DEFAULT_THROTTLE_CLASSES": ["apps.api.throttles.PerPerson"],
    "DEFAULT_PARSER_CLASSES": ["apps.api.parsing.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "apps.api.paging.Keyset",
    "DEFAULT_SCHEMA_CLASS": "apps.api.schema.Described",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "apps.api.errors.answer",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "opsconsole",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["apps.api.authentication.Door"],
    "POSTPROCESSING_HOOKS": ["apps.api.schema.finished"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
