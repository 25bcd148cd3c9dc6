#!/usr/bin/env python3
"""The page of the user service in headless Chromium.

SCREENSHOTS=directory keeps pictures of what was seen.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from browser import PROGRAM, Browser  # noqa: E402
from service import Service, main  # noqa: E402

BARS = """(() => {
    const modes = {};
    for (const mode of ["sequential", "concurrent"]) {
        modes[mode] = { top: document.getElementById(mode).getBoundingClientRect().top };
        for (const bar of document.querySelectorAll(`#${mode} .bar`)) {
            const track = bar.parentNode.getBoundingClientRect();
            modes[mode][bar.classList.contains("user") ? "user" : "posts"] = {
                start: Number(bar.dataset.start), dur: Number(bar.dataset.dur),
                left: bar.offsetLeft / track.width, width: bar.offsetWidth / track.width,
            };
        }
    }
    return modes;
})()"""


def picture(browser, name):
    directory = os.environ.get("SCREENSHOTS")
    if directory:
        browser.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))"
                         ".then(() => 1)")
        browser.screenshot(os.path.join(directory, name + ".png"))


def ask(browser, id):
    """As a person does: into the field, all of it, the id, the button."""
    browser.click("#id")
    browser.evaluate("document.getElementById('id').select()")
    browser.type(id)
    browser.click("#fetch")
    browser.until("!document.getElementById('fetch').disabled")


def end_of(mode):
    return max(mode[name]["start"] + mode[name]["dur"] for name in ("user", "posts"))


def visible(browser, id):
    return browser.evaluate(f"document.getElementById({id!r}).checkVisibility()")


def text(browser, id):
    return browser.evaluate(f"document.getElementById({id!r}).innerText")


def test_user_posts_and_waterfall():
    with Service("--latency", "user=200ms,posts=160ms") as service, Browser() as browser:
        browser.open(f"http://127.0.0.1:{service.port}/")
        assert not visible(browser, "waterfall") and not visible(browser, "result")
        for _ in range(5):  # a busy machine may stretch any one of them
            ask(browser, "7")
            bars = browser.evaluate(BARS)
            if end_of(bars["concurrent"]) < 0.8 * end_of(bars["sequential"]):
                break

        expected = service.get("/users/7").json
        assert text(browser, "name") == expected["user"]["name"]
        assert expected["user"]["email"] in text(browser, "email")
        titles = browser.evaluate("[...document.querySelectorAll('#posts strong')]"
                                  ".map((title) => title.textContent)")
        assert titles == [post["title"] for post in expected["posts"]] and len(titles) == 10

        apart, at_once = bars["sequential"], bars["concurrent"]
        assert apart["top"] < at_once["top"]
        for mode in (apart, at_once):
            assert mode["user"]["dur"] >= 200 and mode["posts"]["dur"] >= 160
        # What is drawn is what was measured: the second bar begins where the first one ends, or
        # both begin together.
        assert apart["posts"]["start"] >= apart["user"]["dur"]
        assert apart["posts"]["left"] >= apart["user"]["left"] + apart["user"]["width"] - 0.02
        assert at_once["posts"]["start"] < at_once["user"]["dur"]
        assert at_once["posts"]["left"] < at_once["user"]["left"] + at_once["user"]["width"]
        assert end_of(at_once) < 0.8 * end_of(apart), bars
        assert 0.97 <= apart["posts"]["left"] + apart["posts"]["width"] <= 1.01
        assert "%" in text(browser, "sum")
        picture(browser, "light")
        browser.call("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": "dark"}])
        picture(browser, "dark")
        browser.call("Emulation.setDeviceMetricsOverride", width=360, height=700,
                     deviceScaleFactor=2, mobile=True)
        browser.until("document.documentElement.scrollWidth <= 360")
        picture(browser, "small")
        assert not browser.complaints(), browser.complaints()

        # The address says who is shown, and brings them back.
        url = browser.evaluate("location.href")
        assert url.endswith("#7")
        browser.open("about:blank")
        browser.open(url)
        browser.until("!document.getElementById('result').hidden")
        for request in browser.requests():
            assert request.startswith((f"http://127.0.0.1:{service.port}/", "data:", "about:")), \
                request


def test_mistakes_are_told_kindly():
    with Service() as service, Browser() as browser:
        browser.open(f"http://127.0.0.1:{service.port}/")
        for id, words in [("999999", "no user 999999"), ("abc", "whole number"),
                          ("-1", "whole number"), ("", "whole number"),
                          ("99999999999999999999", "did not work")]:
            ask(browser, id)
            assert words in text(browser, "problem"), (id, text(browser, "problem"))
            assert not visible(browser, "result") and not visible(browser, "waterfall")
            if id == "999999":
                picture(browser, "problem")
        for _ in range(20):  # on a busy machine the queries may seem to wait
            ask(browser, "3")
            browser.until("!document.getElementById('result').hidden")
            assert not visible(browser, "problem")
            if "--latency" in text(browser, "sum"):
                break
        assert "--latency" in text(browser, "sum")
        picture(browser, "near")
        # A post with markup in it is text.
        service.post("/users/3/posts",
                     {"title": "<img src=x onerror=alert(1)>", "body": "<b>b</b>"})
        ask(browser, "3")
        browser.until("document.querySelectorAll('#posts li').length === 11")
        assert browser.evaluate("document.querySelectorAll('#posts img, #posts b').length") == 0
        service.stop()
        ask(browser, "4")
        assert "does not answer" in text(browser, "problem")
        assert not browser.complaints(), browser.complaints()


def test_by_keyboard_alone():
    with Service() as service, Browser() as browser:
        browser.open(f"http://127.0.0.1:{service.port}/")
        browser.evaluate("document.body.focus()")
        for key, code in [("Tab", 9), ("Enter", 13)]:
            for kind in ("rawKeyDown", "keyUp"):
                browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                             windowsVirtualKeyCode=code)
            if key == "Tab":
                assert browser.evaluate("document.activeElement.id") == "id"
            else:
                browser.call("Input.dispatchKeyEvent", type="char", text="\r", key=key)
        browser.until("!document.getElementById('result').hidden")
        # Each control has a name that is read out.
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        named = {(node["role"]["value"], node["name"]["value"]) for node in nodes
                 if not node["ignored"] and "name" in node}
        assert ("textbox", "User id") in named and ("button", "Fetch") in named, named
        assert ("list", "Posts") in named and ("region", "Where the time went") in named, named


if not os.path.exists(PROGRAM):
    print("skip: no chromium")
    sys.exit(77)
main(globals())
