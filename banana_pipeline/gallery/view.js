// What lives here: which rows are shown and in which order, and the same as text in the address, to be shared.
// What does not: the controls that change it.
"use strict";

(function (G) {
  const PLAIN = ["q", "table", "state", "aspect_ratio", "resolution", "sort", "open"];
  const OWN = "own.";

  G.newState = () => ({ q: "", table: "", state: "", aspect_ratio: "", resolution: "", sort: "", open: "", own: new Map() });
  G.state = G.newState();

  G.readHash = function () {
    const state = G.newState();
    for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
      if (PLAIN.includes(name)) state[name] = value;
      else if (name.startsWith(OWN)) state.own.set(name.slice(OWN.length), value);
    }
    G.state = state;
  };

  G.writeHash = function () {
    const parameters = new URLSearchParams();
    for (const name of PLAIN) if (G.state[name]) parameters.set(name, G.state[name]);
    for (const [column, value] of G.state.own) parameters.set(OWN + column, value);
    const text = "#" + parameters;
    if (text !== (location.hash || "#")) history.replaceState(null, "", text);
  };

  // One picture of one row of one table; request ids alone do not tell two equal rows apart.
  G.keyOf = (row) => [row.row_number, row.sample, row.picture, G.tableOf(row).name].join(".");

  G.tableOf = (row) => G.manifest.tables[row.table];
  G.chosenTable = function () {
    const { tables } = G.manifest;
    return tables.length === 1 ? tables[0] : tables.find((table) => table.name === G.state.table);
  };

  // "=" before a value tells an empty text from a missing one.
  G.asChoice = (value) => (value === null ? "none" : "=" + value);

  const ORDERS = new Map([
    ["newest", [(row) => row.at, -1]],
    ["cost", [(row) => row.credits, -1]],
    ["slowest", [(row) => row.seconds, -1]],
    ["quickest", [(row) => row.seconds, 1]],
    ["prompt", [(row) => row.text, 1]],
  ]);

  G.visibleRows = function () {
    const tests = [...textTests(), ...choiceTests(), ...ownTests()];
    const rows = G.rows();
    const found = tests.length === 0 ? rows : rows.filter((row) => tests.every((test) => test(row)));
    const order = ORDERS.get(G.state.sort);
    return order ? sorted(found, ...order) : found;
  };

  function textTests() {
    const words = G.state.q.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
    return words.map((word) => (row) => row.text.includes(word));
  }

  function choiceTests() {
    const { table, state, aspect_ratio: ratio, resolution } = G.state;
    const tests = [];
    if (table) tests.push((row) => G.tableOf(row).name === table);
    if (state) tests.push((row) => row.state === state);
    if (ratio) tests.push((row) => row.aspect_ratio === ratio);
    if (resolution) tests.push((row) => row.resolution === resolution);
    return tests;
  }

  function ownTests() {
    const table = G.chosenTable();
    if (!table) return [];
    const wanted = table.facets.filter(([column]) => G.state.own.has(table.columns[column]));
    return wanted.map(([column, values]) => {
      const code = values.findIndex((value) => G.asChoice(value) === G.state.own.get(table.columns[column]));
      // Numbers of values go by rows before a new value or column was met; what is missing there is "none".
      return (row) => row.facets[column] === code || (row.facets[column] === undefined && values[code] === null);
    });
  }

  // Rows without the value come last either way; equal ones stay in table order.
  function sorted(rows, valueOf, direction) {
    const isMissing = (row) => valueOf(row) === null || valueOf(row) === undefined;
    const known = rows.filter((row) => !isMissing(row));
    known.sort((one, other) => {
      const [a, b] = [valueOf(one), valueOf(other)];
      return a < b ? -direction : a > b ? direction : one.ordinal - other.ordinal;
    });
    return known.concat(rows.filter(isMissing));
  }
})(window.Gallery);
