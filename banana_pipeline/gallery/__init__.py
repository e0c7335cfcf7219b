"""The gallery: a page to look at, search and filter every picture, opened from a folder or a web server.

Lives here: turning the outputs into the page's data files (``index`` and its helpers), writing the page so that a
reader always sees a whole one (``write``), and the page itself (``page.html``, ``style.css``, ``*.js``). Does not live
here: making pictures, and Dagster.
"""
