// What lives here: the filters and the order, as form controls that follow the state and change it.
// What does not: what they do to the rows (view.js).
"use strict";

(function (G) {
  const SORTS = [
    ["", "Table order"],
    ["newest", "Newest first"],
    ["cost", "Cost, highest first"],
    ["slowest", "Slowest first"],
    ["quickest", "Quickest first"],
    ["prompt", "Prompt, A to Z"],
  ];

  const MOST_OWN = 6;
  let isUnfolded = false;

  G.onControl = () => {};

  G.showControls = function () {
    const focused = document.activeElement && document.activeElement.id;
    const manifest = G.manifest;
    const shown = [];
    if (manifest.tables.length > 1) shown.push(choice("Table", "table", manifest.tables.map((table) => [table.name, sum(table.states)])));
    shown.push(choice("Status", "state", counted(), G.stateName));
    shown.push(choice("Aspect ratio", "aspect_ratio", manifest.aspect_ratios));
    shown.push(choice("Resolution", "resolution", manifest.resolutions));
    shown.push(...folded(ownChoices()));
    shown.push(select("Sort", "control-sort", SORTS, G.state.sort, (value) => { G.state.sort = value; }));
    shown.push(clearButton());
    G.byId("controls").replaceChildren(...shown.filter(Boolean));
    if (focused && focused.startsWith("control-") && G.byId(focused)) G.byId(focused).focus();
  };

  const sum = (pairs) => pairs.reduce((total, [, count]) => total + count, 0);

  function counted() {
    const counts = new Map();
    const chosen = G.chosenTable();
    for (const table of chosen ? [chosen] : G.manifest.tables) {
      for (const [state, count] of table.states) counts.set(state, (counts.get(state) || 0) + count);
    }
    return [...counts];
  }

  // A filter of one possible value would change nothing, unless it is the one that is set.
  function choice(label, name, pairs, nameOf = String) {
    if (pairs.length < 2 && !G.state[name]) return null;
    const options = [["", "All"], ...pairs.map(([value, count]) => [value, nameOf(value) + " (" + G.number(count) + ")"])];
    return select(label, "control-" + name, options, G.state[name], (value) => {
      G.state[name] = value;
      if (name === "table") G.state.own.clear();
    });
  }

  const shownValue = (value) => (value === null ? "(none)" : value || "(empty)");
  const byNumber = new Intl.Collator(undefined, { numeric: true });
  const byText = (one, other) => (one === null) - (other === null) || byNumber.compare(one, other);

  function ownChoices() {
    const table = G.chosenTable();
    if (!table) return [];
    return table.facets.map(([column, values]) => {
      const name = table.columns[column];
      const options = [["", "All"], ...[...values].sort(byText).map((value) => [G.asChoice(value), shownValue(value)])];
      return select(name, "control-own-" + column, options, G.state.own.get(name) || "", (value) => {
        if (value) G.state.own.set(name, value);
        else G.state.own.delete(name);
      });
    });
  }

  // A table with sixty columns would push the pictures off the screen.
  function folded(choices) {
    if (choices.length <= MOST_OWN) return choices;
    const more = choices.slice(MOST_OWN);
    const isOpen = isUnfolded || more.some((control) => control.dataset.isSet !== undefined);
    const summary = G.el("summary", { id: "control-more" }, G.number(more.length) + " more filters");
    const box = G.el("details", { class: "more-filters", open: isOpen }, summary, G.el("div", { class: "controls is-open" }, ...more));
    box.addEventListener("toggle", () => { isUnfolded = box.open; });
    return [...choices.slice(0, MOST_OWN), box];
  }

  function select(label, id, options, value, change) {
    const known = options.some(([one]) => one === value) ? options : [...options, [value, value]];
    const box = G.el("select", { id }, ...known.map(([one, text]) => G.el("option", { value: one, dir: "auto" }, text)));
    box.value = value;
    box.addEventListener("change", () => { change(box.value); G.onControl(); });
    const isSet = value !== "" && id !== "control-sort";
    return G.el("div", { class: "control", "data-is-set": isSet }, G.stranger("label", label, { for: id }), box);
  }

  function clearButton() {
    const { q, table, state, aspect_ratio: ratio, resolution, own } = G.state;
    if (!(q || table || state || ratio || resolution || own.size)) return null;
    const button = G.el("button", { type: "button", class: "quiet", id: "control-clear" }, "Clear filters");
    button.addEventListener("click", G.clear);
    return button;
  }

  G.clear = function () {
    G.state = { ...G.newState(), sort: G.state.sort };
    G.onControl();
    G.byId("search").focus();
  };
})(window.Gallery);
