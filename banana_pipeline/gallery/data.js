// What lives here: receiving the data files and asking for more of them. Each file calls bananaGallery once.
// What does not: searching and showing.
"use strict";

(function (G) {
  const AT_ONCE = 3;
  const chunks = [];
  const details = new Map();
  const waiting = new Map();
  let loaded = 0;

  G.manifest = null;
  G.problems = 0;
  G.onRows = () => {};

  // With trusted types a browser loads only addresses of this form, whatever else may go wrong.
  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("gallery", { createScriptURL: checkedName })
    : { createScriptURL: checkedName };

  function checkedName(name) {
    if (!/^files\/(rows|details)-[0-9a-f]{16}\.js$/.test(name)) throw new TypeError("not a data file: " + name);
    return name;
  }

  window.bananaGallery = function (message) {
    if (message.kind === "manifest") G.manifest = message;
    else if (message.kind === "rows") takeRows(message);
    else if (message.kind === "details") details.set(message.number, message.values);
  };

  function load(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.onload = () => { script.remove(); resolve(); };
      script.onerror = () => { script.remove(); reject(new Error(name)); };
      script.src = policy.createScriptURL("files/" + name);
      document.head.append(script);
    });
  }

  function takeRows({ number, columns }) {
    const names = Object.keys(columns);
    const first = number * G.manifest.rows_per_file;
    chunks[number] = columns.prompt.map((_, index) => {
      const row = { ordinal: first + index };
      for (const name of names) row[name] = columns[name][index];
      row.text = [row.prompt, row.id, row.request_id, row.task_id].filter(Boolean).join("\n").normalize("NFC").toLowerCase();
      return row;
    });
    loaded += chunks[number].length;
  }

  G.loadedCount = () => loaded;
  G.isComplete = () => G.manifest !== null && loaded + G.problems >= G.manifest.row_count;
  G.rows = () => chunks.flat();

  // All files, a few at a time and in order, so that the first rows of the table come first.
  G.loadAll = async function () {
    const names = [...G.manifest.rows.entries()];
    const worker = async () => {
      while (names.length > 0) {
        const [number, name] = names.shift();
        try {
          await load(name);
        } catch {
          const { rows_per_file: size, row_count: all } = G.manifest;
          G.problems += Math.min(size, all - number * size);
        }
        G.onRows();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  };

  // What is known of one row beyond what the grid needs. Rejects if its file cannot be read.
  G.details = async function (row) {
    const size = G.manifest.details_per_file;
    const number = Math.floor(row.ordinal / size);
    if (!details.has(number)) {
      if (!waiting.has(number)) waiting.set(number, load(G.manifest.details[number]).finally(() => waiting.delete(number)));
      await waiting.get(number);
    }
    return details.get(number)[row.ordinal % size];
  };
})(window.Gallery);
