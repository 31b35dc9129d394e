# Web, workers and beat are one image; compose.yaml says which is which.
FROM python:3.11-slim AS packages
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --requirement requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app console && install --directory --owner console --mode 0700 /data /backups
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py gunicorn.conf.py ./
COPY opsconsole opsconsole
COPY apps apps
COPY templates templates
COPY static static
COPY fixtures fixtures
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OPSCONSOLE_DATA=/data FILES_ROOT=/data/files
USER console
VOLUME /data /backups
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "opsconsole.wsgi", "--bind=0.0.0.0:8000"]
