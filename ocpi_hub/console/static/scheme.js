// Light or dark as chosen, before anything is drawn.
(() => {
  "use strict";
  try {
    const chosen = localStorage.getItem("ocpi-hub-scheme");
    if (chosen) document.documentElement.dataset.scheme = chosen;
  } catch { /* without storage, the system decides */ }
})();
