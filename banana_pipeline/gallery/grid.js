// What lives here: the grid. Only cards near the window exist as elements; the list is as high as if all did.
// What does not: which rows are shown (view.js), the large view (large.js).
"use strict";

(function (G) {
  const GAP = 16, CAPTION = 74, NARROWEST = 200, NARROWEST_PHONE = 146, SPARE_LINES = 2;
  // Browsers do not lay out elements of any height; beyond this, a person narrows the search.
  G.MOST_CARDS = 60000;

  const list = G.byId("grid");
  const cards = new Map();
  let rows = [];
  let layout = { columns: 1, width: NARROWEST, height: 1 };
  let active = 0;
  let isScheduled = false;

  G.onOpen = () => {};
  G.shownRows = () => rows;

  G.showGrid = function (found) {
    rows = found.slice(0, G.MOST_CARDS);
    active = Math.min(active, Math.max(rows.length - 1, 0));
    list.hidden = rows.length === 0;
    measure();
    draw();
  };

  function measure() {
    const width = list.clientWidth;
    const narrowest = width < 520 ? NARROWEST_PHONE : NARROWEST;
    const columns = Math.max(1, Math.floor((width + GAP) / (narrowest + GAP)));
    const card = Math.floor((width - (columns - 1) * GAP) / columns);
    layout = { columns, width: card, height: card + CAPTION + GAP };
    list.style.height = Math.max(0, Math.ceil(rows.length / columns) * layout.height - GAP) + "px";
    list.style.setProperty("--card", card + "px");
  }

  function wanted() {
    const top = -list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / layout.height) - SPARE_LINES);
    const last = Math.ceil((top + window.innerHeight) / layout.height) + SPARE_LINES;
    const numbers = new Set();
    for (let number = first * layout.columns; number < Math.min(last * layout.columns, rows.length); number++) numbers.add(number);
    // The card that has the focus stays, or a keyboard would lose its place.
    if (rows.length > 0) numbers.add(active);
    return numbers;
  }

  function draw() {
    isScheduled = false;
    const numbers = wanted();
    for (const [number, card] of cards) {
      if (!numbers.has(number) || card.row !== rows[number]) {
        card.element.remove();
        cards.delete(number);
      }
    }
    for (const number of numbers) place(number);
  }

  function place(number) {
    if (!cards.has(number)) {
      const element = G.card(rows[number], number, rows.length);
      cards.set(number, { row: rows[number], element });
      // In reading order, for those who listen or tab through it.
      const after = [...list.children].find((other) => Number(other.dataset.number) > number);
      list.insertBefore(element, after || null);
    }
    const { element } = cards.get(number);
    const column = number % layout.columns;
    const line = Math.floor(number / layout.columns);
    element.style.transform = `translate(${column * (layout.width + GAP)}px, ${line * layout.height}px)`;
    element.setAttribute("aria-setsize", rows.length);
    element.firstChild.tabIndex = number === active ? 0 : -1;
  }

  function schedule() {
    if (!isScheduled) {
      isScheduled = true;
      requestAnimationFrame(draw);
    }
  }

  G.focusCard = function (number) {
    if (rows.length === 0) return;
    active = Math.min(Math.max(number, 0), rows.length - 1);
    const line = Math.floor(active / layout.columns);
    const bar = document.querySelector(".bar").offsetHeight + GAP;
    const top = list.getBoundingClientRect().top + line * layout.height;
    if (top < bar) window.scrollBy(0, top - bar);
    else if (top + layout.height > window.innerHeight) window.scrollBy(0, top + layout.height - window.innerHeight);
    draw();
    cards.get(active).element.firstChild.focus({ preventScroll: true });
  };

  const numberOf = (event) => {
    const item = event.target.closest("[data-number]");
    return item ? Number(item.dataset.number) : null;
  };

  list.addEventListener("click", (event) => {
    if (numberOf(event) !== null) G.onOpen(numberOf(event));
  });
  list.addEventListener("focusin", (event) => {
    if (numberOf(event) !== null && numberOf(event) !== active) {
      active = numberOf(event);
      schedule();
    }
  });
  list.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(window.innerHeight / layout.height)) * layout.columns;
    const steps = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: layout.columns,
      ArrowUp: -layout.columns,
      PageDown: page,
      PageUp: -page,
      Home: -rows.length,
      End: rows.length,
    };
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in steps)) return;
    event.preventDefault();
    G.focusCard(active + steps[event.key]);
  });

  window.addEventListener("scroll", schedule, { passive: true });
  new ResizeObserver(() => { measure(); schedule(); }).observe(G.byId("main"));
})(window.Gallery);
