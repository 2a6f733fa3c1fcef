// Times in the viewer's zone, the switch between light and dark, keys, and what asks before it is done.
(() => {
  "use strict";
  const long = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
  });
  const short = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit", minute: "2-digit", hour12: false,
  });

  const localTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.textContent = long.format(at);
    }
    for (const text of root.querySelectorAll("text[data-at]")) {
      const at = new Date(text.dataset.at);
      if (!Number.isNaN(at.getTime())) text.textContent = short.format(at);
    }
  };

  const start = (root) => {
    localTimes(root);
    const wide = matchMedia("(min-width: 60rem)").matches;
    if (wide) for (const each of root.querySelectorAll("details[data-wide-open]")) each.open = true;
  };

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const switchScheme = () => {
    const root = document.documentElement;
    const now = root.dataset.scheme || (dark.matches ? "dark" : "light");
    root.dataset.scheme = now === "dark" ? "light" : "dark";
    try { localStorage.setItem("ocpi-hub-scheme", root.dataset.scheme); } catch { /* this page only */ }
  };

  document.addEventListener("DOMContentLoaded", () => start(document));
  // Open tables of figures stay open when their part of the page is made anew.
  let opened = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    opened = [...event.target.querySelectorAll("details")].map((each) => each.open);
  });
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    const part = event.target;
    opened = [...part.querySelectorAll("details")].map((each) => each.open);
    if (part.contains(document.activeElement) && document.activeElement !== part) event.preventDefault();
  });
  const swapped = (event) => {
    localTimes(event.target);
    event.target.querySelectorAll("details").forEach((each, n) => { if (opened[n]) each.open = true; });
  };
  // The hub ends a stream for good with the session: then nothing is live any more.
  document.addEventListener("htmx:sseError", (event) => {
    if (event.detail.source && event.detail.source.readyState === EventSource.CLOSED) {
      document.querySelectorAll(".chip.live").forEach((each) => each.remove());
    }
  });
  document.addEventListener("htmx:afterSwap", swapped);
  document.addEventListener("htmx:sseMessage", swapped);
  // A list that cannot be made says why in the list's place.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr && event.detail.xhr.status === 400) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  // What takes a while and fails is opened as a page, which says why.
  const openInstead = (event) => {
    const later = event.detail.requestConfig.elt.closest("section.later");
    if (later) location.assign(later.querySelector("a").href);
  };
  document.addEventListener("htmx:sendError", openInstead);
  document.addEventListener("htmx:beforeSwap", (event) => {
    const asked = event.detail.requestConfig.elt;
    if (!asked.closest("section.later") || event.detail.serverResponse.includes('id="told"')) return;
    event.detail.shouldSwap = false;
    openInstead(event);
  });

  // What is asked for again and again is not made anew under whoever is in it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.requestConfig.elt.closest("section.ongoing")) return;
    if (event.target.contains(document.activeElement)) event.detail.shouldSwap = false;
  });

  // What is shown once is copied; without a clipboard it is selected.
  const copyText = (button) => {
    const text = document.getElementById(button.dataset.copy);
    getSelection().selectAllChildren(text);
    if (!navigator.clipboard) return;
    navigator.clipboard.writeText(text.textContent).then(
      () => { button.textContent = button.dataset.done; }, () => {},
    );
  };
  // What is live until it has ended is opened once more as it stays.
  document.addEventListener("htmx:sseMessage", (event) => {
    const until = event.target.dataset && event.target.dataset.until;
    if (until && event.target.querySelector(until)) location.reload();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("#scheme")) { switchScheme(); return; }
    const copy = event.target.closest("[data-copy]");
    if (copy) { copyText(copy); return; }
    const row = event.target.closest("tr[data-href]");
    if (!row || event.target.closest("a, button, input, label, summary")) return;
    if (String(getSelection())) return;
    if (event.ctrlKey || event.metaKey) window.open(row.dataset.href, "_blank", "noopener");
    else location.href = row.dataset.href;
  });

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !confirm(question)) { event.preventDefault(); return; }
    // Once is enough.
    if (event.target.method === "post") {
      const button = event.submitter;
      if (button) setTimeout(() => { button.disabled = true; });
    }
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("button:disabled").forEach((b) => { b.disabled = false; });
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const search = document.querySelector("[data-search]") || document.querySelector(".filters input");
      if (search) {
        event.preventDefault();
        const box = search.closest("details");
        if (box) box.open = true;
        search.focus();
        search.select();
      }
    }
    if (event.key !== "Escape") return;
    const menu = document.getElementById("menu-open");
    if (menu && menu.checked) { menu.checked = false; menu.focus(); }
    else if (typing) event.target.blur();
  });
})();
