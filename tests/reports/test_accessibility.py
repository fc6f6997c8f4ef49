"""Pages in a real browser: axe finds nothing, nothing is fetched, a phone and a printer do."""

import pytest

from qtops.reports.exit_proof import exit_proof_html
from qtops.reports.saved import Origin, saved_html
from tests.reports.browser import CHROMIUM, chromium
from tests.reports.documents import ALL
from tests.reports.samples import proven

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
ORIGIN = Origin("saved.json", "ab" * 32)
PHONE = 360


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(params=[*ALL, "exit proof"])
def page(request, tmp_path):
    is_proof = request.param == "exit proof"
    text = exit_proof_html(proven()) if is_proof else saved_html(ALL[request.param], ORIGIN)
    path = tmp_path / "page.html"
    path.write_text(text)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, page, scheme):
    browser.open(page, scheme)
    assert browser.violations() == []


def test_nothing_is_fetched_a_phone_shows_it_and_it_prints(browser, page):
    browser.open(page, "light", width=PHONE)
    assert browser.requests == [page.as_uri()]
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.pdf().startswith(b"%PDF-")


def test_dark_is_dark(browser, page):
    def ground():
        return browser.run("getComputedStyle(document.body).backgroundColor")

    browser.open(page, "light")
    bright = ground()
    browser.open(page, "dark")
    assert (bright, ground()) == ("rgb(250, 250, 248)", "rgb(18, 20, 23)")


def test_axe_sees_a_fault(browser, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<html><title>t</title><main><h1>x</h1><img src=''></main></html>")
    browser.open(path, "light")
    assert any(found.startswith("image-alt") for found in browser.violations())
