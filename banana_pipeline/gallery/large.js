// What lives here: the large view of one row: picture, references, and everything known about it.
// What does not: the grid. The dialog element itself keeps the focus inside, makes the rest inert and knows Escape.
"use strict";

(function (G) {
  const dialog = G.byId("large");
  let shown = null;

  G.onLarge = () => {};
  G.largeRow = () => shown;

  G.showLarge = function (row, focusOn) {
    const number = G.shownRows().indexOf(row);
    shown = row;
    const facts = G.el("div", { class: "facts-box", "aria-busy": "true" });
    dialog.replaceChildren(top(row, number), stage(row), side(row, facts));
    if (!dialog.open) dialog.showModal();
    const button = G.byId(focusOn || "large-close");
    (button.disabled ? G.byId("large-close") : button).focus();
    G.onLarge(row);
    fill(row, facts);
  };

  G.closeLarge = () => dialog.close();

  function top(row, number) {
    const count = G.shownRows().length;
    const place = number < 0 ? "Not among the filtered rows" : G.number(number + 1) + " of " + G.number(count);
    return G.el("div", { class: "large-top" }, G.el("span", { class: "place" }, place),
      step(row, "large-previous", "Previous", "ArrowLeft", -1, number > 0),
      step(row, "large-next", "Next", "ArrowRight", 1, number < count - 1),
      closer());
  }

  function step(row, id, text, key, direction, isPossible) {
    const button = G.el("button", { type: "button", id, class: "quiet", "aria-keyshortcuts": key, disabled: !isPossible }, text);
    // Asked at the click: rows that were loaded meanwhile may stand between.
    button.addEventListener("click", () => {
      const rows = G.shownRows();
      G.showLarge(rows[rows.indexOf(row) + direction] || row, id);
    });
    return button;
  }

  function closer() {
    const button = G.el("button", { type: "button", id: "large-close", class: "quiet", "aria-keyshortcuts": "Escape" }, "Close");
    button.addEventListener("click", G.closeLarge);
    return button;
  }

  function stage(row) {
    return G.el("div", { class: "stage" }, G.el("div", { class: "references", id: "large-references", hidden: true }), result(row));
  }

  function result(row) {
    const source = G.inData(row.image);
    if (source === null) {
      const state = G.el("span", { class: "state " + G.stateKind(row.state) }, G.stateName(row.state));
      return G.el("div", { class: "result failure" }, state, G.stranger("p", G.reasonOf(row), { class: "reason" }));
    }
    const image = G.el("img", { src: source, alt: row.prompt.slice(0, 300), width: row.width_px, height: row.height_px });
    const link = { href: source, target: "_blank", rel: "noopener", "aria-label": "Open the original file" };
    return G.el("div", { class: "result" }, G.el("a", link, image));
  }

  function side(row, facts) {
    const name = (row.id === null ? "Row " + row.row_number : row.id);
    return G.el("div", { class: "side", tabindex: "0", role: "region", "aria-label": "What is known of it" },
      G.stranger("h2", name, { id: "large-title" }),
      G.stranger("p", row.prompt, { class: "large-prompt" }),
      facts);
  }

  async function fill(row, box) {
    let more = null;
    try {
      more = await G.details(row);
    } catch {
      box.append(G.el("p", { class: "gone" }, "The rest cannot be read: the gallery may have been written again. Reload the page."));
    }
    box.removeAttribute("aria-busy");
    if (more === null || shown !== row || !box.isConnected) return;
    showReferences(more.references);
    box.replaceChildren(...groups(row, more));
  }

  function showReferences(references) {
    const box = G.byId("large-references");
    box.hidden = references.length === 0;
    box.replaceChildren(...references.map((reference, index) => {
      const caption = G.el("figcaption", {}, references.length === 1 ? "Reference" : "Reference " + (index + 1));
      return G.el("figure", {}, referenceBody(reference), caption);
    }));
  }

  // A link is not loaded: whoever has the other end of it would learn who looks at the page.
  function referenceBody(reference) {
    const source = G.inData(reference.path);
    if (reference.url) return G.el("span", { class: "reference-name" }, G.outerLink(reference.url));
    if (source === null) return G.stranger("span", reference.name, { class: "reference-name" });
    const image = G.el("img", { src: source, alt: "Reference image " + reference.name, loading: "lazy" });
    return G.el("a", { href: source, target: "_blank", rel: "noopener" }, image);
  }

  function groups(row, more) {
    const table = G.tableOf(row);
    const own = table.columns.map((name, index) => [name, more.own[index]]);
    const source = G.inData(row.image);
    return [
      source && G.el("p", {}, G.el("a", { class: "original", href: source, target: "_blank", rel: "noopener" }, "Open the original file")),
      group("Result", [
        ["Status", G.stateName(row.state)],
        ["Reason", row.image ? null : G.reasonOf(row)],
        ["Service said", [more.fail_code, more.fail_msg].filter(Boolean).join(": ")],
        ["Cost", cost(row, more)],
        ["Generation time", row.seconds === null ? null : G.number(row.seconds) + " s"],
        ["File", fileWords(row, more)],
      ]),
      group("Asked", [
        ["Aspect ratio", row.aspect_ratio],
        ["Resolution", row.resolution],
        ["Format", more.output_format],
        ["Model", more.model],
        ["Sample", row.sample > 0 ? String(row.sample) : null],
      ]),
      group("Where it comes from", [
        ["Table", table.name],
        ["Row", String(row.row_number)],
        ["Request id", row.request_id],
        ["Task id", more.task_id],
        ["Attempt id", more.attempt_id],
        ["Attempt", more.attempt === null ? null : String(more.attempt)],
        ["Run id", more.run_id],
        ["Table version", more.table_version],
        ["Code version", more.code_version],
        ["Account", more.account],
        ["Submitted", more.submitted_at && G.time(more.submitted_at)],
        ["Completed", more.completed_at && G.time(more.completed_at)],
        ["Archived", more.archived_at && G.time(more.archived_at)],
        ["SHA-256", more.image_sha256],
        ...more.result_urls.map((url) => ["At the service", G.outerLink(url)]),
      ]),
      group("From the table", own),
    ].filter(Boolean);
  }

  function cost(row, more) {
    if (more.is_reused) return "0: paid for by an equal request";
    if (row.credits === null) return null;
    const dollars = more.cost_usd === null ? "" : " (" + G.usd(more.cost_usd) + ")";
    return G.number(row.credits) + (row.credits === 1 ? " credit" : " credits") + dollars;
  }

  function fileWords(row, more) {
    if (!row.width_px) return null;
    return `${row.width_px} \u00d7 ${row.height_px} px, ${more.image_format}, ${G.bytes(more.image_bytes || 0)}`;
  }

  function group(title, pairs) {
    const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
    if (known.length === 0) return null;
    const lines = known.map(([name, value]) => {
      const shown = value instanceof Node ? G.el("dd", {}, value) : G.stranger("dd", value);
      return G.el("div", {}, G.stranger("dt", name), shown);
    });
    return G.el("section", {}, G.el("h3", {}, title), G.el("dl", {}, ...lines));
  }

  dialog.addEventListener("keydown", (event) => {
    const id = { ArrowLeft: "large-previous", ArrowRight: "large-next" }[event.key];
    if (!id || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    G.byId(id).click();
  });
  // A click beside the dialog's content closes it, as people expect.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) G.closeLarge();
  });
  dialog.addEventListener("close", () => {
    const number = G.shownRows().indexOf(shown);
    shown = null;
    dialog.replaceChildren();
    G.onLarge(null);
    if (number >= 0) G.focusCard(number);
  });
})(window.Gallery);
