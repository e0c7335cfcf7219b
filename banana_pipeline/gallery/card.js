// What lives here: one card of the grid, with a picture or with the reason why there is none.
// What does not: where it stands (grid.js).
"use strict";

(function (G) {
  G.card = function (row, number, count) {
    const body = row.image ? picture(row) : failure(row);
    const prompt = G.stranger("span", row.prompt, { class: "prompt" });
    const caption = G.el("span", { class: "caption" }, prompt, G.el("span", { class: "facts" }, facts(row)));
    const button = G.el("button", { type: "button", class: "card" }, body, caption);
    return G.el("li", { class: "item", "data-number": number, "aria-posinset": number + 1, "aria-setsize": count }, button);
  };

  function facts(row) {
    const pieces = [row.id === null ? "row " + row.row_number : row.id, row.aspect_ratio, row.resolution];
    if (row.references > 0) pieces.push(row.references === 1 ? "1 reference" : row.references + " references");
    return pieces.filter(Boolean).map((piece) => "\u2068" + piece + "\u2069").join(" \u00b7 ");
  }

  function picture(row) {
    const source = G.inData(row.thumbnail) || G.inData(row.image);
    const image = G.el("img", { src: source, alt: "", loading: "lazy", decoding: "async", draggable: "false" });
    const mat = G.el("span", { class: "mat" }, image);
    image.addEventListener("load", () => image.classList.add("is-there"));
    image.addEventListener("error", () => mat.replaceChildren(G.el("span", { class: "gone" }, "The file is not where it was archived.")));
    return mat;
  }

  function failure(row) {
    const state = G.el("span", { class: "state " + G.stateKind(row.state) }, G.stateName(row.state));
    return G.el("span", { class: "mat failure" }, state, G.stranger("span", G.reasonOf(row), { class: "reason" }));
  }
})(window.Gallery);
