"""The page at / in a real browser: Playwright drives a Chromium that the system has."""

import json
import shutil
from collections.abc import Iterator

import pytest
from running_server import Running, get, running, small_writer

sync_api = pytest.importorskip("playwright.sync_api", reason="needs pip install playwright")
CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on the PATH")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(small_writer()) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "sync_api.Browser", server: Running) -> Iterator["sync_api.Page"]:
    """The page, loaded; the test fails if any script of it did."""
    page = browser.new_page(viewport={"width": 400, "height": 700})
    page.set_default_timeout(10_000)
    failures = []
    page.on("pageerror", lambda failure: failures.append(failure))
    page.goto(server.url)
    yield page
    page.close()
    assert failures == []


def write(page: "sync_api.Page", prompt: str, **settings: object) -> None:
    page.locator("details").evaluate("details => { details.open = true; }")
    for name, value in settings.items():
        page.fill(f"[name={name}]", str(value))
    page.fill("#prompt", prompt)
    page.click("#write")


def test_the_page_names_the_model_and_asks_nobody_else(page, server: Running) -> None:
    sync_api.expect(page.locator("#model")).to_have_text("noise, contexts of up to 3,000 tokens")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    sync_api.expect(page).to_have_title("noise – qwen_pl")
    assert asked and all(url.startswith((server.url, "data:")) for url in asked)


def test_a_prompt_gets_the_text_that_the_client_gets(page, server: Running) -> None:
    settings = {"max_tokens": 30, "seed": 5, "temperature": 0.9, "repetition_penalty": 1.2}
    write(page, "Bane tol", **settings)
    sync_api.expect(page.locator("#status")).to_contain_text("30 tokens in")
    fields = {"top_k": 50, "top_p": 0.95, "echo": True}
    text = server.post(prompt="Bane tol", **settings, **fields).json()["choices"][0]["text"]
    assert page.locator("#text").text_content() == text

    page.click("#go-on")
    sync_api.expect(page.locator("#prompt")).to_have_value(text)
    sync_api.expect(page.locator("#given")).to_have_text(text, use_inner_text=False)
    sync_api.expect(page.locator("#status")).to_contain_text("30 tokens in")


def test_a_text_is_stopped_by_its_button_and_by_a_key(page, server: Running) -> None:
    for stop in (lambda: page.click("#stop"), lambda: page.keyboard.press("Escape")):
        write(page, "Bane", max_tokens=2900)
        sync_api.expect(page.locator("#written")).not_to_be_empty()
        stop()
        sync_api.expect(page.locator("#status")).to_have_text("stopped")
        sync_api.expect(page.locator("#write")).to_be_visible()
    page.fill("[name=max_tokens]", "3")
    page.focus("#prompt")
    page.keyboard.press("Control+Enter")
    sync_api.expect(page.locator("#status")).to_contain_text("3 tokens in")


def test_stop_strings_may_hold_line_breaks(page) -> None:
    bodies = []
    page.on("request", lambda request: bodies.append(request.post_data_json))
    write(page, "Bane", stop="End\n\n\\n\\n", max_tokens=4)
    sync_api.expect(page.locator("#status")).to_contain_text("tokens in")
    assert bodies[0]["stop"] == ["End", "\n\n"]


def test_an_error_is_told_and_costs_no_text(page) -> None:
    write(page, "Bane", max_tokens=4)
    sync_api.expect(page.locator("#status")).to_contain_text("4 tokens in")
    text = page.locator("#text").text_content()
    for temperature, words in (("3", "temperature is 3"), ("-", "Temperature is not a number")):
        page.fill("[name=temperature]", "")
        page.type("[name=temperature]", temperature)
        page.click("#write")
        sync_api.expect(page.locator("#error")).to_contain_text(words)
    assert page.locator("#text").text_content() == text
    page.fill("[name=temperature]", "1")
    page.click("#write")
    sync_api.expect(page.locator("#error")).to_be_hidden()


def test_what_the_model_writes_never_becomes_html(page) -> None:
    hostile = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
    event = {"choices": [{"index": 0, "text": hostile, "finish_reason": "stop"}]}
    body = f"data: {json.dumps(event)}\n\n"
    page.route("**/completions", lambda route: route.fulfill(body=body))
    write(page, hostile)
    sync_api.expect(page.locator("#written")).to_have_text(hostile)
    assert page.locator("#text img, #text script").count() == 0
    assert page.title() == "noise – qwen_pl"


def test_the_page_fits_a_phone(page) -> None:
    write(page, "word" * 200, max_tokens=40)
    sync_api.expect(page.locator("#status")).to_contain_text("tokens in")
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_the_page_asks_for_the_key_of_a_server_that_has_one(browser) -> None:
    with running(small_writer(), api_key="secret-7") as server:
        page = browser.new_page()
        page.goto(server.url)
        sync_api.expect(page.locator("#error")).to_contain_text("the API key is missing")
        page.fill("#key", "secret-7")
        page.keyboard.press("Tab")
        sync_api.expect(page.locator("#model")).to_contain_text("noise")
        write(page, "Bane", max_tokens=3)
        sync_api.expect(page.locator("#status")).to_contain_text("3 tokens in")
        page.close()


def test_a_page_from_elsewhere_gets_nothing(browser, server: Running) -> None:
    with running(small_writer()) as elsewhere:
        page = browser.new_page()
        page.goto(f"{elsewhere.url}/health")
        answer = page.evaluate(
            """url => fetch(url, {method: "POST", body: '{"prompt": "Bane"}', mode: "no-cors"})
               .then(answer => answer.text()).catch(error => "refused")""",
            f"{server.url}/v1/completions",
        )
        page.close()
    assert answer in ("", "refused")


def test_the_page_lets_no_other_script_in(server: Running) -> None:
    policy = get(server.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
