// What lives here: making elements, writing values as words, and deciding which addresses may be used.
// What does not: data and events. Text becomes text nodes; no string is ever parsed as HTML.
"use strict";

window.Gallery = {};

(function (G) {
  G.byId = (id) => document.getElementById(id);

  // Attribute names are ours; values of href and src come from the functions below.
  G.el = function (tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.filter((child) => child !== null && child !== undefined).map(asNode));
    return element;
  };

  const asNode = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));

  // A stranger's text: its own direction, which cannot leak into what stands beside it.
  G.stranger = (tag, text, attributes) => G.el(tag, { dir: "auto", ...attributes }, text);

  // A path below the data folder as a relative link, or null. A browser reads %2e as a dot.
  G.inData = function (path) {
    if (typeof path !== "string" || /[\\?#:\u0000-\u001f]/.test(path)) return null;
    const isOdd = (part) => part === "" || /^(\.|%2e){1,2}$/i.test(part);
    return path.split("/").some(isOdd) ? null : "../" + path;
  };

  // A web address as the browser understands it, or null: nothing else may stand in a link.
  G.webAddress = function (text) {
    try {
      const url = new URL(text);
      return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
    } catch {
      return null;
    }
  };

  G.outerLink = function (text) {
    const address = G.webAddress(text);
    if (address === null) return G.stranger("span", text);
    const shown = address.length > 90 ? address.slice(0, 87) + "..." : address;
    return G.el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, shown);
  };

  const STATES = new Map([
    ["succeeded", ["Succeeded", "good"]],
    ["failed", ["Failed", "bad"]],
    ["refused", ["Refused", "bad"]],
    ["pending", ["Still being made", "wait"]],
    ["overdue", ["Overdue", "wait"]],
    ["unconfirmed", ["Unconfirmed", "bad"]],
    ["not_submitted", ["Not sent", "calm"]],
    ["not_archived", ["Not archived", "wait"]],
  ]);
  const MEANINGS = new Map([
    ["failed", "The service could not make this picture."],
    ["refused", "The service did not accept the order; nothing was charged."],
    ["pending", "Ordered and still being made; the next run collects it."],
    ["overdue", "Ordered, with no result in time; the next run looks again."],
    ["unconfirmed", "The answer to the order was lost. It may have been paid, so it is not sent again by itself."],
    ["not_submitted", "Never sent; the next run sends it."],
  ]);

  G.stateName = (state) => (STATES.get(state) || [state])[0];
  G.stateKind = (state) => (STATES.get(state) || [state, "calm"])[1];
  G.reasonOf = (row) => row.reason || MEANINGS.get(row.state) || "";

  const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  G.number = (value) => numbers.format(value);
  G.usd = (value) => "$" + value.toFixed(value >= 1 || value === 0 ? 2 : 4).replace(/(\.\d\d)0+$/, "$1");
  G.bytes = (value) => (value >= 1e6 ? numbers.format(value / 1e6) + " MB" : numbers.format(Math.ceil(value / 1e3)) + " KB");

  G.time = function (iso) {
    const date = new Date(iso);
    if (Number.isNaN(date.getTime())) return G.stranger("span", iso);
    return G.el("time", { datetime: iso }, date.toISOString().slice(0, 19).replace("T", " ") + " UTC");
  };
})(window.Gallery);
