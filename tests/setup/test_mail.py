import pytest

from opsconsole.mail import mail_settings


def test_without_an_address_nothing_is_sent_and_nothing_is_logged():
    assert mail_settings("") == {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp://mail.example", 25, False, False),
        ("smtp+tls://mail.example", 587, True, False),
        ("smtps://mail.example", 465, False, True),
        ("smtps://mail.example:2465", 2465, False, True),
    ],
)
def test_the_scheme_says_how_it_is_sealed(url, port, tls, ssl):
    found = mail_settings(url)
    assert (found["EMAIL_PORT"], found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (port, tls, ssl)


def test_a_password_may_hold_any_sign():
    found = mail_settings("smtp+tls://ops%40brand.example:p%2Fw%3A%40@mail.example")
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("ops@brand.example", "p/w:@")
    assert found["EMAIL_HOST"] == "mail.example"


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://"])
def test_another_address_stops_the_start(url):
    with pytest.raises(ValueError, match="EMAIL_URL begins with"):
        mail_settings(url)


def test_the_demos_mails_are_written_to_a_folder():
    found = mail_settings("file:///tmp/mail")
    assert (found["EMAIL_BACKEND"].rsplit(".", 2)[1], found["EMAIL_FILE_PATH"]) == ("filebased", "/tmp/mail")
