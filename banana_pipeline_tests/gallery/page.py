"""The gallery in a browser: what a person does with its own controls.

Here: waiting for rows, filters, the search. Not here: the browser; facts, which the tests state.
"""

import json

from banana_pipeline_tests.browser import Browser


class Page(Browser):
    """A window that shows the gallery."""

    def wait_for_all(self) -> None:
        """Until every row is loaded."""
        self.wait("window.Gallery && Gallery.isComplete() && /row/.test(document.getElementById('count').textContent)")
        self.wait("!document.getElementById('count').textContent.includes('being loaded')")

    def choose(self, control: str, value: str) -> None:
        """Set a filter by its id."""
        self.run(
            "const box = document.getElementById(arguments[0]); box.value = arguments[1];"
            "box.dispatchEvent(new Event('change'))",
            control,
            value,
        )

    def search(self, text: str) -> None:
        self.run(
            "const box = document.getElementById('search'); box.value = arguments[0];"
            "box.dispatchEvent(new Event('input'))",
            text,
        )
        asked = "(new URLSearchParams(location.hash.slice(1)).get('q') ?? '')"
        self.wait(f"{asked} === {json.dumps(text)}")
