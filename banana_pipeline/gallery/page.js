// What lives here: putting the parts together: address, search, theme, keys, counts, notices.
// What does not: the parts. Loaded after the manifest, so that everything is there.
"use strict";

(function (G) {
  const search = G.byId("search");
  let timer = 0;
  let lastMs = 0;

  function refresh() {
    const started = performance.now();
    const found = G.visibleRows();
    G.showGrid(found);
    showCount(found.length);
    showEmpty(found.length);
    openFromAddress();
    lastMs = performance.now() - started;
  }

  // Rows arrive many times; with many rows each look at all of them takes a while.
  function refreshSoon(delay = 0) {
    clearTimeout(timer);
    timer = setTimeout(refresh, delay);
  }

  function changed() {
    G.writeHash();
    G.showControls();
    search.value = G.state.q;
    window.scrollTo(0, 0);
    refresh();
  }

  function showCount(count) {
    const all = G.manifest.row_count;
    const loaded = G.loadedCount();
    const shown = count > G.MOST_CARDS ? `; the first ${G.number(G.MOST_CARDS)} are shown, search or filter to see others` : "";
    const of = count === all ? "" : " of " + G.number(all);
    const rest = G.isComplete() ? "" : `, ${G.number(all - loaded)} more are being loaded`;
    const text = G.number(count) + of + (all === 1 ? " row" : " rows") + shown + rest;
    if (G.byId("count").textContent !== text) G.byId("count").textContent = text;
    const bar = G.byId("loading");
    bar.hidden = G.isComplete();
    bar.max = all || 1;
    bar.value = loaded;
  }

  function showEmpty(count) {
    const box = G.byId("empty");
    box.hidden = count > 0 || !G.isComplete();
    if (box.hidden) return;
    if (G.manifest.row_count === 0) {
      const todo = ["Run a prompt table, then materialize the asset ", G.el("code", {}, "gallery"), " and reload this page."];
      box.replaceChildren(G.el("h2", {}, "No pictures yet"), G.el("p", {}, ...todo));
      return;
    }
    const button = G.el("button", { type: "button", class: "quiet" }, "Clear filters");
    button.addEventListener("click", G.clear);
    const rule = "Every word of the search must be in the prompt or in an id, and all filters must fit.";
    box.replaceChildren(G.el("h2", {}, "Nothing matches"), G.el("p", {}, rule), button);
  }

  function notices() {
    const { left_out: leftOut, row_count: all } = G.manifest;
    const texts = [];
    if (leftOut > 0) {
      texts.push(`This page shows ${G.number(all)} of ${G.number(all + leftOut)} rows: the shards with the newest results. ` +
        "All rows are in the Parquet files in ../warehouse.");
    }
    if (G.problems > 0) {
      texts.push(`${G.number(G.problems)} rows could not be loaded. The gallery may have been written again: reload the page.`);
    }
    G.byId("notices").replaceChildren(...texts.map((text) => G.el("p", {}, text)));
  }

  function openFromAddress() {
    const open = G.largeRow();
    if (!G.state.open) {
      if (open) G.closeLarge();
      return;
    }
    if (open && G.keyOf(open) === G.state.open) return;
    const isIt = (one) => G.keyOf(one) === G.state.open;
    const row = G.shownRows().find(isIt) || G.rows().find(isIt);
    if (row) G.showLarge(row);
  }

  G.onRows = () => { notices(); refreshSoon(Math.min(2000, lastMs * 4)); };
  G.onControl = changed;
  G.onOpen = (number) => G.showLarge(G.shownRows()[number]);
  G.onLarge = (row) => {
    G.state.open = row === null ? "" : G.keyOf(row);
    G.writeHash();
  };

  search.addEventListener("input", () => {
    G.state.q = search.value;
    clearTimeout(timer);
    timer = setTimeout(changed, Math.min(400, 80 + lastMs));
  });
  window.addEventListener("hashchange", () => { G.readHash(); changed(); });

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.matches("input, select, textarea");
    if (event.key !== "/" || isTyping || G.byId("large").open || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    G.focusCard(0);
  });
  G.byId("skip").addEventListener("click", (event) => { event.preventDefault(); G.focusCard(0); });

  G.byId("more").addEventListener("click", (event) => {
    const isOpen = G.byId("controls").classList.toggle("is-open");
    event.currentTarget.setAttribute("aria-expanded", isOpen);
  });

  // Storage may be forbidden where pages are opened from a folder; the choice then lasts as long as the page.
  const remembered = {
    get() {
      try { return localStorage.getItem("gallery-theme"); } catch { return null; }
    },
    set(value) {
      try { localStorage.setItem("gallery-theme", value); } catch { /* see above */ }
    },
  };
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (systemIsDark.matches ? "dark" : "light")) === "dark";

  function showTheme() {
    G.byId("theme").setAttribute("aria-pressed", isDark());
  }
  G.byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    remembered.set(document.documentElement.dataset.theme);
    showTheme();
  });
  systemIsDark.addEventListener("change", showTheme);

  if (["light", "dark"].includes(remembered.get())) document.documentElement.dataset.theme = remembered.get();
  showTheme();
  if (G.manifest === null) {
    G.byId("count").textContent = "The list of pictures could not be loaded. The gallery may have been written again: reload the page.";
    return;
  }
  G.readHash();
  search.value = G.state.q;
  G.showControls();
  notices();
  if (G.manifest.row_count === 0) refresh();
  G.loadAll();
})(window.Gallery);
