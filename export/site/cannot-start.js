// Says why the page cannot start where its modules cannot be loaded or run; written for old browsers.
(function () {
  var page = document.documentElement, why = "";

  function tell() {
    var notice = document.getElementById("notice");
    page.className = "cannot-start";
    if (notice) notice.textContent = why;
  }

  if (location.protocol === "file:") {
    why = "Browsers open this page only from a web server: python -m http.server, in its folder, is one.";
  } else if (!("noModule" in HTMLScriptElement.prototype) || typeof WebAssembly !== "object" || !window.OffscreenCanvas ||
      !window.DecompressionStream || ![].toSorted) {
    why = "This browser is too old for this page: please update it, or try another one.";
  }
  if (why) tell();
  document.addEventListener("DOMContentLoaded", function () { if (why) tell(); });
  window.addEventListener("error", function (event) {
    if (event.target.tagName !== "SCRIPT") return;
    why = why || "A part of this page did not come: load it again.";
    tell();
  }, true);
})();
